import { Capture, type CaptureOptions, frame, parseIp, type SampleOptions } from 'ringtap'
import { flowHash, isSampled } from '../../helpers/flow-hash.js'
import { random } from '../../helpers/random.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { blocksIn, numbersIn } from '../../helpers/wireshark.js'
import { numberOf } from '../support/addresses.js'
import { captureDuring } from '../support/collect.js'
import { type OfConnection, packetOf, reversed, type Tuple, tcp, udp } from '../support/connections.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { recorded } from '../support/recorded.js'
import { replaySync } from '../support/replay.js'
import { Running } from '../support/running.js'
import { tables } from '../support/tables.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

type Shape = 'plain' | 'options' | 'first' | 'later' | 'short' | 'quoted' | 'arp'

interface Sent extends OfConnection {
  hash: number
}

const protocolNumbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17 }

/** The hash of the packet's flow, from what it was made of. */
function hashOf(tuple: Tuple, shape: Shape, seed: number): number {
  const six = tuple.localAddress?.includes(':') ?? false
  const ported = shape === 'plain' || shape === 'options'
  const end = (address: string | undefined, port: number | undefined) => ({
    address: parseIp(address as string) as Uint8Array,
    port: ported ? (port as number) : 0,
  })
  const { localAddress, localPort, remoteAddress, remotePort } = tuple
  if (shape === 'quoted')
    return flowHash(end(six ? '2001:db8:ffff::1' : '203.0.113.7', 0), end(localAddress, 0), six ? 58 : 1, seed)
  const fragment6 = six && (shape === 'first' || shape === 'later')
  const protocol = fragment6 ? 44 : (protocolNumbers[tuple.protocol as string] as number)
  return flowHash(end(localAddress, localPort), end(remoteAddress, remotePort), protocol, seed)
}

function arp(number: number): Uint8Array {
  const payload = Buffer.alloc(18)
  payload.write('RINGTAP\0', 'latin1')
  payload.writeBigUInt64BE(BigInt(number), 8)
  const link = frame({
    ethernet: { source: '02:00:00:00:00:01', destination: 'ff:ff:ff:ff:ff:ff' },
    arp: { senderMac: '02:00:00:00:00:01', senderIp: '10.0.0.1', targetIp: '10.0.0.2' },
  })
  return Buffer.concat([link, payload])
}

/** Packets of random flows, in both directions, of all shapes. */
function mixture(count: number, seed: number, shapes: readonly Shape[]): Sent[] {
  const next = random(count)
  return Array.from({ length: count }, (_, number) => {
    const six = next(2) === 1
    const [a, b] = six ? ['2001:db8::1', '2001:db8:0:0:1::1'] : ['10.0.0.1', '10.0.0.2']
    const made = (next(2) ? tcp : udp)(a as string, 1024 + next(200), b as string, 443 + next(2))
    const tuple = next(2) ? made : reversed(made)
    const shape = shapes[next(shapes.length)] as Shape
    if (shape === 'arp') return { number, bytes: arp(number), type: 0x0806, connection: undefined, hash: -1 }
    const tags =
      [
        [],
        [{ tpid: 0x8100, tci: 5 }],
        [
          { tpid: 0x88a8, tci: 6 },
          { tpid: 0x8100, tci: 5 },
        ],
      ][next(6)] ?? []
    return { ...packetOf(number, tuple, { shape, tags }), hash: hashOf(tuple, shape, seed) }
  })
}

const taken = (sent: readonly Sent[], share: number) => sent.filter(({ hash }) => hash < 0 || isSampled(hash, share))
const numbers = (seen: readonly { data: Uint8Array }[]) => seen.map(({ data }) => numberOf(data))
const during = (options: CaptureOptions, traffic: (capture: Capture) => unknown) =>
  captureDuring({ interfaces: 'eth0', direction: 'out', ...options }, traffic)

