import { optionError } from '../errors.js'
import type { DissectorFields } from './fields.js'
import { Protocol } from './transport.js'

/**
 * - `'correct'`, `'wrong'`: verified.
 * - `'pending'`: not filled in yet, because this host sent the packet and left the checksum to the network card
 *   (`packet.checksumPending`).
 * - `'absent'`: there is none: no such header, or UDP without a checksum.
 * - `'unknown'`: it cannot be verified, because the packet was cut or is a fragment, or of a protocol whose checksum is not
 *   known here.
 */
export type ChecksumState = 'correct' | 'wrong' | 'pending' | 'absent' | 'unknown'

/** A checksum of a packet. */
export interface Checksum {
  /** What the verification found. */
  readonly state: ChecksumState
  /** The number in the packet, if there is one. */
  readonly found?: number
  /** The number that is right for the packet's bytes. Only with `'correct'`, `'wrong'` and `'pending'`. */
  readonly expected?: number
}

/** The checksums of a packet, as `checksums()` of a dissector gives them. */
export interface Checksums {
  /** Of the IPv4 header. */
  readonly network: Checksum
  /** Of TCP, UDP, ICMP, ICMPv6 and IGMP. */
  readonly transport: Checksum
}

/** Adds 16-bit words in network byte order; an odd byte at the end counts as if a 0 followed. @internal */
export function add(bytes: Uint8Array, at: number, end: number, sum: number): number {
  for (; at + 1 < end; at += 2) sum += ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  return at < end ? sum + ((bytes[at] as number) << 8) : sum
}

/** The ones' complement of the ones' complement sum. The sum may exceed 32 bits for packets beyond 128 KiB. @internal */
export function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

/**
 * The Internet checksum (RFC 1071), of IPv4 headers, ICMP, TCP and UDP: the number that makes the sum right where the
 * checksum's own bytes are 0, and 0 for bytes that contain their right checksum.
 *
 * @throws CaptureError `ERR_OPTION`.
 */
export function internetChecksum(bytes: Uint8Array): number {
  if (!(bytes instanceof Uint8Array)) throw optionError('bytes', 'a Uint8Array', bytes)
  return fold(add(bytes, 0, bytes.length, 0))
}

const absent: Checksum = Object.freeze({ state: 'absent' })
const unknown: Checksum = Object.freeze({ state: 'unknown' })

/** Compares: `sum` includes the checksum at `at`. */
function verify(bytes: Uint8Array, at: number, sum: number, pending: boolean): Checksum {
  const found = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  const expected = fold(sum - found)
  if (pending) return { state: 'pending', found, expected }
  // 0 and 0xffff are the same number in ones' complement.
  return { state: found % 0xffff === expected % 0xffff ? 'correct' : 'wrong', found, expected }
}

/** @internal */
export function networkChecksum(d: DissectorFields, bytes: Uint8Array): Checksum {
  if (d.ipVersion !== 4) return absent
  const at = d._base + d.networkOffset
  const end = at + (((bytes[at] as number) & 15) << 2)
  if (end > d._captured) return unknown
  return verify(bytes, at + 10, add(bytes, at, end, 0), false)
}

/** Where the checksum of each protocol is in its header. */
const places: ReadonlyMap<number, number> = new Map([
  [Protocol.TCP, 16],
  [Protocol.UDP, 6],
  [Protocol.ICMP, 2],
  [Protocol.ICMP6, 2],
  [Protocol.IGMP, 2],
])
const withoutPseudoHeader: readonly number[] = [Protocol.ICMP, Protocol.IGMP]

/** @internal */
export function transportChecksum(d: DissectorFields, bytes: Uint8Array, pending: boolean): Checksum {
  if (d.ipVersion === 0 || d.protocol < 0) return absent
  const place = places.get(d.protocol)
  const whole = d.fragment === 0 && d._limit <= d._captured && d.transportOffset >= 0
  // With a routing header the pseudo-header has the last destination, which is not in the IP header.
  if (place === undefined || !whole || d._routed) return unknown
  const at = d._base + d.transportOffset
  const end = d._limit
  if (at + place + 2 > end) return unknown
  if (d.protocol === Protocol.UDP && d.ipVersion === 4 && bytes[at + 6] === 0 && bytes[at + 7] === 0 && !pending) {
    return absent
  }
  let sum = add(bytes, at, end, 0)
  if (!withoutPseudoHeader.includes(d.protocol)) {
    const network = d._base + d.networkOffset
    const length = end - at
    sum += d.protocol + Math.floor(length / 0x10000) + (length % 0x10000)
    sum = d.ipVersion === 4 ? add(bytes, network + 12, network + 20, sum) : add(bytes, network + 8, network + 40, sum)
  }
  const isOffloaded = d.protocol === Protocol.TCP || d.protocol === Protocol.UDP
  return verify(bytes, at + place, sum, pending && isOffloaded)
}
