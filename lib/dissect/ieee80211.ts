import { u8 } from './bytes.js'
import { type DissectorFields, fault, limit, short } from './fields.js'
import { Layer, Malformed } from './layer.js'
import { Step } from './step.js'

/** Bits of radiotap's field “flags” (https://www.radiotap.org/fields/Flags.html). */
const RadiotapFlag = { FCS: 0x10, PADDED: 0x20 } as const

/** Skips a radiotap header. Its numbers are little-endian. @internal */
export function radiotap(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  const length = u8(view, at + 2) | (u8(view, at + 3) << 8)
  if (u8(view, at) !== 0 || length < 8) return fault(d, Malformed.Header)
  if (at + length > d._end) return short(d, at + length)
  d.layers |= Layer.Radiotap
  const flags = radiotapFlags(view, at, at + length)
  // The frame check sequence ends the frame as it was received.
  if ((flags & RadiotapFlag.FCS) !== 0) limit(d, Math.max(at + length, d._limit - 4))
  d._at = at + length
  return ieee80211(d, view, (flags & RadiotapFlag.PADDED) !== 0)
}

/** The field “flags”: behind the words of presence, and behind the timestamp of 8 bytes, aligned to 8, if there is one. */
function radiotapFlags(view: DataView, at: number, end: number): number {
  const present = u8(view, at + 4)
  if ((present & 2) === 0) return 0
  let field = at + 8
  // The highest bit of a word of presence says that another one follows.
  while ((u8(view, field - 1) & 0x80) !== 0) {
    field += 4
    if (field > end) return 0
  }
  if ((present & 1) !== 0) field = at + ((field - at + 7) & ~7) + 8
  return field < end ? u8(view, field) : 0
}

/** Skips a Prism header, whose length is in the byte order of the machine that captured. @internal */
export function prism(d: DissectorFields, view: DataView): number {
  return skip(d, view, d._at + 4)
}

/** Skips an AVS header, whose length is in network byte order. @internal */
export function avs(d: DissectorFields, view: DataView): number {
  return skip(d, view, d._at + 4)
}

function skip(d: DissectorFields, view: DataView, field: number): number {
  const at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  const big = (u8(view, field + 2) << 8) | u8(view, field + 3)
  const length = big !== 0 ? big : u8(view, field) | (u8(view, field + 1) << 8)
  if (length < 8) return fault(d, Malformed.Header)
  if (at + length > d._end) return short(d, at + length)
  d._at = at + length
  return ieee80211(d, view, false)
}

const FrameControl = { TO_DS: 1, FROM_DS: 2, PROTECTED: 0x40, ORDER: 0x80 } as const
/** Bits of a data frame's subtype. */
const Subtype = { NULL: 4, QOS: 8 } as const

/**
 * A frame of IEEE 802.11. Data frames that are not encrypted hold LLC; management and control frames, and aggregates of
 * frames (A-MSDU), are left as payload.
 *
 * @param padded the header is padded to a multiple of four
 * @internal
 */
export function ieee80211(d: DissectorFields, view: DataView, padded: boolean): number {
  const at = d._at
  if (at + 24 > d._end) return short(d, at + 24)
  const control = u8(view, at)
  const flags = u8(view, at + 1)
  if ((control & 0x0c) !== 0x08 || (control & 3) !== 0) return Step.END
  const toDs = (flags & FrameControl.TO_DS) !== 0
  const fromDs = (flags & FrameControl.FROM_DS) !== 0
  const subtype = control >> 4
  let size = toDs && fromDs ? 30 : 24
  const qos = at + size
  if ((subtype & Subtype.QOS) !== 0) size += (flags & FrameControl.ORDER) !== 0 ? 6 : 2
  if (padded) size = (size + 3) & ~3
  if (at + size > d._end) return short(d, at + size)
  d.layers |= Layer.Ieee80211
  d._destinationMac = at + (toDs ? 16 : 4)
  d._sourceMac = at + (fromDs ? (toDs ? 24 : 16) : 10)
  d._at = at + size
  if ((subtype & Subtype.NULL) !== 0 || (flags & FrameControl.PROTECTED) !== 0) return Step.END
  if ((subtype & Subtype.QOS) !== 0 && (u8(view, qos) & 0x80) !== 0) return Step.END
  // Only the first fragment of a frame begins with LLC.
  return (u8(view, at + 22) & 0x0f) === 0 ? Step.LLC : Step.END
}
