import { writeFileSync } from 'node:fs'
import { Capture, type CaptureOptions, type FrameLayers, frame, type Slice } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { savefile } from '../../helpers/packets.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { run } from '../../helpers/wireshark.js'
import { captureDuring } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { type RawFrame, replaySync } from '../support/replay.js'
import { Running } from '../support/running.js'
import { send, sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2' }
const ipv6 = { source: '2001:db8::1', destination: '2001:db8::2' }
const tcp = { sourcePort: 40000, destinationPort: 9999, flags: ['ACK'] as const }
const options = Buffer.from([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2])
const udp = { sourcePort: 40000, destinationPort: 9999 }
const payload = Buffer.alloc(200, 'p')

const raw = (type: number, layers: FrameLayers): RawFrame => ({ bytes: frame(layers), type })
const bytesOf = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part.replaceAll(' ', ''), 'hex') : part)))

const inner4 = frame({ ipv4, tcp: { ...tcp, options }, payload })
const inner6 = frame({ ipv6, udp, payload })
const innerFrame = frame({ ethernet, vlan: { id: 7 }, ipv4, udp, payload })
const overUdp = (destinationPort: number, content: Uint8Array): RawFrame =>
  raw(0x0800, { ethernet, ipv4, udp: { sourcePort: 50000, destinationPort }, payload: content })

/** Packets whose headers tshark knows as the library does. */
const plain: RawFrame[] = [
  raw(0x0800, { ethernet, ipv4, tcp, payload }),
  raw(0x0800, { ethernet, ipv4: { ...ipv4, options: Buffer.alloc(8, 1) }, tcp: { ...tcp, options }, payload }),
  raw(0x86dd, { ethernet, ipv6, tcp: { ...tcp, options }, payload }),
  raw(0x0800, { ethernet, ipv4, udp, payload }),
  raw(0x86dd, { ethernet, ipv6, udp, payload }),
  raw(0x8100, { ethernet, vlan: { id: 5 }, ipv4, udp, payload }),
  raw(0x88a8, { ethernet, vlan: [{ id: 5, protocol: 0x88a8 }, { id: 6 }], ipv6, tcp, payload }),
]
const tunnels: RawFrame[] = [
  raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 4 }, payload: inner4 }),
  raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 41 }, payload: inner6 }),
  raw(0x86dd, { ethernet, ipv6: { ...ipv6, nextHeader: 4 }, payload: inner4 }),
  raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 47 }, payload: bytesOf('0000 0800', inner4) }),
  raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 47 }, payload: bytesOf('2000 86dd 00000007', inner6) }),
  raw(0x86dd, {
    ethernet,
    ipv6: { ...ipv6, nextHeader: 47 },
    payload: bytesOf('3000 6558 00000007 00000001', innerFrame),
  }),
  overUdp(4789, bytesOf('0800 0000 0000 0700', innerFrame)),
  overUdp(6081, bytesOf('0000 6558 0000 0700', innerFrame)),
  overUdp(6081, bytesOf('0100 0800 0000 0700 0102 8000', inner4)),
  overUdp(2152, bytesOf('30ff', u16(inner4.length), '0000 0001', inner4)),
  // A GTP-U packet with an extension header, that of a PDU session.
  overUdp(2152, bytesOf('34ff', u16(inner4.length + 8), '0000 0001 0000 0085 0110 0100', inner4)),
  // VXLAN in GRE.
  raw(0x0800, {
    ethernet,
    ipv4: { ...ipv4, protocol: 47 },
    payload: bytesOf(
      '0000 0800',
      frame({
        ipv4,
        udp: { sourcePort: 50000, destinationPort: 4789 },
        payload: bytesOf('0800 0000 0000 0700', innerFrame),
      }),
    ),
  }),
]

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}

/** Where tshark sees the first, or the last, transport header of each packet end. */
function headersByTshark(frames: readonly RawFrame[]): { first: number; last: number }[] {
  const path = folder.fresh()
  writeFileSync(path, savefile(frames, 1))
  const xml = run('tshark', ['-n', '-r', path, '-T', 'pdml']).toString()
  return xml
    .split('<packet>')
    .slice(1)
    .map((packet) => {
      const ends = [...packet.matchAll(/<proto name="(\w+)"[^>]* size="(\d+)" pos="(\d+)"/g)]
        .filter(([, name]) => /^(ip|ipv6|tcp|udp|gre)$/.test(name as string))
        .map(([, name, size, pos]) => ({ name, end: Number(pos) + Number(size) }))
      // Without one, where a packet of IP is in another.
      const first = /^(tcp|udp|gre)$/.test(ends[1]?.name ?? '') ? ends[1] : ends[0]
      return { first: first?.end ?? Number.NaN, last: ends.at(-1)?.end ?? Number.NaN }
    })
}

