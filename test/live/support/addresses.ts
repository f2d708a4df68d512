import { isIPv6 } from 'node:net'
import type { RawFrame } from './replay.js'

/** A numbered packet of a kind that has addresses, or of a kind that has none. */
export interface Addressed extends RawFrame {
  number: number
  /** Source and destination, or sender and target; empty for packets without addresses. */
  addresses: string[]
}

export interface AddressedOptions {
  kind?: 'udp' | 'fragment' | 'arp' | 'rarp' | 'lldp' | 'short'
  /** 802.1Q tags in the packet bytes, outermost first. */
  tags?: { tpid: number; tci: number }[]
  /** The packet has no Ethernet header. */
  raw?: boolean
}

const magic = Buffer.from('RINGTAP\0', 'latin1')
const u16 = (...values: number[]) => Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))

/** Converts an address to its 4 or 16 bytes. */
export function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const words = (text: string) => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)))
  const front = words(head)
  const back = tail === undefined ? [] : words(tail)
  return u16(...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back)
}

/** Makes a packet that carries a number, which {@link numberOf} reads back. */
export function addressed(
  number: number,
  from: string,
  to: string,
  { kind = 'udp', tags = [], raw = false }: AddressedOptions = {},
): Addressed {
  const mark = Buffer.alloc(16)
  magic.copy(mark)
  mark.writeBigUInt64BE(BigInt(number), 8)
  const [source, destination] = [bytesOf(from), bytesOf(to)]
  const payload = Buffer.concat([u16(9, 9, 24, 0), mark])
  let type: number
  let packet: Buffer
  switch (kind) {
    case 'arp':
    case 'rarp':
      type = kind === 'arp' ? 0x0806 : 0x8035
      packet = Buffer.concat([
        u16(1, 0x0800, 0x0604, 1),
        Buffer.alloc(6, 2),
        source,
        Buffer.alloc(6),
        destination,
        mark,
      ])
      break
    case 'lldp':
      type = 0x88cc
      packet = Buffer.concat([mark, Buffer.alloc(30)])
      break
    case 'short': // begins as an IPv4 packet, and ends before its addresses
      type = 0x0800
      packet = Buffer.concat([Buffer.from([0x45]), mark])
      break
    default: {
      const six = source.length === 16
      type = six ? 0x86dd : 0x0800
      const offset = kind === 'fragment' ? 0x2007 : 0
      packet = six
        ? Buffer.concat([u16(0x6000, 0, payload.length), Buffer.from([17, 64]), source, destination, payload])
        : Buffer.concat([
            u16(0x4500, 20 + payload.length, 1, offset),
            Buffer.from([64, 17, 0, 0]),
            source,
            destination,
            payload,
          ])
    }
  }
  const outer = tags[0]?.tpid ?? type
  const types = [...tags.slice(1).map(({ tpid }) => tpid), type]
  const bytes = raw
    ? packet
    : Buffer.concat([
        Buffer.from('020000000002020000000001', 'hex'),
        u16(outer),
        ...tags.map(({ tci }, i) => u16(tci, types[i] as number)),
        packet,
      ])
  return { number, bytes, type: outer, addresses: kind === 'lldp' || kind === 'short' ? [] : [from, to] }
}

/** Returns the number of a packet made by {@link addressed}. */
export function numberOf(data: Uint8Array): number | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const at = bytes.indexOf(magic)
  return at < 0 ? undefined : Number(bytes.readBigUInt64BE(at + 8))
}

function within(address: string, prefix: string): boolean {
  const [network = '', length] = prefix.split('/')
  const [a, b] = [bytesOf(address), bytesOf(network)]
  if (a.length !== b.length) return false
  const beyond = BigInt(a.length * 8 - Number(length ?? a.length * 8))
  const bits = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`) >> beyond
  return bits(a) === bits(b)
}

/** Reference implementation of the address sets: whether a packet with these addresses passes. */
export function passes(
  { addresses }: Pick<Addressed, 'addresses'>,
  { exclude = [], include = [] }: { exclude?: readonly string[]; include?: readonly string[] },
): boolean {
  const hit = (set: readonly string[]) => set.some((prefix) => addresses.some((address) => within(address, prefix)))
  return !hit(exclude) && (include.length === 0 || hit(include))
}
