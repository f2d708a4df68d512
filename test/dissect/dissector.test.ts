import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Dissector, type DissectorFields, Layer, LinkType, Malformed, openFile, Packet } from 'ringtap'
import t from 'tap'
import { corpus } from '../helpers/corpus.js'
import * as make from '../helpers/layers.js'
import { savefile } from '../helpers/packets.js'

const { ethernet, ipv4, ipv6, join, tcp, udp, u8 } = make
const data = make.counting(23)
const tcp4 = ethernet(0x0800, ipv4(tcp(data), { protocol: 6 }))

/** The public fields. */
function fieldsOf(d: Dissector): Record<string, number> {
  const found = Object.entries(d as DissectorFields).filter(([name]) => !name.startsWith('_'))
  return Object.fromEntries(found) as Record<string, number>
}

const absent = {
  layers: 0,
  linkType: 1,
  etherType: -1,
  vlanCount: 0,
  vlanId: -1,
  vlanPriority: -1,
  innerVlanId: -1,
  mplsCount: 0,
  mplsLabel: -1,
  mplsInnerLabel: -1,
  networkOffset: -1,
  ipVersion: 0,
  protocol: -1,
  hopLimit: -1,
  trafficClass: -1,
  identification: -1,
  flowLabel: -1,
  fragment: 0,
  fragmentOffset: 0,
  moreFragments: 0,
  transportOffset: -1,
  sourcePort: -1,
  destinationPort: -1,
  tcpFlags: -1,
  tcpSequence: -1,
  tcpAcknowledgment: -1,
  tcpWindow: -1,
  tcpMss: -1,
  tcpWindowScale: -1,
  tcpSackPermitted: 0,
  tcpSackCount: 0,
  tcpTimestamp: -1,
  tcpTimestampEcho: -1,
  icmpType: -1,
  icmpCode: -1,
  icmpIdentifier: -1,
  icmpSequence: -1,
  arpOperation: -1,
  arpOffset: -1,
  tunnelDepth: 0,
  tunnelId: -1,
  outerNetworkOffset: -1,
  payloadOffset: 0,
  payloadLength: 0,
  checksumPending: 0,
  truncated: 0,
  malformed: 0,
}

t.test('the fields of a TCP segment', async (t) => {
  const d = new Dissector()
  const layers = Layer.Ethernet | Layer.IPv4 | Layer.Tcp
  t.equal(d.dissect(tcp4), layers)
  t.strictSame(fieldsOf(d), {
    ...absent,
    layers,
    etherType: 0x0800,
    networkOffset: 14,
    ipVersion: 4,
    protocol: 6,
    hopLimit: 64,
    trafficClass: 0,
    identification: 0x1234,
    transportOffset: 34,
    sourcePort: 40000,
    destinationPort: 40001,
    tcpFlags: 0x18,
    tcpSequence: 0xfedcba98,
    tcpAcknowledgment: 0x80000001,
    tcpWindow: 501,
    payloadOffset: 54,
    payloadLength: 23,
  })
  t.equal(d.sourceIp, make.here4)
  t.equal(d.destinationIp, make.there4)
  t.equal(d.sourceMac, make.hereMac)
  t.equal(d.destinationMac, make.thereMac)
  t.strictSame(Buffer.from(d.payload), data)
})

t.test('nothing remains of the packets before', async (t) => {
  const packets = corpus()
  const used = new Dissector({ tunnels: true, tcpOptions: true })
  const fresh = packets.map(({ bytes, linkType }) => {
    const d = new Dissector({ tunnels: true, tcpOptions: true })
    d.dissect(bytes, linkType)
    return { ...d }
  })
  // Every packet after every other one.
  for (const [i, before] of packets.entries()) {
    for (const [j, packet] of packets.entries()) {
      used.dissect(before.bytes, before.linkType)
      used.dissect(packet.bytes, packet.linkType)
      for (const [field, value] of Object.entries(fresh[j]!)) {
        if (field === '_previous' || field === '_groups') continue
        const got = used[field as keyof Dissector]
        if (got !== value) t.equal(got, value, `${field} of ${packet.name} after ${packets[i]!.name}`)
      }
    }
  }
  t.ok(packets.length > 100)
  used.dissect(new Uint8Array(0))
  t.strictSame(fieldsOf(used), { ...absent, malformed: Malformed.Short })
  t.equal(used.sourceIp, undefined)
  t.equal(used.sourceMac, undefined)
  t.equal(used.payload.length, 0)
})

