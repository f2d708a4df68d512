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

/**
 * Where the option at `at` ends, of options that end at `end`; 0 if it is not whole, or of a wrong length.
 *
 * @internal
 */
export function optionEnd(view: DataView, at: number, end: number): number {
  if (u8(view, at) <= TcpOption.NOP) return at + 1
  if (at + 2 > end) return 0
  const length = u8(view, at + 1)
  return length < 2 || at + length > end ? 0 : at + length
}

/** The ranges of the SACK option of the TCP header at `start`, as far as it was captured. @internal */
export function sackRanges(view: DataView, start: number, captured: number): [number, number][] {
  const end = Math.min(start + ((u8(view, start + 12) >> 4) << 2), captured)
  for (let at = start + 20; at < end; ) {
    const next = optionEnd(view, at, end)
    const kind = u8(view, at)
    if (next === 0 || kind === TcpOption.END) break
    if (kind === TcpOption.SACK) {
      return Array.from({ length: (next - at - 2) >> 3 }, (_, i) => {
        const range = at + 2 + 8 * i
        return [u32(view, range), u32(view, range + 4)]
      })
    }
    at = next
  }
  return []
}
