// What a flow table does at its limits, and with packets that are made to harm it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Dissector, FlowTable, frame, type NetworkInterface, Packet } from 'ringtap'
import { test } from 'tap'
import { flowsOf } from '../helpers/flows.js'

const start = 1_700_000_000_000_000_000n
const link = { source: '10.0.0.1', destination: '192.0.2.7' }

function packetOf(bytes: Uint8Array, at: number, more: { interface?: string | NetworkInterface } = {}): Packet {
  return Packet.from(bytes, { timestamp: start + BigInt(Math.round(at * 1e9)), linkType: 101, ...more })
}
const udp = (sourcePort: number, at: number, more = {}) =>
  packetOf(frame({ ipv4: link, udp: { sourcePort, destinationPort: 53 } }), at, more)
const segment = (sequence: number, length: number, at: number) =>
  packetOf(
    frame({
      ipv4: link,
      tcp: { sourcePort: 1, destinationPort: 2, flags: ['ACK'], sequence: sequence >>> 0 },
      payload: new Uint8Array(length),
    }),
    at,
  )

test('a clock that is set back, or one wrong time, does not stop the timeouts', (t) => {
  const table = new FlowTable({ idleTimeout: 10_000 })
  const year = 31_536_000
  table.add(udp(1, year))
  table.add(udp(2, 0))
  for (let at = 1; at <= 12; at++) table.add(udp(3, at))
  const ended = table.take()
  t.same(ended.map(({ sourcePort }) => sourcePort).sort(), [1, 2])
  t.same(new Set(ended.map(({ end }) => end)), new Set(['idle']))
  t.match([...table.current()], [{ sourcePort: 3, originator: { packets: 12 } }])
  t.end()
})

test('a flow that goes on is not evicted before one that does not', (t) => {
  const table = new FlowTable({ maxFlows: 100 })
  for (let at = 0; at <= 50; at++) table.add(udp(9, at))
  for (let i = 0; i < 300; i++) {
    table.add(udp(1000 + i, 50 + i / 10))
    table.add(udp(9, 50 + i / 10))
  }
  t.match(table.stats(), { flows: 100, ended: { evicted: 201 } })
  t.equal([...table.current()].find(({ sourcePort }) => sourcePort === 9)?.originator.packets, 351)
  t.end()
})

test('a connection that takes the place of another one is found again', (t) => {
  const syn = (sequence: number, at: number) =>
    packetOf(frame({ ipv4: link, tcp: { sourcePort: 1, destinationPort: 2, flags: ['SYN'], sequence } }), at)
  const reset = packetOf(frame({ ipv4: link, tcp: { sourcePort: 1, destinationPort: 2, flags: ['RST'] } }), 1)
  const table = new FlowTable()
  for (const one of [syn(1, 0), reset, udp(7, 2), syn(1000, 3), segment(1001, 5, 4), segment(1006, 5, 5)])
    table.add(one)
  t.match(table.stats(), { flows: 2, begun: 3, ended: { reused: 1 } })
  t.match(table.top(1, 'packets'), [{ protocol: 6, originator: { packets: 3 } }])
  t.end()
})

test('end() ends flows in the order of their first packets, also where onEnd throws or calls it', (t) => {
  const order = [7, 3, 40, 1, 22, 5]
  const ended: number[] = []
  const table: FlowTable = new FlowTable({
    onEnd: ({ sourcePort, end }) => {
      ended.push(sourcePort)
      if (ended.length === 2) throw new Error('no')
      if (ended.length === 4) table.end()
      if (end !== 'ended') throw new Error(`ended as ${end}`)
    },
  })
  for (const [i, port] of order.entries()) table.add(udp(port, i))
  for (const port of [5, 7]) table.add(udp(port, order.length))
  t.throws(() => table.end(), /^no$/)
  t.same(ended, order.slice(0, 2))
  table.end()
  t.same(ended, order)
  table.end()
  t.same(ended, order)
  t.equal(table.stats().flows, 0)
  t.end()
})