t.test('the layers of each packet of the corpus', async (t) => {
  const names = Object.entries(Layer) as [string, number][]
  const d = new Dissector({ tunnels: true })
  const seen = new Set<string>()
  for (const { bytes, linkType } of corpus()) {
    const layers = d.dissect(bytes, linkType)
    for (const [name, bit] of names) if ((layers & bit) !== 0) seen.add(name)
    if (d.malformed !== 0 || d.truncated !== 0) t.fail('malformed or truncated')
  }
  d.dissect(ethernet(0x0800, ipv4(udp(u8(4, 0, 0, 0, 9), 51820, 51820), { protocol: 17 })))
  if ((d.layers & Layer.WireGuard) !== 0) seen.add('WireGuard')
  t.strictSame([...seen].sort(), names.map(([name]) => name).sort(), 'every layer occurs')
  const bits = names.map(([, bit]) => bit)
  t.equal(new Set(bits).size, bits.length)
  t.ok(bits.every((bit) => bit > 0 && (bit & (bit - 1)) === 0))
})

t.test('padding, cut packets and lengths', async (t) => {
  const d = new Dissector()
  const padded = join(ethernet(0x0800, ipv4(tcp(u8(), { flags: 2 }), { protocol: 6 })), Buffer.alloc(6, 1))
  d.dissect(padded)
  t.match(d, { payloadOffset: 54, payloadLength: 0, truncated: 0, malformed: 0 })
  t.equal(d.payload.length, 0)

  d.dissect(tcp4.subarray(0, 60), 1, tcp4.length)
  t.match(d, { payloadOffset: 54, payloadLength: 23, truncated: 1, malformed: 0 })
  t.equal(d.payload.length, 6)

  d.dissect(tcp4.subarray(0, 50), 1, tcp4.length)
  t.match(d, { layers: Layer.Ethernet | Layer.IPv4, sourcePort: 40000, tcpFlags: -1, truncated: 1, malformed: 0 })
  t.match(d, { transportOffset: 34, payloadOffset: 34, payloadLength: 43 })

  // The rest is missing though nothing was cut.
  d.dissect(tcp4.subarray(0, 50))
  t.match(d, { layers: Layer.Ethernet | Layer.IPv4, truncated: 0, malformed: Malformed.Length })

  // Only padding was cut.
  d.dissect(padded.subarray(0, 57), 1, padded.length)
  t.match(d, { truncated: 0, payloadLength: 0 })

  // Super-frames: the length does not fit, or is left out.
  const large = Buffer.alloc(70_000, 5)
  d.dissect(ethernet(0x0800, ipv4(tcp(large), { protocol: 6, totalLength: 0 })))
  t.match(d, { payloadLength: 70_000, malformed: 0, truncated: 0, destinationPort: 40001 })
  d.dissect(ethernet(0x86dd, ipv6(tcp(large), { next: 6, payloadLength: 0 })))
  t.match(d, { payloadLength: 70_000, malformed: 0, truncated: 0, destinationPort: 40001 })
  const jumbo = join(u8(6, 0, 0xc2, 4), make.u32(70_028), tcp(large))
  d.dissect(ethernet(0x86dd, ipv6(jumbo, { next: 0, payloadLength: 0 })))
  t.match(d, { payloadLength: 70_000, malformed: 0, truncated: 0, destinationPort: 40001 })
  d.dissect(ethernet(0x0800, ipv4(tcp(large), { protocol: 6, totalLength: 0 })).subarray(0, 96), 1, 70_054)
  t.match(d, { payloadLength: 70_000, malformed: 0, truncated: 1 })
})

