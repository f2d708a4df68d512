import { UsageError } from './report-error.js'

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
const maxSeconds = 18_446_744_073

/**
 * A moment as typed: a date and time, seconds since 1970, or how long ago. Nanoseconds since 1970.
 *
 * @param flag The option, for the message.
 * @throws UsageError
 */
export function momentOf(text: string, flag: string, now = Date.now()): bigint {
  const ago = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text)
  if (ago)
    return checked(BigInt(Math.round((now / 1000 - Number(ago[1]) * units[ago[2]!]!) * 1000)) * 1_000_000n, text, flag)
  const seconds = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text)
  if (seconds) return checked(BigInt(seconds[1]!) * 1_000_000_000n + fraction(seconds[2]), text, flag)
  // Date has milliseconds: the fraction is added apart.
  const date = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?)?$/.exec(text)
  const zone = date?.[4]?.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2') ?? ''
  const milliseconds = date ? Date.parse(`${date[1]}T${date[2] ?? '00:00'}${zone}`) : Number.NaN
  // Date takes the 30th of February for the 2nd of March.
  if (date && !Number.isNaN(milliseconds) && new Date(`${date[1]}T00:00Z`).toISOString().startsWith(date[1]!))
    return checked(BigInt(milliseconds) * 1_000_000n + fraction(date[3]), text, flag)
  throw wrong(text, flag)
}

const fraction = (digits = '') => BigInt(digits.padEnd(9, '0'))

function checked(time: bigint, text: string, flag: string): bigint {
  if (time < 0n || time >= BigInt(maxSeconds) * 1_000_000_000n) throw wrong(text, flag)
  return time
}

const wrong = (text: string, flag: string) =>
  new UsageError(
    `${flag} ${text}: give a date and time (2026-11-29T08:30:00), seconds since 1970, or how long ago (90s, 15m, 2h, 1d)`,
  )
