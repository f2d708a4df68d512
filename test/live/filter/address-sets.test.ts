import { Capture, type CaptureOptions } from 'ringtap'
import { type Addressed, addressed, numberOf, passes } from '../support/addresses.js'
import { captureDuring } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { replaySync } from '../support/replay.js'
import { tables } from '../support/tables.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { startTcpdump } from '../support/witness.js'

const noTun = tunAvailable() ? false : 'no access to /dev/net/tun: raw IP cannot be tried'

addVeth('eth0', 'far0')

const addresses4 = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '10.255.255.255', '11.0.0.0', '192.168.7.7', '255.255.255.255']
const addresses6 = ['2001:db8::1', '2001:db8::2', '2001:db8:0:1::1', '2001:db9::1', 'fe80::1', '::1', '8000::']

/** Packets with every pair of adjacent addresses in the lists, in every shape; numbered from `start`. */
function packets({ raw = false, start = 0, tagged = true } = {}): Addressed[] {
  const all: Addressed[] = []
  const add = (from: string, to: string, options = {}) =>
    all.push(addressed(start + all.length, from, to, { raw, ...options }))
  const one = { tpid: 0x8100, tci: 5 }
  const provider = { tpid: 0x88a8, tci: 7 }
  for (const list of [addresses4, addresses6]) {
    for (const [i, from] of list.entries()) {
      const to = list[(i + 1) % list.length] as string
      add(from, to)
      add(to, from)
      if (raw) continue
      add(from, to, { tags: [one] })
      if (tagged) add(from, to, { tags: [provider, one] })
    }
  }
  for (const from of addresses4) {
    add(from, '172.16.0.1', { kind: 'fragment' })
    if (raw) continue
    add(from, '172.16.0.1', { kind: 'arp' })
    add('172.16.0.1', from, { kind: 'arp' })
    add(from, '172.16.0.1', { kind: 'rarp' })
    if (tagged) add(from, '172.16.0.1', { kind: 'arp', tags: [provider, one] })
  }
  if (!raw) add('0.0.0.0', '0.0.0.0', { kind: 'lldp' })
  add('0.0.0.0', '0.0.0.0', { kind: 'short' })
  return all
}

const sets: { exclude?: string[]; include?: string[] }[] = [
  { exclude: ['10.0.0.1'] },
  { exclude: ['10.0.0.0/8', '2001:db8::/32'] },
  { exclude: ['10.0.0.2/31', '2001:db8::2', '192.168.7.7'] },
  { exclude: ['0.0.0.0/0'] },
  { exclude: ['::/0'] },
  { exclude: ['255.255.255.255', '::1', '8000::/1'] },
  { include: ['10.0.0.1', 'fe80::/64'] },
  { include: ['10.0.0.0/8'] },
  { include: ['0.0.0.0/0', '::/0'] },
  { include: ['10.0.0.0/8', '2001:db8::/32'], exclude: ['10.0.0.0/24', '2001:db8::/64'] },
  { include: ['10.0.0.1'], exclude: ['10.0.0.0/8'] },
  { exclude: ['172.16.0.0/12'] },
  {},
]

const named = ({ exclude = [], include = [] }: (typeof sets)[number]) =>
  `exclude ${exclude.join(' ') || 'none'}, include ${include.join(' ') || 'none'}`

const options = ({ exclude, include }: (typeof sets)[number]): CaptureOptions => ({
  excludeHosts: exclude,
  includeHosts: include,
})

const numbersOf = (seen: readonly { data: Uint8Array }[]) => seen.map(({ data }) => numberOf(data))
const wanted = (all: readonly Addressed[], set: (typeof sets)[number]) =>
  all.filter((packet) => passes(packet, set)).map(({ number }) => number)

