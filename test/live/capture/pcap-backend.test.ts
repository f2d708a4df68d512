import { spawnSync } from 'node:child_process'
import { Capture, type CaptureInterfaceEvent, LinkType } from 'ringtap'
import { range } from '../../helpers/range.js'
import { captureDuring, reading, type Seen, seen } from '../support/collect.js'
import { datagramNumber, datagrams } from '../support/datagrams.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, addVeths, del, down, link, rename, up } from '../support/network.js'
import { settle } from '../support/process.js'
import { send, sendSync } from '../support/send.js'
import { tool } from '../support/tools.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { block, waitUntil } from '../support/wait.js'

const backend = 'pcap'
const MiB = 1 << 20

addVeth('eth0', 'far0')

const numbersOn = (packets: readonly Seen[], name: string) =>
  packets.filter((packet) => packet.interface === name).map(({ number }) => number)

/** Waits until this many handles are open. */
const handles = (capture: Capture, count: number) =>
  waitUntil(
    () => capture.stats().ring.count === count,
    `${count} handles`,
    20_000,
    () => capture.stats().ring.count,
  )

/** The packet in a message of a netfilter log group: its payload attribute (LINKTYPE_NFLOG). */
function payload(data: Uint8Array): Buffer {
  const PAYLOAD = 9 // NFULA_PAYLOAD, linux/netfilter/nfnetlink_log.h
  const bytes = Buffer.from(data)
  for (let at = 4; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (bytes.readUInt16LE(at + 2) === PAYLOAD) return bytes.subarray(at + 4, at + length)
    at += Math.max(4, (length + 3) & ~3)
  }
  return Buffer.alloc(0)
}

/** The numbers of the datagrams logged by a netfilter log group, without the ICMP replies that quote them. */
function logged(packets: readonly Seen[]): number[] {
  return packets.flatMap(({ data }) => {
    const packet = payload(data)
    const number = datagramNumber(packet)
    return number !== undefined && packet[9] === 17 ? [number] : []
  })
}

t.test('a netfilter log group can be captured', async (t) => {
  for (const group of ['7', '8']) {
    const { status, stderr } = spawnSync(tool('nflog_rule'), [group], { encoding: 'utf8' })
    t.equal(status, 0, `the rule for group ${group}: ${stderr}`)
  }
  await using capture = await Capture.open({ backend, interfaces: ['eth0', 'nflog:7', 'nflog:8'] })
  t.match(
    capture.interfaces.map(({ name, kind, linkType, up }) => ({ name, kind, linkType, up })),
    [
      { name: 'eth0', kind: 'veth', linkType: LinkType.ETHERNET },
      { name: 'nflog:7', kind: 'pcap', linkType: 239, up: true },
      { name: 'nflog:8', kind: 'pcap', linkType: 239, up: true },
    ],
  )
  const [, seven, eight] = capture.interfaces
  t.ok((seven?.index ?? 0) >= 2 ** 31 && eight?.index === (seven?.index ?? 0) + 1, 'numbers that no interface has')
  const { packets, done } = reading(capture)
  // More than one netlink message, or one read, can hold.
  await datagrams(0, 3000)
  sendSync({ interface: 'eth0', count: 30 })
  const on = (name: string) => packets.filter((packet) => packet.interface === name)
  // The kernel buffers logged packets for up to a second.
  for (const name of ['nflog:7', 'nflog:8']) {
    await waitUntil(
      () => logged(on(name)).length >= 3000,
      `3000 packets on ${name}`,
      20_000,
      () => logged(on(name)).length,
    )
    t.same(logged(on(name)), range(0, 3000), `each datagram once, in order, on ${name}`)
    t.same([...new Set(on(name).map(({ linkType }) => linkType))], [239])
    t.same([...new Set(on(name).map(({ direction }) => direction))], [undefined])
  }
  const stats = await capture.stop()
  await done
  t.same(numbersOn(packets, 'eth0'), range(0, 30))
  t.same(imbalances(capture.stats()), [])
  t.equal(stats.interfaces.find(({ name }) => name === 'nflog:7')?.received, on('nflog:7').length)
  t.equal(stats.droppedByRing + stats.droppedByOverflow, 0)
})

