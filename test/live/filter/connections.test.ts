import { Capture, type CaptureOptions } from 'ringtap'
import { numberOf } from '../support/addresses.js'
import { captureDuring } from '../support/collect.js'
import {
  type OfConnection,
  packetOf,
  passesConnections,
  reversed,
  type Tuple,
  tcp,
  udp,
} from '../support/connections.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { replaySync } from '../support/replay.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'
import { startTcpdump } from '../support/witness.js'

const noTun = tunAvailable() ? false : 'no access to /dev/net/tun: raw IP cannot be tried'

addVeth('eth0', 'far0')

const [a, b, c] = ['10.0.0.1', '10.0.0.2', '192.168.7.7']
const [a6, b6, c6] = ['2001:db8::1', '2001:db8::2', 'fe80::1']

/** Connections that differ from each other in one thing, or in the order of two. */
const tuples: Tuple[] = [
  tcp(a, 40000, b, 443),
  udp(a, 40000, b, 443),
  tcp(a, 443, b, 40000), // the same addresses and ports, the other way round
  tcp(a, 40001, b, 443),
  tcp(a, 40000, b, 444),
  tcp(a, 40000, c, 443),
  tcp(c, 40000, b, 443),
  tcp(a, 9, b, 9),
  udp(a, 9, b, 9),
  tcp(a, 9, c, 9),
  tcp(a, 1, a, 65535),
  tcp('0.0.0.1', 5, '255.255.255.255', 6),
  tcp(a6, 40000, b6, 443),
  udp(a6, 40000, b6, 443),
  tcp(a6, 443, b6, 40000),
  tcp(a6, 40001, b6, 443),
  tcp(a6, 40000, c6, 443),
  tcp(c6, 40000, b6, 443),
  tcp(a6, 9, b6, 9),
  tcp('2001:db8:0:1::1', 40000, b6, 443),
  tcp('2001:db8:1::1', 40000, b6, 443),
  udp('::1', 7, '8000::', 7),
]

/** Packets of every connection, in both directions and every shape; numbered from `start`. */
function packets({ raw = false, start = 0, tagged = true } = {}): OfConnection[] {
  const all: OfConnection[] = []
  const one = { tpid: 0x8100, tci: 5 }
  const provider = { tpid: 0x88a8, tci: 7 }
  for (const tuple of tuples) {
    for (const each of [tuple, reversed(tuple)]) {
      const add = (options = {}) => all.push(packetOf(start + all.length, each, { raw, ...options }))
      add()
      for (const shape of ['options', 'first', 'later', 'quoted']) add({ shape })
      if (raw) continue
      add({ tags: [one] })
      if (tagged) add({ tags: [provider, one] })
    }
  }
  return all
}

const lists: Tuple[][] = [
  ...tuples.map((tuple, i) => [i % 2 === 0 ? tuple : reversed(tuple)]),
  tuples.filter(({ localAddress }) => localAddress?.includes('.')),
  tuples.filter((_, i) => i % 3 === 0),
  tuples,
  [],
]

const named = (list: readonly Tuple[]) =>
  list
    .map((one) => [one.protocol, one.localAddress, one.localPort, one.remoteAddress, one.remotePort].join(' '))
    .join('; ')
const numbersOf = (seen: readonly { data: Uint8Array }[]) => seen.map(({ data }) => numberOf(data))
const wanted = (all: readonly OfConnection[], list: readonly Tuple[]) =>
  all.filter((packet) => passesConnections(packet, list)).map(({ number }) => number)

