import { createHash } from 'node:crypto'
import { i32, u16 } from './bytes.js'
import type { DissectorFields } from './fields.js'
import { icmpAnswer } from './icmp-answers.js'
import { Protocol } from './transport.js'

/** One round of MurmurHash3's mixing (public domain). */
function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  const h = hash ^ Math.imul(k, 0x1b873593)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

/** Makes every bit depend on every other (MurmurHash3's finalizer). */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** One end of a flow: its address, at `at`, and its port. */
function end(view: DataView, at: number, words: number, port: number): number {
  let hash = mix(words, i32(view, at))
  if (words === 4) hash = mix(mix(mix(hash, i32(view, at + 4)), i32(view, at + 8)), i32(view, at + 12))
  return finish(mix(hash, port))
}

/**
 * A hash of the 5-tuple, of both directions alike; of a packet that is not IP, of its hardware addresses and EtherType.
 *
 * @internal
 */
export function flowHash(d: DissectorFields, view: DataView): number {
  if (d.ipVersion === 0) return linkHash(d, view)
  const at = d._base + d.networkOffset
  const isFour = d.ipVersion === 4
  const words = isFour ? 1 : 4
  const source = at + (isFour ? 12 : 8)
  const destination = at + (isFour ? 16 : 24)
  // A sum does not depend on the order, and the two ends are mixed well enough for it.
  const ends = end(view, source, words, d.sourcePort) + end(view, destination, words, d.destinationPort)
  return finish(mix(ends | 0, d.protocol)) >>> 0
}

function linkHash(d: DissectorFields, view: DataView): number {
  const half = (at: number) => (at < 0 ? 0 : finish(mix(mix(6, i32(view, at)), u16(view, at + 4))))
  return finish(mix((half(d._sourceMac) + half(d._destinationMac)) | 0, d.etherType)) >>> 0
}

/** Protocols whose ports are part of the identifier. */
const withPorts: readonly number[] = [Protocol.TCP, Protocol.UDP, Protocol.SCTP]

/**
 * Community ID, version 1 (https://github.com/corelight/community-id-spec).
 *
 * @returns `undefined` if the packet is not IP
 * @internal
 */
export function communityId(d: DissectorFields, view: DataView, seed: number): string | undefined {
  if (d.ipVersion === 0) return undefined
  const at = d._base + d.networkOffset
  const size = d.ipVersion === 4 ? 4 : 16
  const start = view.byteOffset + at + (size === 4 ? 12 : 8)
  const addresses = Buffer.from(new Uint8Array(view.buffer, start, 2 * size))
  const [from, to] = portsOf(d)
  return communityIdOf({
    source: addresses.subarray(0, size),
    destination: addresses.subarray(size),
    protocol: d.protocol,
    from,
    to,
    seed,
  })
}

/** What a Community ID is made of. @internal */
export interface CommunityTuple {
  /** 4 or 16 bytes. */
  source: Uint8Array
  destination: Uint8Array
  protocol: number
  /** The ports, or the type of an ICMP message and that of its answer, or its code; -1 if there are none. */
  from: number
  to: number
  seed: number
}

/** @internal */
export function communityIdOf({ source, destination, protocol, from, to, seed }: CommunityTuple): string {
  const isIcmp = protocol === Protocol.ICMP || protocol === Protocol.ICMP6
  const oneWay = isIcmp && from >= 0 && icmpAnswer(protocol, from) < 0
  const order = Buffer.compare(source, destination) || from - to
  const swap = order > 0 && !oneWay
  const [low, high] = swap ? [to, from] : [from, to]
  const hash = createHash('sha1')
    .update(Uint8Array.of(seed >> 8, seed & 0xff))
    .update(swap ? destination : source)
    .update(swap ? source : destination)
    .update(Uint8Array.of(protocol, 0))
  if (from >= 0) hash.update(Uint8Array.of(low >> 8, low & 0xff, high >> 8, high & 0xff))
  return `1:${hash.digest('base64')}`
}

/** The ports, or what stands for them in ICMP; -1 if there are none. */
function portsOf(d: DissectorFields): [number, number] {
  if ((d.protocol === Protocol.ICMP || d.protocol === Protocol.ICMP6) && d.icmpType >= 0) {
    const answer = icmpAnswer(d.protocol, d.icmpType)
    return [d.icmpType, answer < 0 ? d.icmpCode : answer]
  }
  return hasPorts(d.protocol) ? [d.sourcePort, d.destinationPort] : [-1, -1]
}

/** Whether ports, or what stands for them, are part of the identifier. @internal */
export function hasPorts(protocol: number): boolean {
  return withPorts.includes(protocol)
}