t.test('a netfilter log group can be filtered', async (t) => {
  // libpcap has no primitives for the contents of a logged packet: these test its bytes and its length.
  await using capture = await Capture.open({ backend, interfaces: 'nflog:7', filter: 'link[0] = 2 and len < 92' })
  await using beside = await Capture.open({ backend, interfaces: 'nflog:8' })
  const [filtered, all] = [reading(capture), reading(beside)]
  await datagrams(0, 20)
  await waitUntil(() => logged(all.packets).length === 20 && logged(filtered.packets).length === 20, 'the packets')
  await capture.setFilter('len >= 92')
  await datagrams(20, 21)
  await waitUntil(() => all.packets.length === 42 && filtered.packets.length === 21, '21 datagrams and their answers')
  await capture.stop()
  await filtered.done
  t.same(logged(filtered.packets), range(0, 20))
  t.same(
    filtered.packets.map(({ data }) => data.length < 92),
    range(0, 21).map((i) => i < 20),
    'the datagrams, and then an answer of ICMP',
  )
  t.equal(capture.stats().received, 21)
  t.same(imbalances(capture.stats()), [])
})

t.test('a device that the filter cannot be applied to captures nothing, with a warning', async (t) => {
  await using capture = await Capture.open({ backend, interfaces: ['nflog:7', 'eth0'], filter: 'udp port 9' })
  const warnings: Error[] = []
  capture.on('warning', (warning) => warnings.push(warning))
  const { packets, done } = reading(capture)
  await waitUntil(() => warnings.length > 0, 'a warning')
  t.match(warnings, [
    {
      code: 'ERR_OPTION',
      interface: 'nflog:7',
      message: /^the filter cannot be applied to devices of link type 239, nothing is captured on them: /,
    },
  ])
  await datagrams(0, 5)
  sendSync({ interface: 'eth0', count: 10 })
  await capture.stop()
  await done
  t.same(
    packets.map((packet) => packet.interface),
    Array.from({ length: 10 }, () => 'eth0'),
  )
})

t.test('devices that do not exist or cannot be captured are refused', async (t) => {
  await t.rejects(Capture.open({ backend, interfaces: 'nosuch0' }), {
    code: 'ERR_NO_INTERFACE',
    interface: 'nosuch0',
    message: /nosuch0; there are .*eth0/,
  })
  await t.rejects(Capture.open({ backend, interfaces: ['eth0', 'any'] }), {
    code: 'ERR_OPTION',
    interface: 'any',
    message: /"any" is no interface of its own/,
  })
  await t.rejects(Capture.open({ backend, interfaces: 'nflog:70000' }), { interface: 'nflog:70000', message: /70000/ })
  await t.rejects(Capture.open({ backend, interfaces: 'nflog:7', direction: 'in' }), {
    code: 'ERR_OPTION',
    message: /nflog:7 does not report directions/,
  })
  await t.rejects(Capture.open({ interfaces: 'nflog:7' }), { code: 'ERR_NO_INTERFACE' }, 'only through libpcap')
})

t.test('each interface that appears has a handle until it goes', async (t) => {
  const before = await settle()
  await using capture = await Capture.open({
    backend,
    interfaces: { include: '^hot', exclude: '[13579]$', hotplug: true },
  })
  const events: CaptureInterfaceEvent[] = []
  capture.on('interface', (event) => events.push(event))
  const { packets, done } = reading(capture)
  t.equal(capture.stats().ring.count, 0)
  const pairs = addVeths(10, 'hot', 'peer')
  block(50)
  await waitUntil(() => events.filter(({ type }) => type === 'added').length === 20, '20 interfaces')
  await handles(capture, 5)
  for (const { name } of pairs) sendSync({ interface: name, count: 100, label: Number(name.at(-1)) })
  await waitUntil(
    () => packets.length >= 500,
    '500 packets',
    20_000,
    () => packets.length,
  )
  for (const { name } of pairs) {
    const wanted = Number(name.at(-1)) % 2 === 0
    t.same(numbersOn(packets, name), wanted ? range(0, 100) : [], name)
  }
  t.equal(capture.stats().ring.memory, 5 * (64 / 16) * MiB, 'a share each')

  // The last packets of a device that is removed.
  sendSync({ interface: 'hot0', count: 50, start: 100 })
  del('hot0')
  await handles(capture, 4)
  await waitUntil(() => numbersOn(packets, 'hot0').length === 150, 'the last packets of hot0')
  for (const { name } of pairs.slice(1)) del(name)
  await handles(capture, 0)
  await waitUntil(() => capture.stats().ring.memory === 0, 'the memory of the handles')
  const stats = await capture.stop()
  await done
  t.same(imbalances(capture.stats()), [])
  t.equal(stats.received, 550)
  t.same(
    stats.interfaces
      .filter(({ name, delivered }) => delivered > 0 || name.startsWith('hot'))
      .map(({ name, received }) => [name, received]),
    pairs.map(({ name }, i) => [name, i === 0 ? 150 : i % 2 === 0 ? 100 : 0]),
    'the ledger of each, also of those that went',
  )
  await capture.close()
  const after = await settle()
  t.equal(after.descriptors, before.descriptors)
  t.equal(after.threads, before.threads)
  t.equal(after.rings, 0)
})