t.test('the vectors of the specification', async (t) => {
  const of = (source: string, port: number, destination: string, other: number, protocol: number, seed = 0) =>
    flowHash(
      { address: parseIp(source) as Uint8Array, port },
      { address: parseIp(destination) as Uint8Array, port: other },
      protocol,
      seed,
    )
  t.equal(of('10.0.0.1', 40000, '10.0.0.2', 443, 6), 0xd6ef9ed2)
  t.equal(of('10.0.0.2', 443, '10.0.0.1', 40000, 6), 0xd6ef9ed2)
  t.equal(of('10.0.0.1', 40000, '10.0.0.2', 443, 6, 1), 0x13d3dfbb)
  t.equal(of('10.0.0.1', 40000, '10.0.0.2', 443, 17), 0x71ab350c)
  t.equal(of('10.0.0.1', 0, '10.0.0.2', 0, 1), 0xf2a1274c)
  t.equal(of('10.0.0.1', 0, '10.0.0.2', 0, 17), 0xf02a84b6)
  t.equal(of('192.0.2.1', 53, '198.51.100.7', 5353, 17, 4294967295), 0x80a5946a)
  t.equal(of('2001:db8::1', 40000, '2001:db8::2', 443, 6), 0x986d5562)
  t.equal(of('2001:db8::1', 0, '2001:db8::2', 0, 58), 0x7f1718db)
  t.equal(of('2001:db8::1', 0, '2001:db8::2', 0, 44, 7), 0x1d7dfc6d)
})

