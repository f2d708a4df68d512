import { Capture, type CaptureOptions, type Connection, type CutoffOptions, frame } from 'ringtap'
import { random } from '../../helpers/random.js'
import { numberOf } from '../support/addresses.js'
import { captureDuring } from '../support/collect.js'
import { reversed, type Tuple, tcp, udp } from '../support/connections.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addBridge, addVeth, del } from '../support/network.js'
import { type RawFrame, replaySync } from '../support/replay.js'
import { tables } from '../support/tables.js'

addVeth('eth0', 'far0')

const skip = tables.find(({ table }) => table === 'ebpf')?.skip ?? false
const [a, b, a6, b6] = ['10.0.0.1', '10.0.0.2', '2001:db8::1', '2001:db8:0:0:1::1']

/** Connections that differ from each other in little; some have equal ports. */
const tuples: Tuple[] = [
  tcp(a, 40000, b, 443),
  udp(a, 40000, b, 443),
  tcp(a, 443, b, 40000),
  tcp(a, 7, b, 7),
  udp(b, 123, a, 123),
  tcp(a6, 40000, b6, 443),
  udp(a6, 40000, b6, 443),
  tcp(b6, 7, a6, 7),
  udp(a6, 123, b6, 123),
  udp('::1', 5, '::1:0:0', 5),
  tcp('0.0.0.1', 9, '255.255.255.255', 9),
]

interface Sent extends RawFrame {
  tuple: Tuple | undefined
  ends: boolean
}

type Shape = 'plain' | 'tagged' | 'later' | 'icmp'

/** A packet from the local end with `size` bytes of payload, 24 at least, that carries `number`. */
function packet(number: number, tuple: Tuple, size: number, flags: string[] = ['ACK'], shape: Shape = 'plain'): Sent {
  const { localAddress: source, localPort, remoteAddress: destination, remotePort } = tuple
  const ends = { source: source as string, destination: destination as string }
  const ports = { sourcePort: localPort as number, destinationPort: remotePort as number }
  const payload = Buffer.alloc(size)
  payload.write('RINGTAP\0', 'latin1')
  payload.writeBigUInt64BE(BigInt(number), 8)
  const six = source?.includes(':')
  const network = six
    ? {
        ipv6: {
          ...ends,
          ...(shape === 'later' ? { extensions: [{ type: 44, content: Buffer.from([0, 9, 0, 0, 0, 7]) }] } : {}),
        },
      }
    : { ipv4: { ...ends, ...(shape === 'later' ? { fragmentOffset: 8 } : {}) } }
  const transport =
    shape === 'icmp'
      ? { icmp: { type: six ? 128 : 8 } }
      : tuple.protocol === 'udp'
        ? { udp: ports }
        : { tcp: { ...ports, flags } }
  const bytes = frame({
    ethernet: { source: '02:00:00:00:00:01', destination: 'ff:ff:ff:ff:ff:ff' },
    ...(shape === 'tagged' ? { vlan: { id: 5 } } : {}),
    ...network,
    ...transport,
    payload,
  } as Parameters<typeof frame>[0])
  const belongs = shape === 'plain' || shape === 'tagged'
  return {
    bytes,
    type: (bytes[12]! << 8) | bytes[13]!,
    tuple: belongs ? tuple : undefined,
    ends: tuple.protocol === 'tcp' && flags.some((flag) => ['SYN', 'FIN', 'RST'].includes(flag)),
  }
}

/** What passes of the packets, by their numbers, if none comes after a pause. */
function passing(
  sent: readonly Sent[],
  { bytes = Number.POSITIVE_INFINITY, packets = Number.POSITIVE_INFINITY }: CutoffOptions,
) {
  const seen = new Map<Tuple, { bytes: number; packets: number }>()
  return sent.flatMap(({ tuple, ends, bytes: { length } }, number) => {
    if (!tuple) return [number]
    const owner = tuples.find((one) => named(one) === named(tuple)) as Tuple
    const count = seen.get(owner) ?? { bytes: 0, packets: 0 }
    seen.set(owner, count)
    if (count.bytes >= bytes || count.packets >= packets) return ends ? [number] : []
    count.bytes += length
    count.packets++
    return [number]
  })
}