for (const { table, skip } of tables) {
  t.test(`exactly the packets of the sets pass, ${table}`, { skip }, async (t) => {
    const all = packets()
    for (const set of sets) {
      // On the sender all tags are in the bytes; on the receiver the kernel has removed the outer one.
      for (const name of ['eth0', 'far0']) {
        const { packets: seen, stats } = await captureDuring(
          { ...options(set), interfaces: name, ring: { table } },
          () => replaySync('eth0', all),
        )
        t.same(numbersOf(seen), wanted(all, set), `${named(set)} on ${name}`)
        t.equal(stats.received, seen.length, 'what they refuse is not received')
        t.same(imbalances(stats), [])
        t.equal(stats.ring.table, table)
      }
    }
  })

  t.test(`address sets match as the same expression in tcpdump, ${table}`, { skip }, async (t) => {
    // tcpdump does not match addresses behind a tag in the bytes.
    const all = packets({ tagged: false })
    const terms = (set: readonly string[]) =>
      set.map((one) => `${one.includes('/') ? 'net' : 'host'} ${one}`).join(' or ')
    for (const set of sets.filter(({ exclude, include }) => exclude ?? include)) {
      const { exclude = [], include = [] } = set
      const filter = [include.length > 0 && `(${terms(include)})`, exclude.length > 0 && `not (${terms(exclude)})`]
        .filter(Boolean)
        .join(' and ')
      const witness = await startTcpdump({ interface: 'far0', filter })
      const { packets: seen } = await captureDuring({ ...options(set), interfaces: 'far0', ring: { table } }, () =>
        replaySync('eth0', all),
      )
      const theirs = numbersOf(await witness.stop())
      // tcpdump rejects a packet too short to hold its addresses, whatever the filter.
      const short = all.at(-1)?.number
      t.same(
        numbersOf(seen).filter((number) => number !== short),
        theirs.filter((number) => number !== short),
        filter,
      )
    }
  })

  t.test(`address sets and a filter apply together, ${table}`, { skip }, async (t) => {
    const all = packets()
    const { packets: seen, stats } = await captureDuring(
      { interfaces: 'far0', filter: 'arp or ip6', excludeHosts: ['10.0.0.1', 'fe80::/16'], ring: { table } },
      () => replaySync('eth0', all),
    )
    const both = all.filter(
      (packet) =>
        passes(packet, { exclude: ['10.0.0.1', 'fe80::/16'] }) &&
        [0x0806, 0x86dd].includes(packet.type === 0x8100 ? Buffer.from(packet.bytes).readUInt16BE(16) : packet.type),
    )
    t.same(
      numbersOf(seen),
      both.map(({ number }) => number),
    )
    t.ok(both.length > 20)
    t.same(imbalances(stats), [])
  })

  t.test(`address sets apply to raw IP, ${table}`, { skip: skip || noTun }, async (t) => {
    const tun = await openTun('tun0')
    const all = packets({ raw: true })
    for (const set of sets) {
      const { packets: seen, stats } = await captureDuring(
        { ...options(set), interfaces: 'tun0', ring: { table } },
        () => replaySync('tun0', all),
      )
      t.same(numbersOf(seen), wanted(all, set), named(set))
      t.same(imbalances(stats), [])
    }
    // Packets received on the tun device.
    for (const [set, count] of [
      [{ excludeHosts: '198.18.0.2' }, 0],
      [{ excludeHosts: '198.18.0.3' }, 20],
      [{ includeHosts: '198.18.0.0/31' }, 20],
    ] as const) {
      const { packets: seen } = await captureDuring({ ...set, interfaces: 'tun0', ring: { table } }, () =>
        tun.write({ count: 20 }),
      )
      t.equal(seen.length, count)
    }
    await tun.close()
  })

  t.test(`address sets apply to an interface that appears later, ${table}`, { skip: skip || noTun }, async (t) => {
    for (const set of sets) {
      // The first packets arrive before the new device's link type is in the kernel's table.
      const ethernet = packets()
      const raw = packets({ raw: true, start: 1000 })
      const { packets: seen, stats } = await captureDuring(
        { ...options(set), interfaces: { include: ['^late1', '^tun9'], hotplug: true }, ring: { table } },
        async () => {
          addVeth('late0', 'late1')
          replaySync('late0', ethernet)
          const tun = await openTun('tun9')
          replaySync('tun9', raw)
          await tun.close()
          del('late0')
        },
      )
      t.same(numbersOf(seen), [...wanted(ethernet, set), ...wanted(raw, set)], named(set))
      t.equal(stats.received, seen.length + stats.unselected)
      t.same(imbalances(stats), [])
    }
  })

  t.test(`a snapshot too short for addresses changes no verdict, ${table}`, { skip }, async (t) => {
    const all = packets()
    const set = { exclude: ['10.0.0.0/8', '2001:db8::/32'] }
    const { packets: seen, stats } = await captureDuring(
      { ...options(set), interfaces: 'far0', snapshotLength: 20, ring: { table } },
      () => replaySync('eth0', all),
    )
    t.equal(seen.length, wanted(all, set).length)
    t.same(imbalances(stats), [])
  })
}

t.test('the error for a bad entry names the entry, its position and the reason', async (t) => {
  const refused = async (given: CaptureOptions, message: RegExp) =>
    await t.rejects(Capture.open({ interfaces: 'eth0', ...given }), { code: 'ERR_OPTION', message })
  await refused({ excludeHosts: ['10.0.0.1', '10.0.0.256'] }, /^excludeHosts\[1\] .*"10\.0\.0\.256": 256 is above 255/)
  await refused({ includeHosts: '10.0.0.0/33' }, /^includeHosts must .*"10\.0\.0\.0\/33": .* at most 32 bits/)
  await refused({ includeHosts: ['::1', '10.0.0.1/8'] }, /^includeHosts\[1\] .*the network is 10\.0\.0\.0\/8/)
  await refused({ excludeHosts: ['example.com'] }, /^excludeHosts .*neither an IPv4 nor an IPv6/)
  await refused({ excludeHosts: '' }, /^excludeHosts must be an IPv4 or IPv6 address/)
  await refused({ excludeHosts: ['10.0.0.1', ''] }, /^excludeHosts\[1\] must be .*got the string ""/)
  await refused({ excludeHosts: ['10.0.0.1\n10.0.0.2'] }, /^excludeHosts must be/)
  await refused({ excludeHosts: ['10.0.0.1', 5 as never] }, /^excludeHosts\[1\] must be .*got the number 5/)
  await refused({ excludeHosts: new Array(3) as never }, /^excludeHosts\[0\] must be .*got undefined/)
  await refused({ excludeHosts: {} as never }, /^excludeHosts must be .*got an object/)
  await refused({ includeHosts: null as never }, /^includeHosts must be .*got null/)
  await refused(
    { excludeHosts: Array.from({ length: 100_001 }, () => '10.0.0.1') },
    /at most 100000 entries; got 100001/,
  )
  await refused({ excludeHosts: `"${'x'.repeat(100)}` }, /got the string "\\"x{56}"…/)
})

t.test('an IPv4-mapped address is the IPv4 one', async (t) => {
  const all = packets()
  const { packets: seen } = await captureDuring(
    { interfaces: 'far0', excludeHosts: ['::ffff:10.0.0.1', '::ffff:192.168.0.0/112'] },
    () => replaySync('eth0', all),
  )
  t.same(numbersOf(seen), wanted(all, { exclude: ['10.0.0.1', '192.168.0.0/16'] }))
})
