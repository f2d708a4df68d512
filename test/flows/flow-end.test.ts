// When flows end: timeouts, closed connections, a table that is full.
import { type Flow, FlowTable } from 'ringtap'
import { test } from 'tap'
import { back, Connection, packet, start, udp, web } from '../helpers/flow-packets.js'
import { flowsOf } from '../helpers/flows.js'

test('a flow ends after its idle timeout, by the time of the packets', (t) => {
  const table = new FlowTable({ idleTimeout: 10_000 })
  const other = { ...web, sourcePort: 1 }
  table.add(packet(udp(web), 0))
  table.add(packet(udp(web), 9))
  table.add(packet(udp(other), 18.9))
  t.same(table.take(), [])
  table.add(packet(udp(other), 19.2))
  t.match(table.take(), [{ sourcePort: 50000, end: 'idle', duration: 9000, originator: { packets: 2 } }])
  table.add(packet(udp(web), 19.3))
  t.equal(table.stats().flows, 2)
  // A jump of a year, and one back.
  table.add(packet(udp(other), 31_536_000))
  t.equal(table.take().length, 2)
  table.add(packet(udp(other), 5))
  t.match([...table.current()], [{ sourcePort: 1, originator: { packets: 2 } }])
  t.end()
})

test('a flow that goes on for the active timeout is ended, and goes on as another record', (t) => {
  const packets = Array.from({ length: 100 }, (_, second) => packet(udp(web), second))
  const flows = flowsOf(packets, { activeTimeout: 30_000 })
  t.equal(flows.length, 4)
  t.same(
    flows.map(({ end }) => end),
    ['active', 'active', 'active', 'ended'],
  )
  t.equal(
    flows.reduce((sum, { originator }) => sum + originator.packets, 0),
    100,
  )
  t.end()
})

test('a closed connection waits for late packets, ends early, and gives way to a new one', (t) => {
  const first = new Connection().handshake().close()
  const table = new FlowTable({ closeTimeout: 1000 })
  for (const one of first.packets) table.add(one)
  t.equal(table.stats().flows, 1)
  table.add(packet(udp(web), 3))
  t.match(table.take(), [{ end: 'closed', state: 'SF', protocol: 6, originator: { packets: 4 } }])
  for (const one of new Connection(web, 4).handshake().close().packets) table.add(one)
  for (const one of new Connection(web, 4.5, [7, 7]).handshake().packets) table.add(one)
  t.match(table.take(), [{ end: 'reused', state: 'SF' }])
  t.match(table.stats(), { flows: 2, ended: { closed: 1, reused: 1, idle: 0 } })
  t.end()
})

test('a table that is full ends the flow that would end next, and counts it', (t) => {
  const table = new FlowTable({ maxFlows: 100 })
  for (let i = 0; i < 1000; i++) table.add(packet(udp({ ...web, sourcePort: i }), i / 1000))
  t.match(table.stats(), { flows: 100, begun: 1000, ended: { evicted: 900 }, packets: 1000, waiting: 900 })
  const evicted = new Set(table.take().map(({ sourcePort }) => sourcePort))
  t.equal(evicted.size, 900)
  t.notOk(evicted.has(999))
  t.end()
})

test('many flows come and go, and each packet is in one of them', (t) => {
  let ended = 0
  let packets = 0
  const table = new FlowTable({
    maxFlows: 5000,
    idleTimeout: 500,
    onEnd: (flow) => {
      ended++
      packets += flow.originator.packets + flow.responder.packets
    },
  })
  const seen = new Map<number, number>()
  let state = 1
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >>> 8) % below
  }
  for (let i = 0; i < 100_000; i++) {
    const port = random(8000)
    seen.set(port, (seen.get(port) ?? 0) + 1)
    const ends = { ...web, sourcePort: port }
    table.add(packet(udp(random(2) ? ends : back(ends)), i / 5000))
  }
  const now = [...table.current()].length
  t.equal(now, table.stats().flows)
  table.end()
  t.equal(packets, 100_000)
  t.equal(ended, table.stats().begun)
  t.equal(table.stats().flows, 0)
  t.end()
})

test('time that is moved on ends flows as packets do', (t) => {
  const ended: Flow[] = []
  const table = new FlowTable({ idleTimeout: 10_000, closeTimeout: 2000, onEnd: (flow) => ended.push(flow) })
  const from = Number(start / 1_000_000n)
  for (const one of new Connection().handshake().close().packets) table.add(one)
  table.add(packet(udp({ ...web, sourcePort: 40001 }), 0))
  const last = ended.length
  table.advance(from + 1000)
  t.equal(ended.length, last, 'nothing is due')
  table.advance(from + 2500)
  t.strictSame(
    ended.map(({ protocol, end }) => [protocol, end]),
    [[6, 'closed']],
  )
  table.advance(from + 1)
  table.advance(from + 10_500.5)
  t.strictSame(
    ended.map(({ protocol, end }) => [protocol, end]),
    [
      [6, 'closed'],
      [17, 'idle'],
    ],
  )
  // A packet that comes late begins a flow, at its own time.
  table.add(packet(udp(web), 5))
  t.equal(table.stats().flows, 1)
  table.end()
  t.equal(ended[2]?.first, from + 5000)
  for (const time of [-1, Number.NaN, Number.POSITIVE_INFINITY, Number(start), '5']) {
    t.throws(
      () => new FlowTable().advance(time as number),
      { code: 'ERR_OPTION', option: 'time' } as never,
      String(time),
    )
  }
  t.throws(() => table.advance(from), { code: 'ERR_CLOSED' })
  t.end()
})