test('all flows that end() ends can be taken', (t) => {
  const table = new FlowTable({ maxWaiting: 3 })
  for (let i = 0; i < 50; i++) table.add(udp(i, 0))
  table.end()
  t.equal(table.take().length, 50)
  t.equal(table.stats().dropped, 0)
  t.end()
})

test('a callback that throws at the end does not lose the flows behind', (t) => {
  const ports: number[] = []
  const table = new FlowTable({
    onEnd: (flow) => {
      ports.push(flow.sourcePort)
      if (flow.sourcePort % 2 === 0) throw new Error('no')
    },
  })
  for (let i = 0; i < 4; i++) table.add(udp(i, 0))
  t.throws(() => table.end(), /^no$/)
  t.throws(() => table.end(), /^no$/)
  table.end()
  t.same(ports.sort(), [0, 1, 2, 3])
  t.equal(table.stats().flows, 0)
  t.end()
})

test('a callback that ends a flow for each that has ended does not use up the stack', (t) => {
  let ended = 0
  const table: FlowTable = new FlowTable({
    maxFlows: 1,
    onEnd: () => {
      if (++ended < 50_000) table.add(udp(ended & 0xffff, 1))
    },
  })
  table.add(udp(0xffff, 0))
  table.add(udp(0, 0))
  t.equal(ended, 50_000)
  t.end()
})

test('very many flows that end at once are handed over, each once', (t) => {
  const seen = new Uint8Array(70_000)
  const table = new FlowTable({
    maxFlows: seen.length,
    onEnd: (flow) => {
      const index = flow.sourcePort + 65_536 * (flow.destinationPort - 53)
      seen[index] = (seen[index] as number) + 1
    },
  })
  const bytes = frame({ ipv4: link, udp: { sourcePort: 0, destinationPort: 53 } })
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const add = (index: number, at: number) => {
    view.setUint16(20, index & 0xffff)
    view.setUint16(22, 53 + (index >>> 16))
    table.add(packetOf(bytes, at))
  }
  for (let i = 0; i < seen.length; i++) add(i, 0)
  // A year later: these come until all others have been looked at.
  for (let i = 0; i < 20; i++) add(0, 31_536_000 + i)
  t.equal(table.stats().ended.idle, seen.length)
  table.end()
  t.equal(seen[0], 2)
  t.ok(seen.subarray(1).every((count) => count === 1))
  t.end()
})

test('gaps of more than 2 GiB are counted right', (t) => {
  const packets = [segment(0, 10, 0)]
  for (let i = 1; i <= 5; i++) packets.push(segment(i * (2 ** 30 + 10), 10, i))
  t.match(flowsOf(packets), [{ originator: { gaps: 5, gapBytes: 5 * 2 ** 30 } }])
  t.end()
})

test('a handshake at the time 0 has a round trip', (t) => {
  const flags = [['SYN'], ['SYN', 'ACK'], ['ACK']] as const
  const packets = flags.map((names, i) => {
    const ports = { sourcePort: i === 1 ? 2 : 1, destinationPort: i === 1 ? 1 : 2 }
    const ends = i === 1 ? { source: link.destination, destination: link.source } : link
    const bytes = frame({ ipv4: ends, tcp: { ...ports, flags: [...names], sequence: i > 1 ? 1 : 0 } })
    return Packet.from(bytes, { timestamp: BigInt(i) * 1_000_000n, linkType: 101 })
  })
  t.same({ ...flowsOf(packets)[0]?.handshake }, { responder: 1, originator: 1, total: 2 })
  t.end()
})

test('messages of ICMP without an answer are not each other’s answers', (t) => {
  const ends = { source: '2001:db8::1', destination: '2001:db8::2' }
  const other = { source: ends.destination, destination: ends.source }
  const flows = flowsOf([
    packetOf(frame({ ipv6: ends, icmp: { type: 1, code: 3 } }), 0),
    packetOf(frame({ ipv6: other, icmp: { type: 3, code: 1 } }), 1),
  ])
  t.match(
    flows.sort((a, b) => a.first - b.first),
    [
      { sourcePort: 1, destinationPort: 3, responder: { packets: 0 } },
      { sourcePort: 3, destinationPort: 1, responder: { packets: 0 } },
    ],
  )
  t.end()
})