for (const { table, skip } of tables) {
  const ring = { table }
  const during = (given: CaptureOptions, traffic: (capture: Capture) => unknown) =>
    captureDuring({ interfaces: 'eth0', direction: 'out', ring, ...given }, traffic)

  t.test(`packets are cut where tshark sees their headers end, ${table}`, { skip }, async (t) => {
    const sent = [...plain, ...tunnels]
    const headers = headersByTshark(sent)
    for (const slice of ['l4', 'headers'] as const) {
      for (const filter of [undefined, 'greater 100']) {
        const { packets, stats } = await during({ slice, filter }, () => replaySync('eth0', sent))
        const expected = headers.map(({ first, last }) => (slice === 'l4' ? first : last))
        t.same(
          packets.map(({ capturedLength }) => capturedLength),
          expected,
          `${slice}, filter ${filter}`,
        )
        t.same(
          packets.map(({ data }) => hex(data)),
          sent.map(({ bytes }, i) => hex(bytes.subarray(0, expected[i]))),
          'the first bytes of each',
        )
        t.same(
          packets.map(({ originalLength }) => originalLength),
          sent.map(({ bytes }) => bytes.length),
          'the true lengths',
        )
        t.equal(stats.truncated, sent.length)
        t.equal(stats.slice, slice)
        t.same(imbalances(stats), [])
      }
    }
  })

  t.test(`what tshark does not end in one place, ${table}`, { skip }, async (t) => {
    const extensions = [
      { type: 0, content: Buffer.alloc(6) },
      { type: 60, content: Buffer.alloc(14) },
    ]
    const icmp = { type: 8 }
    const cases: [RawFrame, number | undefined][] = [
      [raw(0x0800, { ethernet, ipv4, icmp, payload }), 14 + 20 + 8],
      [raw(0x86dd, { ethernet, ipv6, icmp: { type: 128 }, payload }), 14 + 40 + 8],
      [raw(0x86dd, { ethernet, ipv6: { ...ipv6, extensions }, udp, payload }), 14 + 40 + 8 + 16 + 8],
      [raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 132 }, payload }), 14 + 20 + 12],
      [raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 50 }, payload }), 14 + 20 + 8],
      [raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 89 }, payload }), 14 + 20],
      [raw(0x0800, { ethernet, ipv4: { ...ipv4, moreFragments: true }, udp, payload }), 14 + 20 + 8],
      [raw(0x0800, { ethernet, ipv4: { ...ipv4, fragmentOffset: 64, protocol: 17 }, payload }), 14 + 20],
      [
        raw(0x86dd, {
          ethernet,
          ipv6: { ...ipv6, nextHeader: 17, extensions: [{ type: 44, content: Buffer.from([0, 64, 0, 0, 0, 1]) }] },
          payload,
        }),
        14 + 40 + 8,
      ],
      [raw(0x0800, { ethernet, ipv4: { ...ipv4, protocol: 6 }, payload: Buffer.alloc(10) }), undefined],
      [raw(0x0800, { ethernet, ipv4, tcp: { ...tcp, headerLength: 16 }, payload }), undefined],
      [{ bytes: bytesOf(frame({ ethernet: { ...ethernet, etherType: 0x88b5 }, payload })), type: 0x88b5 }, undefined],
    ]
    const { packets } = await during({ slice: 'headers' }, () =>
      replaySync(
        'eth0',
        cases.map(([one]) => one),
      ),
    )
    t.same(
      packets.map(({ capturedLength }) => capturedLength),
      cases.map(([{ bytes }, length]) => length ?? bytes.length),
    )
  })

  t.test(`a slice and the snapshot length: the shorter counts, ${table}`, { skip }, async (t) => {
    for (const [given, lengths] of [
      [{ slice: 'l4', snapshotLength: 40 }, [40, 40]],
      [{ slice: 'l4', snapshotLength: 50 }, [50, 42]],
      [{ slice: 50, snapshotLength: 60 }, [50, 50]],
      [{ slice: 60, snapshotLength: 50 }, [50, 50]],
    ] as [CaptureOptions, number[]][]) {
      const { packets } = await during(given, () => replaySync('eth0', [plain[0] as RawFrame, plain[3] as RawFrame]))
      t.same(
        packets.map(({ capturedLength }) => capturedLength),
        lengths,
      )
    }
  })

  t.test(`the first packets of an interface that appears are cut too, ${table}`, { skip }, async (t) => {
    const { packets, stats } = await captureDuring(
      { interfaces: { include: '^late', hotplug: true }, slice: 'l4', ring },
      () => {
        // All of this before JavaScript processes the interface's event.
        addVeth('late0', 'peer0')
        sendSync({ interface: 'late0', count: 20, size: 300 })
      },
    )
    del('late0')
    t.same(
      packets.map(({ capturedLength, originalLength }) => [capturedLength, originalLength]),
      Array.from({ length: 20 }, () => [42, 300]),
    )
    t.same(imbalances(stats), [])
  })

  t.test(`setSlice() under traffic: every packet once, cut in one of the ways, ${table}`, { skip }, async (t) => {
    const plan: [Slice | undefined, number][] = [
      [undefined, 150],
      ['l4', 42],
      [undefined, 150],
      [100, 100],
      ['headers', 42],
      [70, 70],
      [undefined, 150],
    ]
    await using running = await Running.open({ interfaces: 'eth0', filter: 'udp port 9', direction: 'out', ring })
    let [sent, sending] = [0, true]
    const traffic = (async () => {
      for (; sending; sent += 200) await send({ interface: 'eth0', count: 200, size: 150, start: sent })
    })()
    for (const [slice, length] of plan) {
      await running.capture.setSlice(slice)
      t.equal(running.capture.stats().slice, slice)
      // What is sent from now on is cut in this way; what waited before may come first.
      await waitUntil(() => running.packets.at(-1)?.capturedLength === length, `packets of ${length} bytes`)
    }
    sending = false
    await traffic
    const packets = await running.stop()
    t.equal(packets.length, sent, 'each packet')
    t.ok(packets.every(({ originalLength }) => originalLength === 150))
    const runs = packets
      .map(({ capturedLength }) => capturedLength)
      .filter((length, index, all) => length !== all[index - 1])
    t.same(
      runs,
      plan.map(([, length]) => length),
      'the order of the lengths is that of the changes',
    )
    t.same(imbalances(running.capture.stats()), [])
  })
}