t.test('an interface that is renamed, or goes down and up, is captured on', async (t) => {
  addVeth('cold0', 'away0', { up: false })
  await using capture = await Capture.open({ backend, interfaces: { include: '^cold', hotplug: true } })
  const { packets, done } = reading(capture)
  t.same(
    capture.interfaces.map(({ name }) => name),
    ['cold0'],
    'selected while it is down',
  )
  up(['away0', 'cold0'])
  await handles(capture, 1)
  sendSync({ interface: 'cold0', count: 10 })
  await waitUntil(() => packets.length === 10, '10 packets')

  down('cold0')
  await waitUntil(() => capture.interfaces[0]?.up === false, 'down')
  up('cold0')
  await waitUntil(() => capture.interfaces[0]?.up === true, 'up')
  await handles(capture, 1)
  sendSync({ interface: 'cold0', count: 10, start: 10 })
  await waitUntil(() => packets.length === 20, '20 packets')

  rename('cold0', 'cold1')
  sendSync({ interface: 'cold1', count: 10, start: 20 })
  await waitUntil(() => packets.length === 30, '30 packets: a rename costs none')
  rename('cold1', 'warm1')
  await handles(capture, 0)
  sendSync({ interface: 'warm1', count: 10, start: 30 })
  rename('warm1', 'cold2')
  await handles(capture, 1)
  sendSync({ interface: 'cold2', count: 10, start: 40 })
  await capture.stop()
  await done
  t.same(
    packets.map(({ number }) => number),
    [...range(0, 30), ...range(40, 50)],
  )
  t.equal(packets.at(-1)?.interface, 'cold2')
  const stats = capture.stats()
  t.same(imbalances(stats), [])
  t.equal(stats.interfaces.find(({ name }) => name === 'cold2')?.received, 40, 'over all its handles')
  del('cold2')
})

t.test('ring.memory bounds the buffers', async (t) => {
  addVeths(3, 'hot', 'peer')
  await t.rejects(Capture.open({ backend, interfaces: { include: '^hot' }, ring: { memory: 2 * MiB } }), {
    code: 'ERR_OPTION',
    message:
      /^ring\.memory of 2097152 bytes is used up: each interface takes 1048576 of it, and nothing is captured on hot\d$/,
  })
  {
    await using capture = await Capture.open({ backend, interfaces: { include: '^hot' }, ring: { memory: 7 * MiB } })
    t.equal(capture.stats().ring.memory, 3 * 2.25 * MiB, 'shared evenly, in whole blocks of libpcap')
  }
  const interfaces = { include: '^hot', hotplug: true }
  await using capture = await Capture.open({ backend, interfaces, ring: { memory: 4 * MiB } })
  const warnings: string[] = []
  capture.on('warning', ({ message }) => warnings.push(message))
  addVeth('hot3', 'peer3')
  await handles(capture, 4)
  addVeth('hot4', 'peer4')
  await waitUntil(() => warnings.length > 0, 'a warning')
  t.same(warnings, [
    'ring.memory of 4194304 bytes is used up: each interface takes 1048576 of it, and nothing is captured on hot4',
  ])
  t.equal(capture.stats().ring.memory, 4 * MiB)
  for (const i of range(0, 5)) del(`hot${i}`)
})

