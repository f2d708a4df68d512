// Alone: it sends as fast as the kernel goes, and counts every frame.
// Verifies the helpers of the other live tests, with tcpdump as the receiver.
import { spawn, spawnSync } from 'node:child_process'
import { range } from '../helpers/range.js'
import t from './support/live.js'
import { isInside } from './support/namespace.js'
import {
  addBridge,
  addNamespace,
  addVeth,
  addVeths,
  del,
  down,
  ip,
  link,
  links,
  moveTo,
  rename,
  up,
} from './support/network.js'
import { descriptors, holdings, settle } from './support/process.js'
import { canInject, expectedFrame, type FrameOptions, labelOf, send, sendSync, sequenceOf } from './support/send.js'
import { tool } from './support/tools.js'
import { openTun, tunAvailable } from './support/tun.js'
import { waitUntil } from './support/wait.js'
import { difference, packetKey, startTcpdump } from './support/witness.js'

const none = { missing: [], surplus: [] }
const bytes = (packets: Iterable<{ data: Uint8Array }>) => Array.from(packets, ({ data }) => packetKey('', '', data))
const frames = (numbers: Iterable<number>, options: FrameOptions & { stripped?: boolean } = {}) =>
  Array.from(numbers, (number) => ({ data: expectedFrame(number, options) }))

t.test('the namespace is new and quiet', async (t) => {
  t.ok(isInside())
  t.same(
    links().filter(({ ifname }) => ifname !== 'lo'),
    [],
    'no interface but loopback',
  )
  t.ok(link('lo').flags.includes('UP'))
})

t.test('both witnesses see each frame over three veths once, byte for byte', async (t) => {
  const pairs = addVeths(3, 'near', 'far')
  const everywhere = await startTcpdump({ interface: 'any' })
  const witnesses = await Promise.all(pairs.map(({ peer }) => startTcpdump({ interface: peer })))
  const count = 3000
  const start = 0xffffffff - 1000 // numbers cross the 32-bit limit
  const sent = await send({ interface: pairs.map(({ name }) => name), count, start, size: 200, label: 40, flows: 5 })
  t.match(sent, { sent: count, dropped: 0 })
  const cooked: string[] = []
  for (const [i, witness] of witnesses.entries()) {
    await witness.waitFor(count / 3, { numbered: true })
    const packets = await witness.stop()
    const expected = frames(range(start + i, start + count, 3), { size: 200, label: 40 + i, flows: 5 })
    t.same(difference(bytes(packets), bytes(expected)), none, `interface ${i}`)
    for (const [end, direction] of [
      [pairs[i]?.name, 'out'],
      [pairs[i]?.peer, 'in'],
    ] as const) {
      const index = link(end ?? '').ifindex
      cooked.push(...expected.map(({ data }) => packetKey(index, direction, data.subarray(14))))
    }
  }
  const packets = await everywhere.stop()
  const seen = packets.map(({ interfaceIndex = 0, direction, data }) => packetKey(interfaceIndex, direction, data))
  t.same(difference(seen, cooked), none, 'each leaves one end and arrives at the other')
  t.ok(packets.every(({ timestampNs }) => timestampNs > 1_600_000_000_000_000_000n))
  del(pairs.map(({ name }) => name))
})

t.test('the number and the label of a frame can be read back; other packets have none', async (t) => {
  for (const options of [{}, { vlan: 0x2005 }, { vlan: 5, stripped: true, size: 80 }, { raw: true }]) {
    const frame = expectedFrame(123456789012, { ...options, label: 77 })
    t.equal(sequenceOf(frame), 123456789012)
    t.equal(labelOf(frame), 77)
  }
  t.equal(sequenceOf(new Uint8Array(100)), undefined)
  t.equal(sequenceOf(new Uint8Array(0)), undefined)
})

t.test('frames of every kind and size arrive', async (t) => {
  addVeth('near', 'far', { mtu: 9000, address: '02:00:00:00:01:01', peerAddress: '02:00:00:00:01:02' })
  const kinds: FrameOptions[] = [
    { size: 60 },
    { size: 64, vlan: 5 },
    { size: 1514, source: '02:aa:bb:cc:dd:ee', destination: 'ff:ff:ff:ff:ff:ff', port: 4000 },
    { size: 9014, vlan: 0xefff },
  ]
  for (const kind of kinds) {
    const witness = await startTcpdump({ interface: 'far', direction: 'in', snapLength: 16384 })
    await send({ interface: 'near', count: 300, ...kind })
    const packets = await witness.stop()
    t.same(difference(bytes(packets), bytes(frames(range(0, 300), kind))), none, JSON.stringify(kind))
  }
  const tagged = await startTcpdump({ interface: 'far', filter: 'vlan 7' })
  sendSync({ interface: 'near', count: 10, vlan: 7 })
  sendSync({ interface: 'near', count: 10, vlan: 8, bypass: true })
  t.equal((await tagged.stop()).length, 10, 'the receiving kernel knows the tag')
  del('near')
})

t.test('the sender keeps its average rate', async (t) => {
  addVeth('near', 'far')
  const { seconds, sent } = await send({ interface: 'near', count: 2000, rate: 10_000 })
  t.equal(sent, 2000)
  t.ok(seconds >= 1999 / 10_000, 'never faster')
  const burst = await startTcpdump({ interface: 'far' })
  const fast = await send({ interface: 'near', count: 20_000, bypass: true, burst: 256 })
  await burst.waitFor(20_000)
  t.equal((await burst.stop()).length, 20_000)
  t.comment(`${fast.packetsPerSecond} packets/s at full speed, with a witness`)
  del('near')
})