for (const { way, options: given, skip } of ways) {
  t.test(`a number, ${way}`, { skip }, async (t) => {
    const { packets } = await captureDuring({ interfaces: 'eth0', slice: 80, ...given }, async (capture) => {
      sendSync({ interface: 'eth0', count: 3, size: 300 })
      await capture.setSlice(60)
      sendSync({ interface: 'eth0', count: 3, size: 300, start: 3 })
    })
    t.same(
      packets.map(({ data, capturedLength }) => [sequenceOf(data), capturedLength]),
      [0, 1, 2, 3, 4, 5].map((number) => [number, number < 3 ? 80 : 60]),
    )
  })
}

t.test('what is refused', async (t) => {
  const open = (given: CaptureOptions) => Capture.open({ interfaces: 'eth0', ...given })
  for (const slice of ['l3', '', 0, -1, 1.5, 262_145, null, {}] as Slice[]) {
    await t.rejects(open({ slice }), { code: 'ERR_OPTION', message: /^slice must be / })
  }
  await t.rejects(open({ slice: 'l4', backend: 'pcap' }), { code: 'ERR_OPTION', message: /slice .*backend: 'pcap'/ })
  await using pcap = await open({ slice: 100, backend: 'pcap' })
  await t.rejects(pcap.setSlice('l4'), { code: 'ERR_OPTION', message: /backend: 'pcap'/ })
  await t.rejects(pcap.setSlice(101), { code: 'ERR_OPTION', message: /from 1 to 100 bytes/ })
  await t.rejects(pcap.setSlice(undefined), { code: 'ERR_OPTION', message: /at most 100 bytes/ })
  const capture = await open({ slice: 'headers' })
  await t.rejects(capture.setSlice('l7' as Slice), { code: 'ERR_OPTION' })
  t.equal(capture.stats().slice, 'headers', 'the old one stays')
  await capture.close()
  await t.rejects(capture.setSlice('l4'), { code: 'ERR_CLOSED' })
})
