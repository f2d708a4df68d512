import { i32, u8, u16, u32 } from './bytes.js'
import { type DissectorFields, fault, Group, limit, short } from './fields.js'
import { Layer, Malformed } from './layer.js'
import { Step } from './step.js'

// V8 folds a module's own constants, and reads imported ones, and exported ones, anew at each use.
const { END, IPV4, IPV6, TRANSPORT } = Step
const { NETWORK } = Group
const { IPv4, IPv6, IPv6Extension } = Layer

/** @internal */
export function ip(d: DissectorFields, view: DataView): number {
  if (d._at + 1 > d._end) return short(d, d._at + 1)
  switch (u8(view, d._at) >> 4) {
    case 4:
      return IPV4
    case 6:
      return IPV6
    default:
      return fault(d, Malformed.IpVersion)
  }
}

/** @internal */
export function ipv4(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 20 > d._end) return short(d, at + 20)
  const first = i32(view, at)
  if (first >>> 28 !== 4) return fault(d, Malformed.IpVersion)
  const header = (first >>> 22) & 0x3c
  if (header < 20) return fault(d, Malformed.HeaderLength)
  const second = i32(view, at + 4)
  const third = u16(view, at + 8)
  d.layers |= IPv4
  d._groups |= NETWORK
  d.networkOffset = at - d._base
  d.ipVersion = 4
  d._routed = false
  d.trafficClass = (first >>> 16) & 0xff
  d.identification = second >>> 16
  d.flowLabel = -1
  d.hopLimit = third >> 8
  d.protocol = third & 0xff
  const fragment = second & 0x3fff
  d.fragment = fragment === 0 ? 0 : 1
  d.fragmentOffset = (fragment & 0x1fff) << 3
  d.moreFragments = fragment >> 13
  const total = first & 0xffff
  // The length of a super-frame that is still to be segmented may not fit into 16 bits, and is 0 then.
  if (total !== 0) {
    const end = at + total
    if (total < header) fault(d, Malformed.Length)
    else if (end > d._limit) fault(d, Malformed.Length)
    else limit(d, end)
  }
  if (at + header > d._limit) return short(d, at + header)
  d._at = at + header
  return (fragment & 0x1fff) === 0 ? TRANSPORT : END
}

const NextHeader = { HOP_BY_HOP: 0, ROUTING: 43, FRAGMENT: 44, AH: 51, NONE: 59, DESTINATION: 60 } as const
const maxExtensions = 8

/** @internal */
export function ipv6(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 40 > d._end) return short(d, at + 40)
  const first = i32(view, at)
  if (first >>> 28 !== 6) return fault(d, Malformed.IpVersion)
  const second = i32(view, at + 4)
  d.layers |= IPv6
  d._groups |= NETWORK
  d.networkOffset = at - d._base
  d.ipVersion = 6
  d._routed = false
  d.trafficClass = (first >>> 20) & 0xff
  d.flowLabel = first & 0xfffff
  d.identification = -1
  d.hopLimit = second & 0xff
  d.fragment = d.fragmentOffset = d.moreFragments = 0
  const next = (second >>> 8) & 0xff
  d.protocol = next
  const length = second >>> 16
  // The length of a jumbogram, and of a super-frame that is still to be segmented, is 0. A packet without anything behind
  // its header says so in the next header.
  if (length !== 0 || next === NextHeader.NONE) {
    const end = at + 40 + length
    if (end > d._limit) fault(d, Malformed.Length)
    else limit(d, end)
  }
  d._at = at + 40
  return next === 6 || next === 17 ? TRANSPORT : extensions(d, view)
}

/** Walks the extension headers (RFC 8200, 4) up to the transport header, or to the data of a fragment. @internal */
export function extensions(d: DissectorFields, view: DataView): number {
  let at = d._at
  let next = d.protocol
  for (let count = 0; ; count++) {
    const isExtension =
      next === NextHeader.HOP_BY_HOP ||
      next === NextHeader.ROUTING ||
      next === NextHeader.FRAGMENT ||
      next === NextHeader.DESTINATION
    if (!isExtension) return next === NextHeader.NONE ? END : TRANSPORT
    if (count === maxExtensions) return fault(d, Malformed.TooMany)
    if (at + 8 > d._end) return short(d, at + 8)
    const size = next === NextHeader.FRAGMENT ? 8 : (u8(view, at + 1) + 1) << 3
    if (at + size > d._end) return short(d, at + size)
    d.layers |= IPv6Extension
    if (next === NextHeader.FRAGMENT) {
      const field = u16(view, at + 2)
      d.identification = u32(view, at + 4)
      // A fragment that is the whole packet (RFC 6946) has neither an offset nor more fragments.
      if ((field & 0xfff9) !== 0) {
        d.fragmentOffset = field & 0xfff8
        d.moreFragments = field & 1
        d.fragment = 1
      }
    }
    if (next === NextHeader.ROUTING && u8(view, at + 3) !== 0) d._routed = true
    const isFragment = next === NextHeader.FRAGMENT
    next = u8(view, at)
    d.protocol = next
    at += size
    d._at = at
    if (isFragment && d.fragmentOffset !== 0) return END
  }
}