t.test(
  'injected frames are like any others',
  { skip: canInject() ? false : 'an XDP test run is not allowed here' },
  async (t) => {
    addVeth('near', 'far')
    for (const kind of [
      { size: 60, start: 0xfff0 },
      { size: 1511, start: 0, flows: 300, label: 9 },
      { size: 64, start: 0, vlan: 5 },
    ]) {
      const witness = await startTcpdump({ interface: 'far', direction: 'in' })
      await send({ interface: 'far', count: 5000, rate: 50_000, inject: true, ...kind })
      const expected = frames(range(kind.start, kind.start + 5000), kind)
      t.same(difference(bytes(await witness.stop()), bytes(expected)), none, JSON.stringify(kind))
    }
    const { packetsPerSecond } = await send({ interface: 'far', count: 1_000_000, inject: true })
    t.comment(`${packetsPerSecond} packets/s injected, nobody listening`)
    del('near')
  },
)

t.test('a second namespace is separate', async (t) => {
  const other = await addNamespace()
  addVeth('here', 'there', { peerNamespace: other.pid })
  addVeth('lone', 'moved')
  moveTo(other.pid, 'moved')
  up('moved', { namespace: other.pid })
  t.same(
    links({ namespace: other.pid })
      .map(({ ifname }) => ifname)
      .sort(),
    ['lo', 'moved', 'there'],
  )
  const here = await startTcpdump({ interface: 'here' })
  const moved = await startTcpdump({ interface: 'moved', namespace: other.pid })
  await send({ interface: 'there', namespace: other.pid, count: 50 })
  await send({ interface: 'lone', count: 60, start: 100 })
  t.same(difference(bytes(await here.stop()), bytes(frames(range(0, 50)))), none, 'from there')
  t.same(difference(bytes(await moved.stop()), bytes(frames(range(100, 160)))), none, 'to there')
  await other.close()
  await waitUntil(() => !links().some(({ ifname }) => ifname === 'here'), 'the pair to go with the namespace')
  await other.close()
})

t.test(
  'a tun device can be written to',
  { skip: tunAvailable() ? false : '/dev/net/tun cannot be opened here' },
  async (t) => {
    const tun = await openTun('tun9')
    const received = await startTcpdump({ interface: 'tun9', direction: 'in' })
    const sent = await startTcpdump({ interface: 'tun9', direction: 'out' })
    t.match(await tun.write({ count: 500, start: 7, size: 90, label: 3 }), { sent: 500, refused: 0 })
    await send({ interface: 'tun9', raw: true, count: 400, size: 46 })
    t.same(
      difference(bytes(await received.stop()), bytes(frames(range(7, 507), { raw: true, size: 90, label: 3 }))),
      none,
    )
    t.same(difference(bytes(await sent.stop()), bytes(frames(range(0, 400), { raw: true, size: 46 }))), none)
    down('tun9')
    await t.rejects(tun.write({ count: 1 }), /tun9/)
    await tun.close()
    t.notOk(links().some(({ ifname }) => ifname === 'tun9'))
  },
)

t.test('hundreds of interfaces, a bridge and a rename can be made', async (t) => {
  const before = links().length
  const pairs = addVeths(125, 'left', 'right')
  t.equal(links().length - before, 250)
  rename('left0', 'renamed')
  addBridge('br9', ['right1', 'right2'])
  t.match(link('right1'), { master: 'br9' })
  const across = await startTcpdump({ interface: 'left2' })
  await send({ interface: 'left1', count: 20 })
  t.equal((await across.stop()).length, 20, 'the bridge floods, and sends nothing of its own')
  del(['br9', 'renamed', ...pairs.slice(1).map(({ name }) => name)])
  t.equal(links().length, before)
})

t.test('loopback packets, which the kernel shows twice, are witnessed once', async (t) => {
  const [one, all] = await Promise.all([startTcpdump({ interface: 'lo' }), startTcpdump({ interface: 'any' })])
  await send({ interface: 'lo', count: 30 })
  t.same(difference(bytes(await one.stop()), bytes(frames(range(0, 30)))), none)
  t.equal((await all.stop()).length, 30)
})

t.test('faults are reported', async (t) => {
  t.throws(() => ip('link', 'set', 'dev', 'nosuch', 'up'), /nosuch/)
  t.throws(() => link('nosuch'), /nosuch/)
  await t.rejects(send({ interface: 'nosuch', count: 1 }), /no interface nosuch/)
  await t.rejects(startTcpdump({ interface: 'nosuch' }), /nosuch/)
  addVeth('near', 'far')
  await t.rejects(startTcpdump({ interface: 'far', filter: 'this is no filter' }), /tcpdump on far/)
  down('near')
  t.throws(() => sendSync({ interface: 'near', count: 3 }), /frame 0 to near: Network is down/)
  await t.rejects(
    waitUntil(() => false, 'godot', 20),
    /in vain for godot/,
  )
  for (const args of [
    [],
    ['--interface', 'near'],
    ['--interface', 'near', '--count', '1x'],
    ['--what'],
    ['--interface', 'near', '--count', '1', '--size', '59'],
    ['--interface', 'near', '--count', '1', '--source', '1:2'],
  ]) {
    const { status, stderr } = spawnSync(tool('send'), args, { encoding: 'utf8' })
    t.equal(status, 2, args.join(' '))
    t.match(stderr, /usage: send/)
  }
  del('near')
})

t.test('the resources that a process holds are counted', async (t) => {
  const before = await settle()
  t.match(before, { rings: 0, ringBytes: 0 })
  const child = spawn('cat', { stdio: 'pipe' })
  t.ok(holdings().descriptors > before.descriptors)
  t.ok(descriptors().some((name) => name.startsWith('socket:')))
  child.stdin.end()
  await new Promise((resolve) => child.on('close', resolve))
  t.equal((await settle()).descriptors, before.descriptors)
})
