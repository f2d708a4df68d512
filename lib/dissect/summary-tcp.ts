import { putField, putHexBytes, putLength, putText } from './ascii.js'
import { u8, u16, u32 } from './bytes.js'
import { type DissectorFields, presentEnd } from './fields.js'
import { optionEnd, TcpOption } from './tcp-options.js'

const fastOpen = 34

/** Options whose data are not shown. */
const otherNames: ReadonlyMap<number, string> = new Map([
  [19, 'md5'],
  [28, 'uto'],
  [29, 'tcp-ao'],
  [30, 'mptcp'],
])

const flagNames = [
  [0x01, 'F'],
  [0x02, 'S'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x10, '.'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
] as const

/** The text of each combination of flags: looked up, because it is needed for every segment. */
const flagTexts = Array.from(
  { length: 256 },
  (_, flags) => flagNames.map(([bit, name]) => ((flags & bit) !== 0 ? name : '')).join('') || 'none',
)

/**
 * @param payloadLength as the IP header says
 * @internal
 */
export function tcp(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  payloadLength: number,
  out: Uint8Array,
  to: number,
): number {
  const at = d._base + d.transportOffset
  const { tcpFlags: flags } = d
  to = putText(out, putText(out, to, 'Flags ['), flagTexts[flags & 0xff] as string)
  to = putText(out, to, ']')
  // SYN, FIN and RST have a sequence number of interest even without data.
  if (payloadLength > 0 || (flags & 0x07) !== 0) {
    to = putField(out, to, ', seq ', d.tcpSequence)
    if (payloadLength > 0) to = putField(out, to, ':', d.tcpSequence + payloadLength)
  }
  if ((flags & 0x10) !== 0) to = putField(out, to, ', ack ', d.tcpAcknowledgment)
  to = putField(out, to, ', win ', d.tcpWindow)
  if ((flags & 0x20) !== 0 && at + 20 <= d._captured) to = putField(out, to, ', urg ', u16(view, at + 18))
  if (u8(view, at + 12) >> 4 > 5) to = tcpOptions(d, view, bytes, at, out, to)
  return putLength(out, to, payloadLength)
}

function tcpOptions(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  start: number,
  out: Uint8Array,
  to: number,
): number {
  const end = Math.min(start + ((u8(view, start + 12) >> 4) << 2), presentEnd(d))
  const first = putText(out, to, ', options [')
  let place = first
  for (let at = start + 20; at < end; ) {
    const next = optionEnd(view, at, end)
    if (next === 0) break
    if (place > first) out[place++] = 0x2c
    place = tcpOption(view, bytes, at, next - at - 2, out, place)
    if (u8(view, at) === TcpOption.END) break
    at = next
  }
  return place === first ? to : putText(out, place, ']')
}

/** @param size bytes of data of the option at `at` */
function tcpOption(view: DataView, bytes: Uint8Array, at: number, size: number, out: Uint8Array, to: number): number {
  const kind = u8(view, at)
  switch (kind) {
    case TcpOption.END:
      return putText(out, to, 'eol')
    case TcpOption.NOP:
      return putText(out, to, 'nop')
    case TcpOption.MSS:
      return size === 2 ? putField(out, to, 'mss ', u16(view, at + 2)) : putText(out, to, 'mss')
    case TcpOption.WINDOW_SCALE:
      return size === 1 ? putField(out, to, 'wscale ', u8(view, at + 2)) : putText(out, to, 'wscale')
    case TcpOption.SACK_PERMITTED:
      return putText(out, to, 'sackOK')
    case TcpOption.SACK:
      return sack(view, at + 2, size, out, to)
    case TcpOption.TIMESTAMPS:
      if (size !== 8) return putText(out, to, 'TS')
      return putField(out, putField(out, to, 'TS val ', u32(view, at + 2)), ' ecr ', u32(view, at + 6))
    case fastOpen:
      if (size === 0) return putText(out, to, 'tfo  cookiereq')
      return putHexBytes(out, putText(out, to, 'tfo  cookie '), bytes, at + 2, size)
    default:
      return otherOption(kind, bytes, at, size, out, to)
  }
}

function otherOption(kind: number, bytes: Uint8Array, at: number, size: number, out: Uint8Array, to: number): number {
  const name = otherNames.get(kind)
  if (name !== undefined) return putText(out, to, name)
  to = putField(out, to, 'unknown-', kind)
  return size === 0 ? to : putHexBytes(out, putText(out, to, ' 0x'), bytes, at + 2, size)
}

function sack(view: DataView, at: number, size: number, out: Uint8Array, to: number): number {
  const count = size >> 3
  to = putText(out, putField(out, to, 'sack ', count), ' ')
  for (let i = 0; i < count; i++) {
    to = putField(out, to, '{', u32(view, at + 8 * i))
    to = putText(out, putField(out, to, ':', u32(view, at + 8 * i + 4)), '}')
  }
  return to
}