t.test('what contradicts itself is malformed', async (t) => {
  const d = new Dissector({ tunnels: true })
  const is = (name: string, bytes: Buffer, malformed: number, more: object = {}, linkType = 1) => {
    d.dissect(bytes, linkType)
    t.match(d, { malformed, ...more }, name)
  }
  const patched = (bytes: Buffer, at: number, value: number) => {
    const copy = Buffer.from(bytes)
    copy[at] = value
    return copy
  }
  is('no room for Ethernet', tcp4.subarray(0, 13), Malformed.Short, { layers: 0, payloadOffset: 0, payloadLength: 13 })
  is('no room for IPv4', tcp4.subarray(0, 33), Malformed.Short, { layers: Layer.Ethernet, payloadLength: 19 })
  is('IP version', patched(tcp4, 14, 0x55), Malformed.IpVersion, { layers: Layer.Ethernet, ipVersion: 0 })
  is('raw IP version', Buffer.from([0x70, 0]), Malformed.IpVersion, { layers: 0 }, LinkType.RAW)
  is('IPv4 header length', patched(tcp4, 14, 0x44), Malformed.HeaderLength, { layers: Layer.Ethernet })
  is('IPv4 header beyond the packet', patched(tcp4.subarray(0, 40), 14, 0x4f), Malformed.Length, { sourcePort: -1 })
  is('total length below the header', patched(tcp4, 17, 19), Malformed.Length, { sourcePort: 40000 })
  is('total length within TCP', patched(tcp4, 17, 30), Malformed.Short, { sourcePort: 40000, tcpFlags: -1 })
  is('total length beyond', patched(tcp4, 16, 4), Malformed.Length, { payloadLength: 23, tcpFlags: 0x18 })
  is('TCP header length', patched(tcp4, 46, 0x40), Malformed.HeaderLength, { tcpFlags: 0x18, payloadOffset: 34 })
  is('TCP options beyond', patched(tcp4, 46, 0xf0), Malformed.Short, { tcpFlags: 0x18, payloadOffset: 34 })
  const datagram = (length: number) => ethernet(0x0800, ipv4(udp(data, 1, 2, length), { protocol: 17 }))
  is('UDP length below', datagram(7), Malformed.Length, { payloadLength: 23 })
  is('UDP length beyond', datagram(32), Malformed.Length, { payloadLength: 23 })
  is('UDP length within', datagram(10), Malformed.None, { payloadLength: 2 })
  is('UDP length 0', datagram(0), Malformed.None, { payloadLength: 23 })
  let chain = tcp(data)
  for (let i = 0; i < 9; i++) chain = make.options6(i === 0 ? 6 : 60, chain)
  is('nine extension headers', ethernet(0x86dd, ipv6(chain, { next: 60 })), Malformed.TooMany, { protocol: 60 })
  let tags = ipv4(tcp(data), { protocol: 6 })
  for (let i = 0; i < 9; i++) tags = make.tag(i, i === 0 ? 0x0800 : 0x8100, tags)
  is('nine VLAN tags', ethernet(0x8100, tags), Malformed.TooMany, { vlanCount: 8, vlanId: 8, innerVlanId: 1 })
  is('17 labels', ethernet(0x8847, make.mpls(Array(17).fill(16), data)), Malformed.TooMany, { mplsCount: 16 })
  let nested = ipv4(tcp(data), { protocol: 6 })
  for (let i = 0; i < 9; i++) nested = ipv4(nested, { protocol: 4 })
  is('nine tunnels', ethernet(0x0800, nested), Malformed.TooMany, { tunnelDepth: 8, protocol: 4 })
  is('PPPoE version', ethernet(0x8864, patched(make.pppoe(data), 0, 0x21)), Malformed.Header)
  is('GRE version', ethernet(0x0800, ipv4(patched(make.gre(0x0800, data), 1, 2), { protocol: 47 })), Malformed.Header)
  is('radiotap version', patched(make.radiotap(make.wifi(data)), 0, 1), Malformed.Header, {}, 127)
})

t.test('tunnels are followed if they are asked for', async (t) => {
  const inner = ethernet(0x0800, ipv4(tcp(data, { from: 1, to: 2 }), { protocol: 6, from: '1.2.3.4' }))
  const frame = ethernet(0x0800, ipv4(make.vxlan(77, inner), { protocol: 17 }))
  const without = new Dissector({ tunnels: ['ipip', 'geneve'] })
  without.dissect(frame)
  t.match(without, { layers: Layer.Ethernet | Layer.IPv4 | Layer.Udp, destinationPort: 4789, tunnelDepth: 0 })
  t.match(without, { tunnelId: -1, sourceIp: make.here4, payloadLength: 8 + inner.length })
  const following = new Dissector({ tunnels: ['vxlan'] })
  following.dissect(frame)
  t.match(following, { tunnelDepth: 1, tunnelId: 77, sourceIp: '1.2.3.4', destinationPort: 2, payloadLength: 23 })
  t.match(following, {
    outerNetworkOffset: 14,
    networkOffset: 64,
    layers: Layer.Vxlan | Layer.Udp | without.layers | Layer.Tcp,
  })
  following.dissect(ethernet(0x0800, ipv4(make.vxlan(78, inner, 8472), { protocol: 17 })))
  t.equal(following.tunnelId, 78, "Linux's port")
})