for (const { table, skip } of tables) {
  const ring = { table }
  /** What the classic form does not count is unknown. */
  const counted = (count: number) => (table === 'ebpf' ? count : undefined)

  t.test(`what is captured is what the hash says, ${table}`, { skip }, async (t) => {
    for (const [flows, seed] of [
      [1 / 8, 0],
      [1 / 2, 4_294_967_295],
      [0.9, 7],
      [1e-9, 0],
    ] as const) {
      const sent = mixture(3000, seed, ['plain', 'plain', 'plain', 'options', 'first', 'later', 'quoted', 'arp'])
      for (const filter of [undefined, 'arp or ip or ip6 or vlan']) {
        const { packets, stats } = await during({ sample: { flows, seed }, filter, ring }, () =>
          replaySync('eth0', sent),
        )
        const expected = taken(sent, flows)
        t.ok(expected.length > 0 && expected.length < sent.length)
        t.same(
          numbers(packets),
          expected.map(({ number }) => number),
          `these packets, in order; ${flows} ${seed}`,
        )
        t.equal(stats.received, expected.length)
        t.equal(stats.sampledOut, counted(sent.length - expected.length))
        t.equal(
          stats.interfaces.find(({ name }) => name === 'eth0')?.sampledOut,
          counted(sent.length - expected.length),
        )
        t.match(stats.sample, { seed })
        t.same(imbalances(stats), [])
      }
    }
  })

  t.test(`packets that end within their headers, ${table}`, { skip }, async (t) => {
    const sent = mixture(2000, 3, ['short'])
    const { stats } = await during({ sample: { flows: 0.4, seed: 3 }, ring }, () => replaySync('eth0', sent))
    t.equal(stats.received, taken(sent, 0.4).length)
  })

  t.test(`what the filter refuses is not counted, ${table}`, { skip }, async (t) => {
    const sent = mixture(1000, 0, ['plain'])
    const { packets, stats } = await during({ sample: { flows: 1 / 4 }, filter: 'ip6', ring }, () =>
      replaySync('eth0', sent),
    )
    const six = sent.filter(({ connection, type }) => type === 0x86dd && connection?.localAddress?.includes(':'))
    t.same(
      numbers(packets),
      taken(six, 1 / 4).map(({ number }) => number),
    )
    t.equal(stats.sampledOut, counted(six.length - taken(six, 1 / 4).length))
  })

  t.test(`setSample() while packets come, ${table}`, { skip }, async (t) => {
    await using running = await Running.open({ interfaces: 'eth0', direction: 'out', sample: { flows: 1 / 2 }, ring })
    const { capture } = running
    const plan: (SampleOptions | undefined)[] = [
      { flows: 1 / 2 },
      { flows: 1 / 16 },
      { flows: 1 / 2, seed: 9 },
      undefined,
      { flows: 1 },
      { flows: 1 / 4 },
    ]
    const expected: number[] = []
    let total = 0
    for (const sample of plan) {
      await capture.setSample(sample)
      t.same(capture.stats().sample, sample?.flows === 1 ? undefined : sample && { seed: 0, ...sample })
      const sent = mixture(1000, sample?.seed ?? 0, ['plain', 'first', 'later', 'arp'])
      replaySync(
        'eth0',
        sent.map((one) => renumbered(one, one.number + total)),
      )
      expected.push(...taken(sent, sample?.flows ?? 1).map(({ number }) => number + total))
      total += sent.length
    }
    t.same(numbers(await running.stop()), expected)
    const stats = capture.stats()
    t.equal(stats.received, expected.length)
    t.equal(stats.sampledOut, counted(total - expected.length))
    t.same(imbalances(stats), [])
  })

  t.test(`no packet that both samplings take is lost, ${table}`, { skip }, async (t) => {
    await using running = await Running.open({ interfaces: 'eth0', direction: 'out', sample: { flows: 1 / 4 }, ring })
    const sent = mixture(20_000, 0, ['plain'])
    const always = new Set(taken(sent, 1 / 4).map(({ number }) => number))
    let changing = true
    const changes = (async () => {
      for (let i = 0; changing; i++) await running.capture.setSample({ flows: [1, 1 / 2, 1 / 4][i % 3] as number })
      await running.capture.setSample({ flows: 1 / 4 })
    })()
    for (let at = 0; at < sent.length; at += 500) {
      replaySync('eth0', sent.slice(at, at + 500))
      await new Promise((resolve) => setImmediate(resolve))
    }
    changing = false
    await changes
    const seen = numbers(await running.stop())
    t.same(
      seen.filter((number) => always.has(number as number)),
      [...always],
      'each once, in order',
    )
    const stats = running.capture.stats()
    if (table === 'ebpf') t.equal(stats.received + (stats.sampledOut ?? 0), sent.length, 'the ledger balances')
    t.same(imbalances(stats), [])
  })

  t.test(`the first packets of an interface that appears are sampled too, ${table}`, { skip }, async (t) => {
    const sent = mixture(2000, 5, ['plain', 'later', 'arp'])
    const { packets, stats } = await during(
      { interfaces: { include: '^late', hotplug: true }, sample: { flows: 1 / 4, seed: 5 }, ring },
      () => {
        // All of this before JavaScript processes the interface's event.
        addVeth('late0', 'peer0')
        replaySync('late0', sent)
      },
    )
    del('late0')
    const expected = taken(sent, 1 / 4).map(({ number }) => number)
    t.same(numbers(packets), expected)
    t.equal(stats.sampledOut, counted(sent.length - expected.length))
    t.same(imbalances(stats), [])
  })

  t.test(`a recording states the sampling and its changes, ${table}`, { skip }, async (t) => {
    const path = folder.fresh()
    const sent = mixture(1000, 0, ['plain'])
    const { files } = await recorded(
      { interfaces: 'eth0', direction: 'out', sample: { flows: 1 / 8 }, ring },
      { path },
      async (capture) => {
        replaySync('eth0', sent)
        await capture.setSample({ flows: 1 / 2, seed: 7 })
        await capture.setSlice('l4')
        replaySync('eth0', sent)
      },
    )
    t.equal(files.length, 1)
    const blocks = blocksIn(path)
    const comments = blocks
      .filter((block) => block.startsWith(': Interface Description Block'))
      .map((block) => [...block.matchAll(/Option: Comment = (.*)$/gm)].map(([, text]) => text))
    t.same(comments.at(0), ['sample: flows 0.125, seed 0'])
    t.same(comments.at(-1), ['sample: flows 0.5, seed 7', 'slice: l4'])
    t.ok(comments.length <= 3, 'once each')
    const counts = blocks
      .filter((block) => block.startsWith(': Interface Statistics Block'))
      .map((block) => Number(/Delivered to the User = (\d+)$/m.exec(block)?.[1]))
    const later = sent.filter(({ connection }) => isSampled(hashOf(connection as Tuple, 'plain', 7), 1 / 2))
    t.equal(counts.at(0), taken(sent, 1 / 8).length, 'the packets of each description')
    t.equal(counts.at(-1), later.length)
    t.equal(numbersIn(path).length, taken(sent, 1 / 8).length + later.length)
  })
}