t.test('every loss of a blocked consumer is counted', async (t) => {
  const small = { ring: { memory: MiB }, overflow: { memory: 2 * MiB } }
  await using capture = await Capture.open({ backend, interfaces: 'eth0', ...small })
  const count = 60_000
  // sendSync() blocks the JavaScript thread.
  sendSync({ interface: 'eth0', count, rate: 60_000 })
  const during = capture.stats()
  t.ok(during.overflow.used <= 2 * MiB, 'within the bound')
  t.ok(during.droppedByOverflow > 0, `lost ${during.droppedByOverflow}`)
  const { packets, done } = reading(capture)
  await waitUntil(
    () => {
      const { received, delivered, droppedByRing, droppedByOverflow } = capture.stats()
      return received === count && delivered + droppedByRing + droppedByOverflow === count
    },
    'what waited, in libpcap too',
    undefined,
    () => ({ ...capture.stats(), interfaces: [] }),
  )
  // The capture continues.
  sendSync({ interface: 'eth0', count: 100, start: count })
  await capture.stop()
  await done
  const stats = capture.stats()
  t.equal(stats.received, count + 100)
  t.equal(stats.delivered, packets.length)
  t.equal(stats.droppedByRing + stats.droppedByOverflow, count + 100 - packets.length, 'the gaps are what was counted')
  const numbers = packets.map(({ number }) => number as number)
  t.equal(new Set(numbers).size, numbers.length, 'nothing twice')
  t.same(numbers.slice(-100), range(count, count + 100))
  t.same(imbalances(stats), [])
})

t.test('a chunk that is never released costs no packet', async (t) => {
  await using capture = await Capture.open({ backend, interfaces: 'eth0' })
  sendSync({ interface: 'eth0', count: 100 })
  const { value: held } = await capture[Symbol.asyncIterator]().next()
  const { packets, done } = reading(capture)
  await send({ interface: 'eth0', count: 50_000, start: 100, rate: 100_000 })
  await capture.stop()
  await done
  t.same(
    packets.map(({ number }) => number),
    range(held.packetCount, 50_100),
  )
  t.same(
    [...held].map((packet) => seen(packet).number),
    range(0, held.packetCount),
  )
  held.release()
  t.same(imbalances(capture.stats()), [])
})

t.test('an interface is promiscuous while it is captured', async (t) => {
  addVeth('hot0', 'peer0')
  const promiscuity = (name: string) => link(name).promiscuity
  const interfaces = { include: '^hot', hotplug: true }
  await using capture = await Capture.open({ backend, interfaces, promiscuous: true })
  t.equal(promiscuity('hot0'), 1)
  t.equal(promiscuity('peer0'), 0)
  rename('hot0', 'cold0')
  await waitUntil(() => promiscuity('cold0') === 0, 'cold0 to be left alone')
  rename('cold0', 'hot1')
  await waitUntil(() => promiscuity('hot1') === 1, 'hot1 to be promiscuous')
  await capture.close()
  t.equal(promiscuity('hot1'), 0)
  del('hot1')
})

t.test(
  'raw IP and Ethernet are captured together',
  { skip: tunAvailable() ? false : 'no access to /dev/net/tun' },
  async (t) => {
    const tun = await openTun('tun0')
    for (const filter of [undefined, 'udp port 9']) {
      const { packets, stats } = await captureDuring({ backend, interfaces: ['eth0', 'tun0'], filter }, async () => {
        sendSync({ interface: 'eth0', count: 20 })
        await tun.write({ count: 20 })
        await tun.write({ count: 20, start: 20, port: 5000 })
      })
      t.same(numbersOn(packets, 'eth0'), range(0, 20))
      t.same(numbersOn(packets, 'tun0'), filter ? range(0, 20) : range(0, 40))
      t.same([...new Set(packets.map((packet) => `${packet.interface} ${packet.linkType}`))].sort(), [
        `eth0 ${LinkType.ETHERNET}`,
        `tun0 ${LinkType.RAW}`,
      ])
      t.same(imbalances(stats), [])
    }
    await tun.close()
  },
)