for (const { way, options, skip } of ways) {
  const during = (given: CaptureOptions, traffic: (capture: Capture) => unknown) =>
    captureDuring({ ...options, ...given }, traffic)

  t.test(`exactly the packets of the connections are kept out, ${way}`, { skip }, async (t) => {
    const all = packets()
    for (const list of lists) {
      // On the sender all tags are in the bytes; on the receiver the kernel has removed the outer one.
      for (const name of ['eth0', 'far0']) {
        const { packets: seen, stats } = await during({ interfaces: name, excludeConnections: list }, () =>
          replaySync('eth0', all),
        )
        t.same(numbersOf(seen), wanted(all, list), `without ${named(list) || 'none'} on ${name}`)
        t.equal(stats.received, seen.length, 'what is kept out is not received')
        t.same(imbalances(stats), [])
      }
    }
    t.equal(wanted(all, lists[0] ?? []).length, all.length - 10, 'of one connection 10 packets are kept out')
  })

  t.test(`connections match as the same expression in tcpdump, ${way}`, { skip }, async (t) => {
    // tcpdump matches neither behind tags nor behind the fragment header of IPv6.
    const all = packets({ tagged: false }).filter(
      ({ bytes, type }) => type !== 0x8100 && !(type === 0x86dd && bytes[20] === 44),
    )
    const half = tuples.filter((_, i) => i % 2 === 0)
    const terms = half.flatMap((tuple) =>
      [tuple, reversed(tuple)].map(
        (one) =>
          `(${one.protocol} and src host ${one.localAddress} and src port ${one.localPort} and ` +
          `dst host ${one.remoteAddress} and dst port ${one.remotePort})`,
      ),
    )
    const witness = await startTcpdump({ interface: 'far0', filter: `not (${terms.join(' or ')})` })
    const { packets: seen } = await during({ interfaces: 'far0', excludeConnections: half }, () =>
      replaySync('eth0', all),
    )
    t.same(numbersOf(seen), numbersOf(await witness.stop()))
    t.ok(seen.length < all.length - 40)
  })

  t.test(`connections, a filter and address sets apply together, ${way}`, { skip }, async (t) => {
    const all = packets()
    const hosts = way === 'pcap' ? {} : { excludeHosts: [c, c6] }
    const { packets: seen, stats } = await during(
      { interfaces: 'far0', filter: 'ip or vlan 5', excludeConnections: tuples.slice(0, 4), ...hosts },
      () => replaySync('eth0', all),
    )
    const both = all.filter((packet) => {
      if (!passesConnections(packet, tuples.slice(0, 4))) return false
      // On far0 the kernel has removed the outer tag, so `vlan 5` matches the packets with one tag.
      const bytes = Buffer.from(packet.bytes)
      const ip = packet.type === 0x0800
      if (!ip && !(packet.type === 0x8100)) return false
      if (way === 'pcap') return true
      const at = ip ? 14 : 18
      const addresses =
        bytes.readUInt16BE(at - 2) === 0x0800 ? bytes.subarray(at + 12, at + 20) : bytes.subarray(at + 8, at + 40)
      const hit = (address: readonly number[]) =>
        [0, addresses.length / 2].some((from) =>
          Buffer.from(address).equals(addresses.subarray(from, from + addresses.length / 2)),
        )
      return !hit([192, 168, 7, 7]) && !hit([0xfe, 0x80, ...Array(13).fill(0), 1])
    })
    t.same(
      numbersOf(seen),
      both.map(({ number }) => number),
    )
    t.ok(both.length > 20)
    t.same(imbalances(stats), [])
  })

  t.test(`connections are kept out on an interface that appears later, ${way}`, { skip }, async (t) => {
    const all = packets()
    const list = tuples.slice(0, 13)
    const { packets: seen, stats } = await during(
      { interfaces: { include: '^late1', hotplug: true }, excludeConnections: list },
      async (capture) => {
        addVeth('late0', 'late1')
        // The ring holds packets before the interface's event is processed; libpcap must open a handle first.
        if (way === 'pcap') await waitUntil(() => capture.stats().ring.count === 1, 'a handle on late1')
        replaySync('late0', all)
        del('late0')
      },
    )
    t.same(numbersOf(seen), wanted(all, list))
    t.same(imbalances(stats), [])
  })

  t.test(`connections are kept out of raw IP, ${way}`, { skip: skip || noTun }, async (t) => {
    const tun = await openTun('tun0')
    const all = packets({ raw: true })
    for (const list of lists.slice(-4)) {
      const { packets: seen, stats } = await during({ interfaces: 'tun0', excludeConnections: list }, () =>
        replaySync('tun0', all),
      )
      t.same(numbersOf(seen), wanted(all, list), `without ${named(list) || 'none'}`)
      t.same(imbalances(stats), [])
    }
    await tun.close()
  })

  t.test(`a packet too short for ports passes, ${way}`, { skip }, async (t) => {
    const all = [tuples[0] as Tuple, tuples[12] as Tuple].map((tuple, i) => packetOf(i, tuple, { shape: 'short' }))
    const { packets: seen, stats } = await during({ interfaces: 'far0', excludeConnections: tuples }, () =>
      replaySync('eth0', all),
    )
    t.same(
      seen.map(({ data }) => data),
      all.map(({ bytes }) => Uint8Array.from(bytes)),
    )
    t.same(imbalances(stats), [])
  })

  t.test(`a snapshot too short for ports changes no verdict, ${way}`, { skip }, async (t) => {
    const all = packets()
    const list = tuples.slice(0, 15)
    const { packets: seen, stats } = await during(
      { interfaces: 'far0', snapshotLength: 20, excludeConnections: list },
      () => replaySync('eth0', all),
    )
    t.equal(seen.length, wanted(all, list).length)
    t.same(imbalances(stats), [])
  })

  t.test(`an IPv4-mapped address is the IPv4 one, and a zone is ignored, ${way}`, { skip }, async (t) => {
    const all = packets()
    const excludeConnections = [
      { localAddress: `::ffff:${a}`, localPort: 40000, remoteAddress: `::FFFF:${b}`, remotePort: 443 },
      { localAddress: `${c6}%eth0`, localPort: 40000, remoteAddress: b6, remotePort: 443 },
    ]
    const { packets: seen } = await during({ interfaces: 'far0', excludeConnections }, () => replaySync('eth0', all))
    t.same(numbersOf(seen), wanted(all, [tcp(a, 40000, b, 443), tcp(c6, 40000, b6, 443)]))
  })
}