/** The same packet with another number. */
function renumbered(packet: Sent, number: number): Sent {
  const bytes = Buffer.from(packet.bytes)
  bytes.writeBigUInt64BE(BigInt(number), bytes.indexOf('RINGTAP\0') + 8)
  return { ...packet, bytes, number }
}

t.test('with a cut-off and dedupe', { skip: tables[0]?.skip ?? false }, async (t) => {
  const sent = mixture(3000, 0, ['plain'])
  const { packets, stats } = await during({ sample: { flows: 1 / 2 }, cutoff: { packets: 2 }, dedupe: true }, () =>
    replaySync('eth0', sent),
  )
  const count = new Map<number, number>()
  const expected = taken(sent, 1 / 2).filter(({ hash, connection }) => {
    // Packets of TCP have no flags that always pass.
    if (!connection) return true
    count.set(hash, (count.get(hash) ?? 0) + 1)
    return (count.get(hash) as number) <= 2
  })
  t.same(
    numbers(packets),
    expected.map(({ number }) => number),
  )
  t.equal(stats.sampledOut, sent.length - taken(sent, 1 / 2).length)
  t.equal(stats.beyondCutoff, taken(sent, 1 / 2).length - expected.length)
})

t.test('what is refused', async (t) => {
  const open = (options: CaptureOptions) => Capture.open({ interfaces: 'eth0', ...options })
  for (const [sample, message] of [
    [{ flows: 0 }, /sample\.flows.* above 0 and up to 1; got the number 0/],
    [{ flows: 8 }, /sample\.flows/],
    [{ flows: Number.NaN }, /sample\.flows/],
    [{ flows: '1/8' }, /sample\.flows/],
    [{}, /sample\.flows/],
    [{ flows: 0.5, seed: -1 }, /sample\.seed.* from 0 to 4294967295/],
    [{ flows: 0.5, seed: 2 ** 32 }, /sample\.seed/],
    [{ flow: 0.5 }, /sample\.flow is not an option/],
    [5, /sample/],
  ] as [SampleOptions, RegExp][]) {
    await t.rejects(open({ sample }), { code: 'ERR_OPTION', message })
  }
  await t.rejects(open({ sample: { flows: 0.5 }, backend: 'pcap' }), {
    code: 'ERR_OPTION',
    message: /sample .*backend: 'pcap'/,
  })
  await using pcap = await open({ backend: 'pcap' })
  await t.rejects(pcap.setSample({ flows: 0.5 }), { code: 'ERR_OPTION', message: /backend: 'pcap'/ })
  const capture = await open({ sample: { flows: 0.25, seed: 3 } })
  await t.rejects(capture.setSample({ flows: 2 }), { code: 'ERR_OPTION', message: /sample\.flows/ })
  t.same(capture.stats().sample, { flows: 0.25, seed: 3 }, 'the old one stays')
  await capture.close()
  await t.rejects(capture.setSample({ flows: 0.5 }), { code: 'ERR_CLOSED' })
})
