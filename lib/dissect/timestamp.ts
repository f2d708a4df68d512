import { optionError } from '../errors.js'

/**
 * The text of a packet's timestamp in UTC with all nine digits (ISO 8601): `2026-11-28T12:13:56.000000789Z`.
 *
 * @param timestamp nanoseconds since 1970-01-01 UTC, from 0 to 2^64 - 1.
 * @throws CaptureError `ERR_OPTION`.
 */
export function formatTimestamp(timestamp: bigint): string {
  if (typeof timestamp !== 'bigint' || timestamp < 0n || timestamp >= 2n ** 64n) {
    throw optionError('timestamp', 'a bigint of nanoseconds since 1970, from 0 to 2^64 - 1', timestamp)
  }
  const seconds = new Date(Number(timestamp / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  return `${seconds}.${String(timestamp % 1_000_000_000n).padStart(9, '0')}Z`
}