const named = (tuple: Tuple) => {
  const one = [tuple.localAddress, tuple.localPort].join(' ')
  const other = [tuple.remoteAddress, tuple.remotePort].join(' ')
  return [tuple.protocol, ...[one, other].sort()].join(' ')
}

function mixture(seed: number, count: number): Sent[] {
  const next = random(seed)
  return Array.from({ length: count }, (_, number) => {
    const tuple = tuples[next(tuples.length)]!
    const shape = (['plain', 'plain', 'plain', 'plain', 'tagged', 'later', 'icmp'] as const)[next(7)]!
    const flags = [['ACK'], ['ACK'], ['ACK', 'PSH'], ['SYN'], ['FIN', 'ACK'], ['RST'], []][next(7)]!
    return packet(number, next(2) ? tuple : reversed(tuple), 24 + next(1000), flags, shape)
  })
}

const during = (options: CaptureOptions, traffic: (capture: Capture) => unknown) =>
  captureDuring({ interfaces: 'eth0', direction: 'out', ...options }, traffic)
const numbers = (seen: readonly { data: Uint8Array }[]) => seen.map(({ data }) => numberOf(data))

for (const cutoff of [
  { bytes: 1 },
  { bytes: 5000 },
  { packets: 3 },
  { bytes: 20_000, packets: 30 },
  {},
] satisfies CutoffOptions[]) {
  t.test(`what passes is the first of each connection, ${JSON.stringify(cutoff)}`, { skip }, async (t) => {
    for (const filter of [undefined, 'ip or ip6 or vlan']) {
      const sent = mixture(7, 2000)
      const { packets, stats } = await during({ cutoff, filter }, () => replaySync('eth0', sent))
      const expected = passing(sent, cutoff)
      t.same(numbers(packets), expected, 'these packets, in order')
      t.equal(stats.received, expected.length)
      t.equal(stats.beyondCutoff, sent.length - expected.length)
      t.equal(stats.interfaces.find(({ name }) => name === 'eth0')?.beyondCutoff, sent.length - expected.length)
      t.same(imbalances(stats), [])
    }
  })
}

t.test('what the filter refuses does not count', { skip }, async (t) => {
  const sent = [...Array(5)].map((_, number) => packet(number, tuples[0]!, 24 + 100 * number))
  const { packets, stats } = await during({ cutoff: { packets: 2 }, filter: 'greater 300' }, () =>
    replaySync('eth0', sent),
  )
  t.same(numbers(packets), [3, 4])
  t.equal(stats.beyondCutoff, 0)
})

t.test('later fragments belong to the connection of the first', { skip }, async (t) => {
  for (const [source, destination] of [
    [a, b],
    [a6, b6],
  ] as const) {
    const six = source.includes(':')
    /** A fragment of packet `id`, whose first one has the ports. */
    const fragment = (number: number, id: number, offset: number, from = source, to = destination): RawFrame => {
      const ports = from === source ? [5000, 6000] : [6000, 5000]
      const head = offset === 0 ? udp(from, ports[0]!, to, ports[1]!) : undefined
      const content = Buffer.alloc(offset === 0 ? 32 : 24)
      if (head)
        content.set([
          head.localPort! >> 8,
          head.localPort! & 255,
          head.remotePort! >> 8,
          head.remotePort! & 255,
          0,
          200,
        ])
      content.write('RINGTAP\0', content.length - 24, 'latin1')
      content.writeBigUInt64BE(BigInt(number), content.length - 16)
      const ends = { source: from, destination: to }
      const rest = Buffer.alloc(6)
      rest.writeUInt16BE(offset | 1, 0)
      rest.writeUInt32BE(id, 2)
      const bytes = frame({
        ethernet: { source: '02:00:00:00:00:01', destination: 'ff:ff:ff:ff:ff:ff' },
        ...(six
          ? { ipv6: { ...ends, nextHeader: 17, extensions: [{ type: 44, content: rest }] } }
          : { ipv4: { ...ends, protocol: 17, identification: id, fragmentOffset: offset, moreFragments: true } }),
        payload: content,
      } as Parameters<typeof frame>[0])
      return { bytes, type: six ? 0x86dd : 0x0800 }
    }
    const plan: [id: number, offset: number, swapped?: boolean][] = [
      [9, 64], // its first was never seen
      [1, 0],
      [1, 32],
      [1, 64, true], // another packet with this number, from the other end
      [2, 0],
      [1, 96],
      [2, 32],
      [3, 0, true], // the connection's other direction
      [3, 32, true],
      [3, 32],
    ]
    const sent = plan.map(([id, offset, swapped], number) =>
      swapped ? fragment(number, id, offset, destination, source) : fragment(number, id, offset),
    )
    const { packets, stats } = await during({ cutoff: { packets: 3 } }, () => replaySync('eth0', sent))
    t.same(numbers(packets), [0, 1, 2, 3, 4, 9], six ? 'IPv6' : 'IPv4')
    t.equal(stats.beyondCutoff, 4)
  }
})

