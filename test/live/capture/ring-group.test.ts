import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Capture, type CaptureOptions, type CaptureStats, Injector, type RingGroup, type RingGroupMode } from 'ringtap'
import { range } from '../../helpers/range.js'
import { drainBacklog } from '../support/backlog.js'
import { reading } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addNamespace, addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'
import { startTcpdump } from '../support/witness.js'

addVeth('eth0', 'far0')
const script = fileURLToPath(new URL('ring-group-child.js', import.meta.url))

interface Result {
  numbers: number[]
  flows: number[]
  received: number
  stats: CaptureStats
}

const options = (group: RingGroup, ring: CaptureOptions['ring'] = {}): CaptureOptions => ({
  interfaces: 'eth0',
  direction: 'out',
  filter: 'udp',
  ring: { memory: 4 << 20, ...ring, group },
})

/** Starts a process that is a member of the group. */
async function member(wanted: CaptureOptions): Promise<ChildProcess> {
  const child = fork(script, [JSON.stringify(wanted)], { execArgv: [] }) // without tap's modules, which are slow to load
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (message !== 'open') throw new Error(`the child ended with ${message}`)
  return child
}

async function answerOf(child: ChildProcess, request: string): Promise<unknown> {
  const answer = once(child, 'message')
  child.send(request)
  return (await answer)[0]
}

async function stop(children: readonly ChildProcess[]): Promise<Result[]> {
  drainBacklog()
  return (await Promise.all(children.map((child) => answerOf(child, 'stop')))) as Result[]
}

async function close(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  if ((await answerOf(child, 'close')) !== 'closed') throw new Error('not closed')
  await ended
}

const ascending = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b)

/** Number of fanout groups of this network namespace, of receivers of all protocols: the kernel's own table. */
function groups(): number {
  return readFileSync('/proc/net/ptype', 'latin1').match(/^ALL .*\bpacket_rcv_fanout\b/gm)?.length ?? 0
}

const count = 600
const flows = 60
let id = 0

for (const { table, skip } of tables) {
  for (const mode of ['hash', 'lb', 'cpu', 'rollover', 'rnd', 'qm'] as const satisfies RingGroupMode[]) {
    t.test(`three processes share the packets, ${mode}, ${table}`, { skip }, async (t) => {
      id++
      const members = await Promise.all(range(0, 3).map(() => member(options({ id, mode }, { table }))))
      t.equal(groups(), 1, 'one group in the kernel')
      const witness = await startTcpdump({ interface: 'eth0', direction: 'out', filter: 'udp' })
      sendSync({ interface: 'eth0', count, flows })
      await witness.waitFor(count)
      t.equal((await witness.stop()).length, count, 'as tcpdump saw them')

      const results = await stop(members)
      t.same(ascending(results.flatMap(({ numbers }) => numbers)), range(0, count), 'each packet once')
      for (const { stats, received, numbers } of results) {
        t.equal(received, numbers.length)
        t.same(imbalances(stats), [])
      }
      if (mode === 'hash') {
        t.same(ascending(results.flatMap((one) => one.flows)), range(9, 9 + flows), 'each flow in one process')
      }
      if (mode === 'hash' || mode === 'lb' || mode === 'rnd') {
        t.ok(
          results.every(({ received }) => received > 0),
          `shares: ${results.map(({ received }) => received)}`,
        )
      }
      await Promise.all(members.map(close))
      t.equal(groups(), 0, 'the group is gone')
    })
  }
}

for (const way of ['closes its capture', 'is killed'] as const) {
  t.test(`when a process ${way}, the others get its packets`, async (t) => {
    id++
    const members = await Promise.all(range(0, 3).map(() => member(options({ id }))))
    const [leaving, ...others] = members as [ChildProcess, ChildProcess, ChildProcess]
    sendSync({ interface: 'eth0', count, flows })
    const first = (await stop([leaving])) as [Result]
    if (way === 'is killed') {
      const ended = once(leaving, 'exit')
      leaving.kill('SIGKILL')
      await ended
    } else {
      await close(leaving)
    }
    sendSync({ interface: 'eth0', count, flows, start: count })
    const later = await member(options({ id }))
    sendSync({ interface: 'eth0', count, flows, start: 2 * count })
    const results = await stop([...others, later])
    t.ok(first[0].received > 0)
    t.ok(results.every(({ received }) => received > 0))
    const all = [first[0], ...results].flatMap(({ numbers }) => numbers)
    t.same(ascending(all), range(0, 3 * count), 'each packet once')
    await Promise.all([...others, later].map(close))
    t.equal(groups(), 0)
  })
}

