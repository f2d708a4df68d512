// Lines about packets beside those of tcpdump.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Dissector, frame } from 'ringtap'
import t from 'tap'
import { corpus } from '../helpers/corpus.js'
import { linePackets } from '../helpers/line-packets.js'
import { savefile } from '../helpers/packets.js'
import { run } from '../helpers/wireshark.js'

const dir = mkdtempSync(path.join(tmpdir(), 'ringtap-tcpdump-'))
t.teardown(() => rmSync(dir, { recursive: true }))

/** Packets that tcpdump describes by more than the innermost headers, or decodes beyond them. */
const otherwise = [
  'sctp', // chunks
  'dccp', // its type
  'udp-lite', // its coverage of the checksum
  'tcp all flags', // AE is newer than tcpdump 4.99
  'unknown protocol', // two spaces
  'ipv6 ah, options', // tcpdump reads nothing behind AH
  'ipv6 nothing',
  'mpls', // labels
  'pppoe', // the session
  'rarp',
  'snap',
  'llc',
  'unknown type',
  // The headers of tunnels, and then the packet inside.
  ...['gre', 'erspan', 'vxlan', 'geneve', 'gtpu', 'ipip', '6in4', '4in6', '6in6', 'pseudowire'],
]

t.test('a line for each packet', async (t) => {
  const packets = corpus().filter(
    ({ name, linkType }) => [1, 101].includes(linkType) && !otherwise.some((part) => name.includes(part)),
  )
  const d = new Dissector()
  let compared = 0
  for (const linkType of [1, 101]) {
    const ours = packets.filter((packet) => packet.linkType === linkType)
    const file = path.join(dir, `${linkType}.pcap`)
    writeFileSync(file, savefile(ours, linkType))
    const lines = run('tcpdump', ['-n', '-t', '-S', '-r', file]).toString().trimEnd().split('\n')
    t.equal(lines.length, ours.length)
    ours.forEach(({ name, bytes }, i) => {
      d.dissect(bytes, linkType)
      t.equal(d.summary(), lines[i], name)
      compared++
    })
  }
  t.ok(compared >= 30, `${compared} compared`)
})

t.test('errors, multicast, extension headers, options', async (t) => {
  const packets = linePackets()
  const file = path.join(dir, 'lines.pcap')
  writeFileSync(
    file,
    savefile(
      packets.map((bytes) => ({ bytes })),
      1,
    ),
  )
  const lines = run('tcpdump', ['-n', '-t', '-S', '-r', file]).toString().trimEnd().split('\n')
  t.equal(lines.length, packets.length)
  const d = new Dissector()
  packets.forEach((bytes, i) => {
    d.dissect(bytes)
    t.equal(d.summary(), lines[i])
  })
})

t.test('a summary of every beginning of a packet, cut or whole, with nothing behind it in memory', async (t) => {
  const d = new Dissector({ tunnels: true })
  const target = new Uint8Array(4096)
  let summaries = 0
  const packets = [...corpus(), ...linePackets().map((bytes) => ({ bytes, linkType: 1 }))]
  for (const { bytes, linkType } of packets) {
    for (let length = 0; length <= bytes.length; length++) {
      const part = Uint8Array.from(bytes.subarray(0, length))
      for (const original of [length, bytes.length]) {
        d.dissect(part, linkType, original)
        if (d.summaryInto(target) > 0) summaries++
      }
    }
  }
  t.equal(
    summaries,
    packets.reduce((sum, { bytes }) => sum + 2 * (bytes.length + 1), 0),
  )
})

t.test('summaryInto writes the same as bytes, and nothing beyond them', async (t) => {
  const d = new Dissector({ tunnels: true })
  const target = new Uint8Array(4200)
  for (const { name, bytes, linkType } of corpus()) {
    d.dissect(bytes, linkType)
    const summary = d.summary()
    target.fill(0xaa)
    t.equal(d.summaryInto(target, 50), summary.length, name)
    t.equal(Buffer.from(target).toString('latin1', 50, 50 + summary.length), summary)
    t.ok(target.subarray(0, 50).every((byte) => byte === 0xaa))
    t.ok(target.subarray(50 + summary.length).every((byte) => byte === 0xaa))
  }
})

t.test('summaryInto refuses a target without room', async (t) => {
  const d = new Dissector()
  d.dissect(corpus()[0]!.bytes)
  const { length } = d.summary()
  const target = new Uint8Array(length + 1)
  t.equal(d.summaryInto(target, 1), length)
  t.throws(() => d.summaryInto(target, 2), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => d.summaryInto(target, length + 2), { code: 'ERR_OPTION', option: 'offset' })
  t.throws(() => d.summaryInto('' as unknown as Uint8Array), { code: 'ERR_OPTION', option: 'target' })
})

t.test('numbers of every length, and the longest summary', async (t) => {
  const d = new Dissector()
  const address = (from: number) => [from, from + 1, 99, 255]
  for (let power = 0; power <= 32; power++) {
    for (const value of [2 ** power - 1, 2 ** power % 2 ** 32, 10 ** (power % 10), 10 ** (power % 10) - 1]) {
      const from = value % 250
      const bytes = frame({
        ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
        ipv4: { source: address(from).join('.'), destination: '10.20.100.9' },
        tcp: {
          ...{ sourcePort: value & 0xffff, destinationPort: 7, flags: ['SYN', 'ACK'], sequence: value },
          ...{ acknowledgment: 2 ** 32 - 1 - value, window: value & 0xffff },
        },
      })
      d.dissect(bytes)
      t.equal(
        d.summary(),
        `IP ${address(from).join('.')}.${value & 0xffff} > 10.20.100.9.7: Flags [S.], seq ${value}, ` +
          `ack ${2 ** 32 - 1 - value}, win ${value & 0xffff}, length 0`,
      )
    }
  }
  // Forty bytes of options that no one knows, or that say nothing, between the longest addresses.
  const ip = Array.from({ length: 8 }, () => 'ffff').join(':')
  for (const options of [Buffer.alloc(40, Buffer.from([254, 2])), Buffer.alloc(40, 1)]) {
    const header = Buffer.concat([Buffer.alloc(12, 255), Buffer.from([0xf0, 255, 255, 255, 0, 0, 255, 255]), options])
    d.dissect(
      frame({
        ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
        ipv6: { source: ip, destination: ip, nextHeader: 6 },
        payload: Buffer.concat([header, Buffer.alloc(1200)]),
      }),
    )
    t.ok(d.summary().endsWith(', length 1200'))
    t.ok(d.summaryInto(new Uint8Array(4096)) < 4096)
  }
})