t.test('after a pause a connection begins again', { skip }, async (t) => {
  const idle = 3000
  const sent = [...Array(8)].map((_, number) => packet(number, tuples[number % 2 ? 0 : 5]!, 100))
  const { packets } = await during({ cutoff: { packets: 1, idle } }, async () => {
    replaySync('eth0', sent.slice(0, 4))
    await new Promise((resolve) => setTimeout(resolve, idle + 100))
    replaySync('eth0', sent.slice(4))
  })
  t.same(numbers(packets), [0, 1, 4, 5])
})

t.test('bypass(), keep() and unbypass() of one connection', { skip }, async (t) => {
  for (const given of tuples) {
    const others = tuples.filter((one) => one !== given)
    let sent = 0
    /** Sends two packets of each connection, one in each direction. */
    const round = () => {
      const all = [given, ...others].flatMap((one) => [one, reversed(one)]).map((one, i) => packet(sent + i, one, 100))
      sent += all.length
      replaySync('eth0', all)
    }
    const { packets, stats } = await during({ cutoff: { packets: 4 } }, (capture) => {
      capture.bypass(given)
      round()
      capture.unbypass(reversed(given))
      round()
      round()
      capture.keep(reversed(given))
      round()
      capture.bypass(given)
      round()
      capture.keep(given)
      round()
      capture.unbypass(given)
      round()
    })
    const each = 2 * tuples.length
    const rounds = (...which: number[]) => which.flatMap((i) => [i * each, i * each + 1])
    const rest = [0, 1].flatMap((i) => Array.from({ length: each - 2 }, (_, k) => i * each + 2 + k))
    const expected = [...rounds(1, 2, 3, 5), ...rest].sort((one, other) => one - other)
    t.same(numbers(packets), expected, named(given))
    t.equal(stats.beyondCutoff, sent - expected.length)
  }
})

t.test('without limits, only what is bypassed is refused', { skip }, async (t) => {
  const sent = mixture(3, 300)
  const { packets } = await during({ cutoff: {} }, (capture) => {
    capture.bypass(tuples[2]!)
    replaySync('eth0', sent)
  })
  const expected = sent.flatMap(({ tuple, ends }, number) =>
    tuple && named(tuple) === named(tuples[2]!) && !ends ? [] : [number],
  )
  t.ok(expected.length < sent.length)
  t.same(numbers(packets), expected)
})