test('a flow keeps its interface when another one gets the index', (t) => {
  const { interface: eth } = udp(1, 0, { interface: 'eth0' })
  const first = { ...eth, index: 5, name: 'old', generation: 1 }
  const second = { ...eth, index: 5, name: 'new', generation: 2 }
  const table = new FlowTable()
  table.add(udp(1, 0, { interface: first }))
  table.add(udp(2, 1, { interface: second }))
  t.same(
    [...table.current()]
      .sort((a, b) => a.sourcePort - b.sourcePort)
      .map(({ interfaces }) => interfaces.map(({ name }) => name)),
    [['old'], ['new']],
  )
  t.end()
})

test('a dissector that has dissected something else is refused', (t) => {
  const table = new FlowTable()
  const dissector = new Dissector()
  const one = udp(1, 0)
  dissector.dissect(one)
  t.throws(() => table.add(dissector, udp(2, 0)), { code: 'ERR_OPTION', option: 'dissector' })
  table.add(dissector, one)
  t.match(table.stats(), { packets: 1, flows: 1 })
  t.end()
})

test('the largest of many flows, in the right order', (t) => {
  const table = new FlowTable()
  const sizes = Array.from({ length: 2000 }, (_, i) => (i * 7919) % 2003)
  sizes.forEach((size, i) => {
    table.add(
      packetOf(frame({ ipv4: link, udp: { sourcePort: i, destinationPort: 53 }, payload: new Uint8Array(size) }), 0),
    )
  })
  const expected = [...sizes].sort((a, b) => b - a)
  for (const count of [1, 10, 1999, 2000, 5000]) {
    t.same(
      table.top(count, 'payloadBytes').map(({ originator }) => originator.payloadBytes),
      expected.slice(0, count),
    )
  }
  t.same(new FlowTable().top(5), [])
  t.end()
})

/** Adds flows until the kernel has refused memory, in a process of its own. */
const child = `
import { frame, FlowTable, Packet } from 'ringtap'
const table = new FlowTable({ maxFlows: 2 ** 24 })
const bytes = frame({ ipv4: { source: '10.0.0.1', destination: '10.0.0.2' }, udp: { sourcePort: 1, destinationPort: 2 } })
const view = new DataView(bytes.buffer, bytes.byteOffset)
const packet = Packet.from(bytes, { linkType: 101 })
const inner = new DataView(packet.data.buffer, packet.data.byteOffset)
process.once('message', () => {
  let i = 0
  for (; i < 3_000_000 && table.stats().ended.evicted < 10; i++) {
    inner.setUint32(12, i)
    table.add(packet)
    if (i % 4096 === 0) table.take()
  }
  const { flows, begun, ended } = table.stats()
  let current = 0
  for (const flow of table.current()) current += flow.originator.packets > 0
  process.send({ added: i, flows, begun, evicted: ended.evicted, current })
  process.disconnect()
})
process.send('ready')
`

test('a table that gets no more memory goes on with what it has', async (t) => {
  const at = fileURLToPath(new URL('.', import.meta.url))
  const node = spawn(process.execPath, ['--input-type=module', '-e', child], {
    cwd: at,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await once(node, 'message')
  const status = execFileSync('sh', ['-c', `grep VmSize /proc/${node.pid}/status`], { encoding: 'utf8' })
  const size = Number(/(\d+) kB/.exec(status)?.[1]) * 1024
  execFileSync('prlimit', ['--pid', String(node.pid), `--as=${size + 400 * 2 ** 20}`])
  const answer = once(node, 'message')
  node.send('go')
  const [result] = (await answer) as [{ added: number; flows: number; begun: number; evicted: number; current: number }]
  await once(node, 'exit')
  t.equal(result.evicted, 10)
  t.equal(result.begun, result.added)
  t.equal(result.flows, result.added - 10)
  t.equal(result.current, result.flows)
  t.ok(result.flows >= 65_536, `${result.flows} flows`)
})
