import { u8, u16, u32 } from './bytes.js'
import { type DissectorFields, Group } from './fields.js'

/** Kinds of TCP options, of IANA's registry. @internal */
export const TcpOption = { END: 0, NOP: 1, MSS: 2, WINDOW_SCALE: 3, SACK_PERMITTED: 4, SACK: 5, TIMESTAMPS: 8 } as const

/** Reads the options from `at` to `end`. An option that is not whole, or of a wrong length, ends them. @internal */
export function tcpOptions(d: DissectorFields, view: DataView, at: number, end: number): void {
  d._groups |= Group.TCP_OPTIONS
  while (at < end) {
    const kind = u8(view, at)
    if (kind === TcpOption.END) return
    if (kind === TcpOption.NOP) {
      at++
      continue
    }
    if (at + 2 > end) return
    const length = u8(view, at + 1)
    if (length < 2 || at + length > end) return
    if (kind === TcpOption.MSS && length === 4) d.tcpMss = u16(view, at + 2)
    else if (kind === TcpOption.WINDOW_SCALE && length === 3) d.tcpWindowScale = u8(view, at + 2)
    else if (kind === TcpOption.SACK_PERMITTED && length === 2) d.tcpSackPermitted = 1
    else if (kind === TcpOption.SACK && (length & 7) === 2) d.tcpSackCount = (length - 2) >> 3
    else if (kind === TcpOption.TIMESTAMPS && length === 10) {
      d.tcpTimestamp = u32(view, at + 2)
      d.tcpTimestampEcho = u32(view, at + 6)
    }
    at += length
  }
}

/** An option: its kind, where its data begin, and how many bytes they are. @internal */
export interface OptionPlace {
  readonly kind: number
  readonly at: number
  readonly length: number
}

/** The options of the TCP header at `start`, as far as they were captured. @internal */
export function tcpOptionPlaces(view: DataView, start: number, captured: number): OptionPlace[] {
  const places: OptionPlace[] = []
  const end = Math.min(start + ((u8(view, start + 12) >> 4) << 2), captured)
  let at = start + 20
  while (at < end) {
    const kind = u8(view, at)
    if (kind <= TcpOption.NOP) {
      places.push({ kind, at: at + 1, length: 0 })
      if (kind === TcpOption.END) break
      at++
      continue
    }
    if (at + 2 > end) break
    const length = u8(view, at + 1)
    if (length < 2 || at + length > end) break
    places.push({ kind, at: at + 2, length: length - 2 })
    at += length
  }
  return places
}