t.test('the error for a bad entry names the entry, its position and the reason', async (t) => {
  const good = tcp(a, 1, b, 2)
  const refused = async (excludeConnections: unknown, message: RegExp) =>
    await t.rejects(Capture.open({ interfaces: 'eth0', excludeConnections } as CaptureOptions), {
      code: 'ERR_OPTION',
      message,
    })
  await refused(null, /^excludeConnections must be a connection: \{ protocol, .* got null/)
  await refused('10.0.0.1', /^excludeConnections must be a connection.* got the string/)
  await refused([good, 5], /^excludeConnections\[1\] must be a connection.* got the number 5/)
  await refused(new Array(2), /^excludeConnections\[0\] must be a connection.* got undefined/)
  await refused(
    { ...good, localAddress: 'localhost' },
    /^excludeConnections\.localAddress must be an IPv4 or IPv6 address/,
  )
  await refused([{ ...good, remoteAddress: '10.0.0.0/8' }], /^excludeConnections\[0\]\.remoteAddress must be/)
  await refused(
    [{ ...good, remoteAddress: undefined }],
    /^excludeConnections\[0\]\.remoteAddress must be .*got undefined/,
  )
  await refused([{ ...good, localAddress: '10.0.0.1 7\ntcp' }], /^excludeConnections\[0\]\.localAddress must be/)
  await refused(
    [{ ...good, remoteAddress: a6 }],
    /\.remoteAddress must be of the IP version of localAddress \(10\.0\.0\.1\)/,
  )
  await refused(
    [{ ...good, localPort: 0 }],
    /^excludeConnections\[0\]\.localPort must be a whole number from 1 to 65535/,
  )
  await refused([{ ...good, remotePort: '443' }], /^excludeConnections\[0\]\.remotePort must be .*got the string "443"/)
  await refused(
    [{ ...good, protocol: 'sctp' }],
    /^excludeConnections\[0\]\.protocol must be 'tcp' or 'udp'; got the string "sctp"/,
  )
  await refused(Array(100_001).fill(good), /^excludeConnections must have at most 100000 entries; got 100001/)
})