t.test('each interface counts for itself; with dedupe, what is delivered counts', { skip }, async (t) => {
  addBridge('br0', ['far0'])
  const sent = [...Array(10)].map((_, number) => packet(number, tuples[0]!, 100))
  for (const [dedupe, sightings] of [
    [false, ['br0 in', 'eth0 out', 'far0 in']],
    [true, ['eth0 out']],
  ] as const) {
    const { packets, stats } = await captureDuring(
      { interfaces: ['eth0', 'far0', 'br0'], cutoff: { packets: 3 }, dedupe },
      () => replaySync('eth0', sent),
    )
    const seen = (name: string) => packets.filter((one) => `${one.interface} ${one.direction}` === name)
    for (const name of ['br0 in', 'eth0 out', 'far0 in']) {
      t.same(numbers(seen(name)), (sightings as readonly string[]).includes(name) ? [0, 1, 2] : [], name)
    }
    t.equal(stats.beyondCutoff, 7 * sightings.length, `dedupe: ${dedupe}`)
    t.same(imbalances(stats), [])
  }
  del('br0')
})

t.test('more connections than are remembered', { skip }, async (t) => {
  const sent = Array.from({ length: 15_000 }, (_, number) =>
    packet(number, tcp(a, 1024 + Math.floor(number / 3), b, 443), 24),
  )
  const { packets, stats } = await during({ cutoff: { packets: 1, flows: 1024 } }, () => replaySync('eth0', sent))
  // The table forgets the connections seen longest ago, and each sends its packets one after another.
  t.same(
    numbers(packets),
    Array.from({ length: 5000 }, (_, i) => 3 * i),
  )
  t.equal(stats.beyondCutoff, 10_000)
})

t.test('the counts of interfaces that go stay', { skip }, async (t) => {
  const sent = [...Array(5)].map((_, number) => packet(number, tuples[1]!, 100))
  const { stats } = await captureDuring(
    { interfaces: { include: '^gone', hotplug: true }, direction: 'out', cutoff: { packets: 2 } },
    async (capture) => {
      for (let round = 0; round < 2; round++) {
        const added = new Promise<void>((resolve) =>
          capture.on('interface', ({ type, interface: { name } }) => type === 'added' && name === 'gone0' && resolve()),
        )
        addVeth('gone0', 'peer0')
        await added
        replaySync('gone0', sent)
        del('gone0')
      }
    },
  )
  t.equal(stats.beyondCutoff, 6)
  t.same(
    stats.interfaces
      .filter(({ name }) => name === 'gone0')
      .map(({ received, beyondCutoff }) => [received, beyondCutoff]),
    [
      [2, 3],
      [2, 3],
    ],
  )
})

t.test('what is refused', async (t) => {
  const open = (options: CaptureOptions) => Capture.open({ interfaces: 'eth0', ...options })
  for (const [cutoff, message] of [
    [{ bytes: 0 }, /cutoff\.bytes.* from 1 to /],
    [{ packets: 1.5 }, /cutoff\.packets/],
    [{ idle: 0 }, /cutoff\.idle.* milliseconds/],
    [{ flows: 10 }, /cutoff\.flows.* from 1024 to 4194304/],
    [{ byte: 1 }, /cutoff\.byte is not an option/],
    [5, /cutoff/],
  ] as [CutoffOptions, RegExp][]) {
    await t.rejects(open({ cutoff }), { code: 'ERR_OPTION', message })
  }
  await t.rejects(open({ cutoff: {}, backend: 'pcap' }), { code: 'ERR_OPTION', message: /backend: 'pcap'/ })
  await t.rejects(open({ cutoff: {}, ring: { table: 'classic' } }), { code: 'ERR_OPTION', message: /ring\.table/ })
})

t.test('without a cut-off, and after the end', async (t) => {
  const capture = await Capture.open({ interfaces: 'eth0' })
  t.throws(() => capture.bypass(tuples[0]!), { code: 'ERR_OPTION', message: /without cutoff/ })
  t.throws(() => capture.keep({} as Connection), { code: 'ERR_OPTION', message: /localAddress/ })
  await capture.close()
  t.throws(() => capture.unbypass(tuples[0]!), { code: 'ERR_CLOSED' })
})

if (skip) {
  t.test('without CAP_BPF it is refused by name', async (t) => {
    await t.rejects(Capture.open({ interfaces: 'eth0', cutoff: { bytes: 1 } }), {
      code: 'ERR_PERMISSION',
      message: /cutoff.*CAP_BPF/,
    })
  })
}
