import { putField, putHex, putHexBytes, putIpv6, putText } from './ascii.js'
import { u8, u16, u32 } from './bytes.js'
import type { DissectorFields } from './fields.js'

const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const AH = 51
const DESTINATION = 60

/** So that a summary has an end: more than this of a packet is made to fill lines. */
const maxHeaders = 8
const maxAddresses = 4
const maxCheckBytes = 32

/** Whether there is an extension header, or that of AH, between the IP header and the transport header. @internal */
export function hasExtensions(d: DissectorFields, view: DataView): boolean {
  const at = d._base + d.networkOffset
  if (d.ipVersion === 6) return u8(view, at + 6) !== d.protocol
  return u8(view, at + 9) === AH && d.protocol !== AH
}

/** Writes the headers that the dissector has read between the IP header and the transport header. @internal */
export function putExtensions(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  out: Uint8Array,
  to: number,
): number {
  const network = d._base + d.networkOffset
  const end = d._base + (d.transportOffset >= 0 ? d.transportOffset : d.payloadOffset)
  let at = network + (d.ipVersion === 6 ? 40 : (u8(view, network) & 0x0f) << 2)
  let kind = u8(view, network + (d.ipVersion === 6 ? 6 : 9))
  for (let count = 0; count < maxHeaders && at + 8 <= end; count++) {
    switch (kind) {
      case HOP_BY_HOP:
        to = putText(out, to, 'HBH ')
        break
      case DESTINATION:
        to = putText(out, to, 'DSTOPT ')
        break
      case ROUTING:
        to = routing(view, bytes, at, out, to)
        break
      case FRAGMENT:
        to = fragment(view, at, network + 40 + u16(view, network + 4), out, to)
        break
      case AH:
        to = authentication(view, bytes, at, out, to)
        break
      default:
        return to
    }
    const size = kind === AH ? (u8(view, at + 1) + 2) << 2 : kind === FRAGMENT ? 8 : (u8(view, at + 1) + 1) << 3
    kind = u8(view, at)
    at += size
  }
  return to
}

/** @param end of the packet, as its header says */
function fragment(view: DataView, at: number, end: number, out: Uint8Array, to: number): number {
  const offset = u16(view, at + 2) & 0xfff8
  to = putField(out, putField(out, to, 'frag (', offset), '|', Math.max(0, end - at - 8))
  // Nothing that is known follows the offset of a later fragment.
  return putText(out, to, offset === 0 ? ') ' : ')')
}

function routing(view: DataView, bytes: Uint8Array, at: number, out: Uint8Array, to: number): number {
  const length = u8(view, at + 1)
  const type = u8(view, at + 2)
  to = putField(out, putField(out, to, 'RT6 (len=', length), ', type=', type)
  if (type === 0) to = putText(out, to, ' [Deprecated]')
  to = putField(out, to, ', segleft=', u8(view, at + 3))
  const addresses = type === 0 || type === 2 ? length >> 1 : 0
  for (let i = 0; i < addresses; i++) {
    if (i === maxAddresses) {
      to = putText(out, to, ', ...')
      break
    }
    to = putIpv6(out, putText(out, putField(out, to, ', [', i), ']'), bytes, at + 8 + 16 * i)
  }
  return putText(out, to, ') ')
}

function authentication(view: DataView, bytes: Uint8Array, at: number, out: Uint8Array, to: number): number {
  const check = (u8(view, at + 1) + 2) * 4 - 12
  to = putHex(out, putText(out, to, 'AH(spi=0x'), u32(view, at + 4), 8)
  to = putHex(out, putText(out, to, ',seq=0x'), u32(view, at + 8))
  to = putHexBytes(out, putText(out, to, ',icv=0x'), bytes, at + 12, Math.min(check, maxCheckBytes))
  return putText(out, to, check > maxCheckBytes ? '...): ' : '): ')
}
