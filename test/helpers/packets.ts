// Hand-made packets, and savefiles that hold them.

export interface MadePacket {
  bytes: Uint8Array
  /** Set if it differs from the length of `bytes`. */
  originalLength?: number
}

const mac = (text: string) => Buffer.from(text.replaceAll(':', ''), 'hex')
const here = mac('02:00:00:00:00:01')
const there = mac('02:00:00:00:00:02')
const broadcast = mac('ff:ff:ff:ff:ff:ff')

const u16 = (...values: number[]) => Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))

const ethernet = (type: number, payload: Uint8Array, to = there) => Buffer.concat([to, here, u16(type), payload])
const tagged = (id: number, type: number, payload: Uint8Array) => Buffer.concat([u16(id, type), payload])

const address4 = (text: string) => Buffer.from(text.split('.').map(Number))
const address6 = (last: number) => Buffer.concat([Buffer.from('fd00000000000000000000000000', 'hex'), u16(last)])

function ipv4(protocol: number, from: string, to: string, payload: Uint8Array, { fragment = 0, options = 0 } = {}) {
  const header = 20 + options * 4
  return Buffer.concat([
    Buffer.from([0x40 | (header / 4), 0]),
    u16(header + payload.length, 1, fragment),
    Buffer.from([64, protocol]),
    u16(0),
    address4(from),
    address4(to),
    Buffer.alloc(options * 4, 1),
    payload,
  ])
}

const ipv6 = (next: number, from: number, to: number, payload: Uint8Array) =>
  Buffer.concat([
    Buffer.from([0x60, 0, 0, 0]),
    u16(payload.length),
    Buffer.from([next, 64]),
    address6(from),
    address6(to),
    payload,
  ])

const udp = (from: number, to: number, size = 8) =>
  Buffer.concat([u16(from, to, 8 + size, 0), Buffer.alloc(size, 0x55)])
const tcp = (from: number, to: number, flags: number, size = 0) =>
  Buffer.concat([u16(from, to, 0, 1, 0, 1), Buffer.from([0x50, flags]), u16(1024, 0, 0), Buffer.alloc(size, 0x66)])
const icmp = (type: number) => Buffer.concat([Buffer.from([type, 0]), u16(0, 1, 1), Buffer.alloc(32)])
const arp = (operation: number) =>
  Buffer.concat([
    u16(1, 0x0800),
    Buffer.from([6, 4]),
    u16(operation),
    here,
    address4('10.0.0.1'),
    Buffer.alloc(6),
    address4('10.0.0.2'),
  ])

const layer3 = (): { type: number; bytes: Buffer }[] => [
  { type: 0x0800, bytes: ipv4(6, '10.0.0.1', '10.0.0.2', tcp(40000, 80, 0x02)) },
  { type: 0x0800, bytes: ipv4(6, '10.0.0.2', '10.0.0.1', tcp(80, 40000, 0x12)) },
  { type: 0x0800, bytes: ipv4(6, '10.0.0.1', '10.0.1.2', tcp(40000, 443, 0x18, 900)) },
  { type: 0x0800, bytes: ipv4(6, '10.0.0.1', '10.0.0.2', tcp(40000, 80, 0x11), { options: 5 }) },
  { type: 0x0800, bytes: ipv4(17, '10.0.0.1', '192.168.7.7', udp(5353, 53)) },
  { type: 0x0800, bytes: ipv4(17, '192.168.7.7', '10.0.0.1', udp(53, 5353, 400), { fragment: 0x2000 }) },
  { type: 0x0800, bytes: ipv4(17, '192.168.7.7', '10.0.0.1', udp(53, 5353, 40), { fragment: 0x0010 }) },
  { type: 0x0800, bytes: ipv4(17, '10.0.0.1', '224.0.0.251', udp(5353, 5353)) },
  { type: 0x0800, bytes: ipv4(1, '10.0.0.1', '10.0.0.2', icmp(8)) },
  { type: 0x0800, bytes: ipv4(1, '10.0.0.2', '10.0.0.1', icmp(0)) },
  { type: 0x0800, bytes: ipv4(132, '10.0.0.2', '10.0.0.1', udp(80, 81)) },
  { type: 0x86dd, bytes: ipv6(6, 1, 2, tcp(40000, 80, 0x02)) },
  { type: 0x86dd, bytes: ipv6(17, 2, 1, udp(53, 5353)) },
  { type: 0x86dd, bytes: ipv6(58, 1, 2, icmp(128)) },
]

/** IPv4 and IPv6 packets without a link-layer header. */
export function rawPackets(): MadePacket[] {
  return withCutOnes(layer3().map(({ bytes }) => ({ bytes })))
}

/** Ethernet frames: the same packets with and without VLAN tags, ARP, LLC and random bytes. */
export function ethernetPackets(): MadePacket[] {
  const frames: Buffer[] = []
  for (const { type, bytes } of layer3()) {
    frames.push(ethernet(type, bytes))
    frames.push(ethernet(0x8100, tagged(5, type, bytes)))
    frames.push(ethernet(0x88a8, tagged(7, 0x8100, tagged(5, type, bytes))))
  }
  frames.push(ethernet(0x0806, arp(1), broadcast), ethernet(0x0806, arp(2)), ethernet(0x8035, arp(3)))
  frames.push(ethernet(38, Buffer.concat([Buffer.from([0x42, 0x42, 3]), Buffer.alloc(35)]), mac('01:80:c2:00:00:00')))
  let noise = 1
  for (let i = 0; i < 40; i++) {
    const bytes = Buffer.alloc(i * 3)
    for (let j = 0; j < bytes.length; j++) {
      noise = (noise * 48271) % 0x7fffffff
      bytes[j] = noise & 0xff
    }
    frames.push(bytes)
  }
  return withCutOnes(frames.map((bytes) => ({ bytes })))
}

// Adds copies of each packet, truncated at several places as by a small snapshot length.
function withCutOnes(packets: MadePacket[]): MadePacket[] {
  return packets.flatMap((packet) => [
    packet,
    ...[13, 22, 34, 36, 47]
      .filter((length) => length < packet.bytes.length)
      .map((length) => ({ bytes: packet.bytes.subarray(0, length), originalLength: packet.bytes.length })),
  ])
}

/** A savefile (pcap-savefile(5)) of the packets; the seconds of each timestamp are the packet's number. */
export function savefile(packets: readonly MadePacket[], linkType: number): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(262144, 16)
  header.writeUInt32LE(linkType, 20)
  const records = packets.map(({ bytes, originalLength = bytes.length }, number) => {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(number, 0)
    record.writeUInt32LE(bytes.length, 8)
    record.writeUInt32LE(originalLength, 12)
    return Buffer.concat([record, bytes])
  })
  return Buffer.concat([header, ...records])
}

/** The numbers of the packets in a savefile made by {@link savefile}. */
export function packetNumbers(file: Buffer): number[] {
  const numbers: number[] = []
  for (let at = 24; at < file.length; at += 16 + file.readUInt32LE(at + 8)) numbers.push(file.readUInt32LE(at))
  return numbers
}