t.test('rings of one capture are members with those of another; another namespace has its own groups', async (t) => {
  id++
  const namespace = await addNamespace()
  await using elsewhere = await Capture.open({
    interfaces: { loopback: true },
    netns: namespace.path,
    ring: { group: { id, mode: 'lb' } },
  })
  await using one = await Capture.open(options({ id }, { count: 3 }))
  await using two = await Capture.open(options({ id }))
  t.equal(groups(), 1)
  const read = [reading(one), reading(two)]
  sendSync({ interface: 'eth0', count, flows })
  const stats = await Promise.all([one.stop(), two.stop()])
  await Promise.all(read.map(({ done }) => done))
  const numbers = read.flatMap(({ packets }) => packets.map(({ number }) => number as number))
  t.same(ascending(numbers), range(0, count))
  t.equal(stats[0].received + stats[1].received, count)
  t.ok(stats[0].received > stats[1].received, 'three rings of four')
  t.equal((await elsewhere.stop()).received, 0)
  await namespace.close()
})

t.test('a group with other settings is refused, and stays as it is', async (t) => {
  id++
  await using capture = await Capture.open(options({ id, mode: 'lb' }))
  for (const other of [{ mode: 'hash' }, { mode: 'lb', rollover: true }, { mode: 'lb', defragment: true }] as const) {
    await t.rejects(Capture.open(options({ id, ...other })), {
      code: 'ERR_OPTION',
      option: 'ring.group',
      syscall: 'setsockopt',
      errno: 22,
      message: new RegExp(`^the fanout group ${id} of this network namespace has another mode`),
    })
  }
  const { packets, done } = reading(capture)
  sendSync({ interface: 'eth0', count })
  drainBacklog()
  await capture.stop()
  await done
  t.same(
    packets.map(({ number }) => number),
    range(0, count),
  )
})

t.test('rollover: what does not fit into a ring goes to another one', async (t) => {
  id++
  const overflow = { memory: 0 }
  const group = { id, rollover: true }
  await using one = await Capture.open({ ...options(group), overflow })
  await using two = await Capture.open({ ...options(group), overflow })
  // One flow, some 1.4 rings of 4 MiB; neither capture is read meanwhile.
  const flood = 16_000
  sendSync({ interface: 'eth0', count: flood, size: 256 })
  const read = [reading(one), reading(two)]
  const stats = await Promise.all([one.stop(), two.stop()])
  await Promise.all(read.map(({ done }) => done))
  t.ok(
    stats.every(({ received }) => received > 0),
    `shares: ${stats.map(({ received }) => received)}`,
  )
  t.same(
    stats.map(({ droppedByRing }) => droppedByRing),
    [0, 0],
  )
  const numbers = read.flatMap(({ packets }) => packets.map(({ number }) => number as number))
  t.same(ascending(numbers), range(0, flood))
})

/** An IPv4 packet of UDP with these bytes, in two fragments; the first has 16 bytes of the UDP packet. */
function fragments(payload: Buffer): Buffer[] {
  const udp = Buffer.concat([Buffer.from([0, 9, 0, 9, 0, 8 + payload.length, 0, 0]), payload])
  const fragment = (offset: number, bytes: Buffer, more: boolean) => {
    const ip = Buffer.from('450000000007000040110000c6120001c6120002', 'hex')
    ip.writeUInt16BE(20 + bytes.length, 2)
    ip.writeUInt16BE((more ? 0x2000 : 0) | (offset >> 3), 6)
    let sum = 0
    for (let i = 0; i < 20; i += 2) sum += ip.readUInt16BE(i)
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
    ip.writeUInt16BE(~sum & 0xffff, 10)
    return Buffer.concat([Buffer.from('0200000000020200000000010800', 'hex'), ip, bytes])
  }
  return [fragment(0, udp.subarray(0, 16), true), fragment(16, udp.subarray(16), false)]
}

for (const defragment of [false, true]) {
  t.test(`fragments of IPv4 packets, defragment ${defragment}`, async (t) => {
    id++
    const payload = Buffer.from('one packet in two fragments, of which either is short')
    const sent = fragments(payload)
    await using capture = await Capture.open({ ...options({ id, defragment }), filter: 'ip' })
    const { packets, done } = reading(capture)
    await using injector = await Injector.open('eth0')
    t.equal((await injector.send(sent)).sent, 2)
    await waitUntil(() => packets.length >= (defragment ? 1 : 2), 'the packets')
    await capture.stop()
    await done
    const data = packets.map((packet) => Buffer.from(packet.data))
    if (!defragment) {
      t.same(data, sent)
      return
    }
    t.same(
      data.map((bytes) => bytes.subarray(42).toString()),
      [payload.toString()],
    )
    t.equal(data[0]?.length, 14 + 20 + 8 + payload.length)
  })
}
