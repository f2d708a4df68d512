// Builders of packets, header by header, that share no code with the library: each returns a header with its payload.
// Lengths and checksums are filled in.

type Bytes = Uint8Array

export const u8 = (...values: number[]) => Buffer.from(values)
export const u16 = (...values: number[]) => Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))
export const u32 = (value: number) => u16(Math.floor(value / 0x10000), value % 0x10000)
export const join = (...parts: Bytes[]) => Buffer.concat(parts)
export const text = (words: string) => Buffer.from(words, 'latin1')
/** Bytes 0, 1, 2 and so on, so that a shifted payload is noticed. */
export const counting = (length: number) => Buffer.from(Array.from({ length }, (_, i) => i))

export const mac = (words: string) => Buffer.from(words.replaceAll(':', ''), 'hex')
export const ip4 = (words: string) => Buffer.from(words.split('.').map(Number))
/** An IPv6 address of eight groups, none left out. */
export const ip6 = (words: string) => u16(...words.split(':').map((group) => Number.parseInt(group, 16)))

export const hereMac = '02:00:00:00:00:01'
export const thereMac = '02:00:00:00:00:02'
export const here4 = '10.0.0.1'
export const there4 = '192.168.7.200'
export const here6 = 'fd00:0:0:1:0:0:0:1'
export const there6 = '2001:db8:0:0:8:800:200c:417a'

