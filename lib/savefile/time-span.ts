import { optionError } from '../errors.js'

const latest = 2n ** 64n - 1n

/** Times of packets, nanoseconds since 1970-01-01 UTC: the earliest and the latest. @internal */
export interface TimeSpan {
  readonly from: bigint
  readonly to: bigint
}

/**
 * Checks the options `from` and `to`.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkSpan(from: unknown, to: unknown): TimeSpan {
  const span = { from: checkMoment(from, 'from') ?? 0n, to: checkMoment(to, 'to') ?? latest }
  if (span.from > span.to) throw optionError('to', 'not earlier than from', to)
  return span
}

function checkMoment(value: unknown, label: string): bigint | undefined {
  if (value === undefined) return undefined
  const time = value instanceof Date && !Number.isNaN(value.getTime()) ? BigInt(value.getTime()) * 1_000_000n : value
  if (typeof time === 'bigint' && time >= 0n && time <= latest) return time
  throw optionError(label, 'nanoseconds since 1970 as a bigint, from 0 to 2^64 - 1, or a Date', value)
}