t.test('the rest of a packet in a tunnel may be in another fragment', async (t) => {
  const inner = ethernet(0x0800, ipv4(tcp(data, { from: 1, to: 2 }), { protocol: 6 }))
  const whole = make.vxlan(77, inner)
  const d = new Dissector({ tunnels: true })
  const first = (length: number) => {
    d.dissect(ethernet(0x0800, ipv4(whole.subarray(0, length), { protocol: 17, fragment: 0x2000 })))
    return d
  }
  t.match(first(whole.length - 7), {
    tunnelDepth: 1,
    destinationPort: 2,
    payloadLength: 16,
    malformed: 0,
    truncated: 0,
  })
  t.match(first(whole.length - 35), { tunnelDepth: 1, destinationPort: 2, tcpFlags: -1, malformed: 0, truncated: 0 })
  d.dissect(ethernet(0x0800, ipv4(whole.subarray(0, whole.length - 7), { protocol: 17 })))
  t.match(d, { tunnelDepth: 1, malformed: Malformed.Length }, 'not a fragment')
})

t.test('packets of a file, and of one’s own', async (t) => {
  const d = new Dissector()
  const file = path.join(tmpdir(), `ringtap-dissect-file-${process.pid}`)
  t.teardown(() => rmSync(file, { force: true }))
  const packets = [{ bytes: tcp4 }, { bytes: tcp4.subarray(0, 60), originalLength: tcp4.length }]
  writeFileSync(file, savefile(packets, 1))
  await using opened = await openFile(file)
  let count = 0
  for await (const chunk of opened) {
    chunk.forEach((packet, i) => {
      t.equal(d.dissect(packet), Layer.Ethernet | Layer.IPv4 | Layer.Tcp)
      t.match(d, { linkType: 1, destinationPort: 40001, payloadOffset: 54, payloadLength: 23, truncated: i })
      t.equal(d.payload.length, i === 0 ? 23 : 6)
      count++
    })
    t.equal(d.sourceIp, make.here4)
    const [first] = chunk
    chunk.release()
    t.throws(() => d.sourceIp, { code: 'ERR_RELEASED' })
    t.throws(() => d.sourceMac, { code: 'ERR_RELEASED' })
    t.equal(d.payload.length, 0)
    t.throws(() => d.dissect(first!), { code: 'ERR_RELEASED' })
  }
  t.equal(count, 2)

  const vlan = { id: 100, priority: 6, dropEligible: false, protocol: 0x8100 }
  d.dissect(Packet.from(tcp4, { vlan }))
  t.match(d, { vlanCount: 1, vlanId: 100, vlanPriority: 6, innerVlanId: -1, sourcePort: 40000, networkOffset: 14 })
  d.dissect(Packet.from(ethernet(0x8100, make.tag(0x2007, 0x0800, ipv4(tcp(data), { protocol: 6 }))), { vlan }))
  t.match(d, { vlanCount: 2, vlanId: 100, vlanPriority: 6, innerVlanId: 7, etherType: 0x0800 })
  t.equal(d.layers, Layer.Ethernet | Layer.Vlan | Layer.IPv4 | Layer.Tcp)
  d.dissect(Packet.from(tcp4.subarray(14), { linkType: LinkType.RAW }))
  t.match(d, { linkType: 101, layers: Layer.IPv4 | Layer.Tcp, networkOffset: 0, vlanCount: 0 })
  d.dissect(Packet.from(tcp4, { linkType: 147 }))
  t.match(d, { linkType: 147, layers: 0, payloadOffset: 0, payloadLength: tcp4.length })
})