/** The Internet checksum (RFC 1071). */
export function checksum(...parts: Bytes[]): number {
  const bytes = join(...parts)
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) + (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

export const ethernet = (type: number, payload: Bytes, to = thereMac, from = hereMac) =>
  join(mac(to), mac(from), u16(type), payload)
export const tag = (tci: number, type: number, payload: Bytes) => join(u16(tci, type), payload)
/** An 802.3 frame: with a length in place of the type. */
export const ieee8023 = (payload: Bytes) => ethernet(payload.length, payload)
export const llc = (dsap: number, ssap: number, payload: Bytes) => join(u8(dsap, ssap, 3), payload)
export const snap = (type: number, payload: Bytes) => llc(0xaa, 0xaa, join(u8(0, 0, 0), u16(type), payload))

export interface Ip4Options {
  protocol: number
  from?: string
  to?: string
  ttl?: number
  tos?: number
  id?: number
  /** Flags and offset. */
  fragment?: number
  /** A multiple of four bytes. */
  options?: Bytes
  /** Overrides the right one. */
  totalLength?: number
}

export function ipv4(payload: Bytes, given: Ip4Options): Buffer {
  const { protocol, from = here4, to = there4, ttl = 64, tos = 0, id = 0x1234, fragment = 0 } = given
  const options = given.options ?? u8()
  const header = join(
    u8(0x45 + options.length / 4, tos),
    u16(given.totalLength ?? 20 + options.length + payload.length, id, fragment),
    u8(ttl, protocol),
    u16(0),
    ip4(from),
    ip4(to),
    options,
  )
  header.writeUInt16BE(checksum(header), 10)
  return join(header, payload)
}

export interface Ip6Options {
  next: number
  from?: string
  to?: string
  hopLimit?: number
  trafficClass?: number
  flow?: number
  payloadLength?: number
}

export function ipv6(payload: Bytes, given: Ip6Options): Buffer {
  const { next, from = here6, to = there6, hopLimit = 64, trafficClass = 0, flow = 0 } = given
  return join(
    u32(0x6000_0000 + trafficClass * 0x10_0000 + flow),
    u16(given.payloadLength ?? payload.length),
    u8(next, hopLimit),
    ip6(from),
    ip6(to),
    payload,
  )
}

/** Hop-by-hop or destination options, filled up with PadN, in units of 8 bytes. */
export const options6 = (next: number, payload: Bytes, units = 1) =>
  join(u8(next, units - 1, 1, units * 8 - 4), Buffer.alloc(units * 8 - 4), payload)
export const routing6 = (next: number, payload: Bytes) => join(u8(next, 2, 0, 0, 0, 0, 0, 0), ip6(there6), payload)
export const fragment6 = (next: number, offset: number, more: number, id: number, payload: Bytes) =>
  join(u8(next, 0), u16(offset | more), u32(id), payload)
export const ah = (next: number, payload: Bytes) =>
  join(u8(next, 4, 0, 0), u32(0x1001), u32(7), Buffer.alloc(12, 0xaa), payload)
export const esp = (payload: Bytes) => join(u32(0x2002), u32(9), payload)

export interface TcpOptions {
  from?: number
  to?: number
  sequence?: number
  acknowledgment?: number
  flags?: number
  window?: number
  /** A multiple of four bytes. */
  options?: Bytes
}

export function tcp(payload: Bytes, given: TcpOptions = {}): Buffer {
  const { from = 40000, to = 40001, sequence = 0xfedc_ba98, acknowledgment = 0x8000_0001, flags = 0x18 } = given
  const { window = 501, options = u8() } = given
  const words = 5 + options.length / 4
  return join(
    u16(from, to),
    u32(sequence),
    u32(acknowledgment),
    u16(words * 0x1000 + flags, window, 0, 0),
    options,
    payload,
  )
}

export const synOptions = join(u8(2, 4), u16(1460), u8(4, 2), u8(8, 10), u32(0xfffffff0), u32(0), u8(1), u8(3, 3, 7))
export const sackOptions = join(
  u8(1, 1, 8, 10),
  u32(1000),
  u32(0xf0000000),
  u8(1, 1, 5, 18),
  u32(1),
  u32(2),
  u32(3),
  u32(4),
)

export const udp = (payload: Bytes, from = 40002, to = 40003, length = 8 + payload.length) =>
  join(u16(from, to, length, 0), payload)
export const sctp = (payload: Bytes, from = 40004, to = 40005) => join(u16(from, to), u32(0x11223344), u32(0), payload)
/** A DCCP-Data packet with a long sequence number. */
export const dccp = (payload: Bytes, from = 40006, to = 40007) =>
  join(u16(from, to), u8(4, 0), u16(0), u8(5, 0), u16(0), u32(1), payload)
export const icmp = (type: number, code: number, rest: Bytes, payload: Bytes) => {
  const message = join(u8(type, code), u16(0), rest, payload)
  message.writeUInt16BE(checksum(message), 2)
  return message
}
export const echo = (type: number, id = 77, sequence = 5, payload: Bytes = counting(40)) =>
  icmp(type, 0, u16(id, sequence), payload)
export const igmp = () => join(u8(0x16, 0), u16(0), ip4('239.1.2.3'))

export interface ArpOptions {
  operation?: number
  senderMac?: string
  senderIp?: string
  targetMac?: string
  targetIp?: string
}

export function arp(given: ArpOptions = {}): Buffer {
  const {
    operation = 1,
    senderMac = hereMac,
    senderIp = here4,
    targetMac = '00:00:00:00:00:00',
    targetIp = there4,
  } = given
  return join(u16(1, 0x0800), u8(6, 4), u16(operation), mac(senderMac), ip4(senderIp), mac(targetMac), ip4(targetIp))
}

/** Labels, outermost first. */
export const mpls = (labels: number[], payload: Bytes) =>
  join(...labels.map((label, i) => u32(label * 0x1000 + (i === labels.length - 1 ? 0x100 : 0) + 64)), payload)
export const pppoe = (payload: Bytes, code = 0) => join(u8(0x11, code), u16(0x77, payload.length), payload)
export const ppp = (protocol: number, payload: Bytes) => join(u16(protocol), payload)

export interface GreOptions {
  key?: number
  sequence?: number
  checksum?: boolean
}

export function gre(
  type: number,
  payload: Bytes,
  { key, sequence, checksum: summed = false }: GreOptions = {},
): Buffer {
  const flags = (summed ? 0x8000 : 0) + (key === undefined ? 0 : 0x2000) + (sequence === undefined ? 0 : 0x1000)
  return join(
    u16(flags, type),
    summed ? u32(0) : u8(),
    key === undefined ? u8() : u32(key),
    sequence === undefined ? u8() : u32(sequence),
    payload,
  )
}

export const erspan2 = (session: number, payload: Bytes) =>
  gre(0x88be, join(u16(0x1000 + 5, session), u32(0x123), payload), { sequence: 1 })
export const erspan3 = (session: number, payload: Bytes) =>
  gre(0x22eb, join(u16(0x2000 + 5, session), u32(99), u16(0, 0), payload), { sequence: 1 })
export const vxlan = (vni: number, payload: Bytes, port = 4789) =>
  udp(join(u8(8, 0, 0, 0), u32(vni * 256), payload), 50000, port)
export const geneve = (vni: number, type: number, payload: Bytes, options: Bytes = u8()) =>
  udp(join(u8(options.length / 4, 0), u16(type), u32(vni * 256), options, payload), 50001, 6081)
/** A GTP-U packet, with a PDU session extension header if `extended`. */
export const gtpu = (teid: number, payload: Bytes, extended = false) => {
  const optional = extended ? join(u16(0), u8(0, 0x85), u8(1, 0, 9, 0)) : u8()
  return udp(
    join(u8(extended ? 0x34 : 0x30, 255), u16(optional.length + payload.length), u32(teid), optional, payload),
    2152,
    2152,
  )
}

export const sll = (protocol: number, payload: Bytes) =>
  join(u16(0, 1, 6), mac(hereMac), u16(0), u16(protocol), payload)
export const sll2 = (protocol: number, payload: Bytes) =>
  join(u16(protocol, 0), u32(3), u16(1), u8(0, 6), mac(hereMac), u16(0), payload)

export interface WifiOptions {
  toDs?: boolean
  fromDs?: boolean
  qos?: boolean
  order?: boolean
}

/** A data frame of IEEE 802.11; receiver, transmitter and the further addresses are all different. */
export function wifi(payload: Bytes, { toDs = false, fromDs = false, qos = false, order = false }: WifiOptions = {}) {
  return join(
    u8(qos ? 0x88 : 0x08, (toDs ? 1 : 0) + (fromDs ? 2 : 0) + (order ? 0x80 : 0), 0, 0),
    mac('02:00:00:00:01:01'),
    mac('02:00:00:00:01:02'),
    mac('02:00:00:00:01:03'),
    u8(0x10, 0),
    toDs && fromDs ? mac('02:00:00:00:01:04') : u8(),
    qos ? u8(0, 0) : u8(),
    qos && order ? u8(0, 0, 0, 0) : u8(),
    payload,
  )
}

/** A radiotap header with timestamp and flags, and, if `fcs`, four bytes of checksum behind the frame. */
export const radiotap = (frame: Bytes, fcs = false) =>
  join(u8(0, 0, 17, 0, 3, 0, 0, 0), Buffer.alloc(8, 7), u8(fcs ? 0x10 : 0), frame, fcs ? u32(0xdeadbeef) : u8())
