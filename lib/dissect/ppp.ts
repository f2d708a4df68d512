import { u8, u16 } from './bytes.js'
import { type DissectorFields, fault, limit, short } from './fields.js'
import { Layer, Malformed } from './layer.js'
import { Step } from './step.js'

/** A frame of PPP with or without HDLC's address and control bytes (RFC 1662). @internal */
export function pppFrame(d: DissectorFields, view: DataView, at: number): number {
  if (at + 2 > d._end) return short(d, at + 2)
  // Address 0xff or 0x0f (Cisco), control 3 or 0.
  const framed = u16(view, at) === 0xff03 || u16(view, at) === 0x0f00
  d._at = framed ? at + 2 : at
  return framed && u8(view, at) === 0x0f ? ciscoType(d, view) : Step.PPP
}

/** Cisco's framing has an EtherType in place of PPP's protocol. */
function ciscoType(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 2 > d._end) return short(d, at + 2)
  d.etherType = u16(view, at)
  d._at = at + 2
  return Step.ETHER_TYPE
}

/** PPP from its protocol field on. The field has one byte if that byte is odd (RFC 1661, 6.5). @internal */
export function ppp(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 1 > d._end) return short(d, at + 1)
  const first = u8(view, at)
  const size = (first & 1) !== 0 ? 1 : 2
  if (at + size > d._end) return short(d, at + size)
  d.layers |= Layer.Ppp
  d._at = at + size
  switch (size === 1 ? first : u16(view, at)) {
    case 0x21:
      return Step.IPV4
    case 0x57:
      return Step.IPV6
    default:
      return Step.END
  }
}

/** PPPoE (RFC 2516): a session's packets hold PPP, those of discovery hold tags. @internal */
export function pppoe(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 6 > d._end) return short(d, at + 6)
  if (u8(view, at) !== 0x11) return fault(d, Malformed.Header)
  d.layers |= Layer.Pppoe
  d._at = at + 6
  const end = at + 6 + u16(view, at + 4)
  if (end > d._limit) fault(d, Malformed.Length)
  limit(d, end)
  return u8(view, at + 1) === 0 ? Step.PPP : Step.END
}