t.test('of a packet whose chunk is released nothing is read, and least of all another packet’s bytes', async (t) => {
  const file = path.join(tmpdir(), `ringtap-dissect-released-${process.pid}`)
  t.teardown(() => rmSync(file, { force: true }))
  const sack = ethernet(0x0800, ipv4(tcp(data, { options: u8(1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9) }), { protocol: 6 }))
  const parts: [bytes: Buffer, use: (d: Dissector) => unknown][] = [
    [tcp4, (d) => d.sourceIp],
    [tcp4, (d) => d.destinationIp],
    [tcp4, (d) => d.sourceMac],
    [tcp4, (d) => d.destinationMac],
    [tcp4, (d) => d.headers()],
    [tcp4, (d) => JSON.stringify(d)],
    [tcp4, (d) => d.checksums()],
    [tcp4, (d) => d.summary()],
    [tcp4, (d) => d.summaryInto(new Uint8Array(4096))],
    [tcp4, (d) => d.flowHash],
    [tcp4, (d) => d.communityId()],
    [sack, (d) => d.tcpSackRanges],
    [ethernet(0x0806, make.arp()), (d) => d.arp],
  ]
  for (const [bytes, use] of parts) {
    writeFileSync(file, savefile([{ bytes }], 1))
    await using opened = await openFile(file)
    for await (const chunk of opened) {
      const d = new Dissector()
      // Bytes that stay, of which an address was read.
      d.dissect(Packet.from(tcp4))
      t.equal(d.sourceIp, make.here4)
      for (const packet of chunk) d.dissect(packet)
      chunk.release()
      for (let again = 0; again < 2; again++) t.throws(() => use(d), { code: 'ERR_RELEASED' }, String(use))
    }
  }
  const taken = new Uint8Array(0)
  const d = new Dissector()
  d.dissect(taken)
  structuredClone(taken.buffer, { transfer: [taken.buffer] })
  const none = { network: { state: 'absent' }, transport: { state: 'absent' } }
  t.strictSame(d.checksums(), none, 'no bytes are none')
  const moved = Uint8Array.from(tcp4)
  d.dissect(moved)
  structuredClone(moved.buffer, { transfer: [moved.buffer] })
  t.throws(() => d.sourceIp, { code: 'ERR_RELEASED' })
  for (const again of [d, new Dissector()]) {
    t.equal(again.dissect(moved), new Dissector().dissect(new Uint8Array(0)), 'bytes that were transferred are none')
    t.strictSame(again.checksums(), none)
    t.equal(again.sourceIp, undefined)
  }
})

t.test('options of TCP', async (t) => {
  const d = new Dissector({ tcpOptions: true })
  const segment = (options: Buffer) => ethernet(0x0800, ipv4(tcp(data, { options }), { protocol: 6 }))
  d.dissect(segment(make.synOptions))
  t.match(d, { tcpMss: 1460, tcpSackPermitted: 1, tcpTimestamp: 0xfffffff0, tcpTimestampEcho: 0, tcpWindowScale: 7 })
  d.dissect(segment(make.sackOptions))
  t.match(d, { tcpMss: -1, tcpSackPermitted: 0, tcpTimestamp: 1000, tcpTimestampEcho: 0xf0000000, tcpSackCount: 2 })
  // Behind the end, of a wrong length, and beyond the header: ignored.
  d.dissect(segment(u8(0, 0, 2, 4)))
  t.match(d, { tcpMss: -1, payloadLength: 23 })
  d.dissect(segment(u8(2, 3, 9, 1)))
  t.match(d, { tcpMss: -1 })
  d.dissect(segment(u8(2, 0, 2, 4)))
  t.match(d, { tcpMss: -1 })
  d.dissect(segment(u8(1, 1, 2, 4)))
  t.match(d, { tcpMss: -1, malformed: 0 })
  const off = new Dissector()
  off.dissect(segment(make.synOptions))
  t.match(off, { tcpMss: -1, tcpTimestamp: -1, payloadOffset: 74 })
})

t.test('wrong arguments', async (t) => {
  const d = new Dissector()
  for (const wrong of [undefined, null, 'x', 7, {}, [1], new DataView(new ArrayBuffer(9))]) {
    t.throws(() => d.dissect(wrong as unknown as Packet), {
      name: 'CaptureError',
      code: 'ERR_OPTION',
      option: 'packet',
    })
  }
  t.throws(() => d.dissect(tcp4, -1), { code: 'ERR_OPTION', option: 'linkType' })
  t.throws(() => d.dissect(tcp4, 1, 5), { code: 'ERR_OPTION', option: 'originalLength' })
  const make = (options: unknown) => () => new Dissector(options as object)
  t.throws(make(null), { code: 'ERR_OPTION' })
  t.throws(make({ tunnel: true }), { code: 'ERR_OPTION', option: 'tunnel' })
  t.throws(make({ tunnels: 'vxlan' }), { code: 'ERR_OPTION', option: 'tunnels' })
  t.throws(make({ tunnels: ['vxlan', 'l2tp'] }), { code: 'ERR_OPTION', option: 'tunnels[1]' })
  t.throws(make({ tunnels: new Array(1) }), { code: 'ERR_OPTION', option: 'tunnels[0]' })
  t.throws(make({ tcpOptions: 1 }), { code: 'ERR_OPTION', option: 'tcpOptions' })
})
