/** Figures as people read them. Between a number and its unit is a no-break space. */

const space = '\u00a0'

/** `1234` → `1.23 k`. */
export function count(value: number): string {
  return withPrefix(value, 1000, ['', 'k', 'M', 'G', 'T']).trimEnd()
}

export function bytes(value: number): string {
  return `${withPrefix(value, 1024, ['', 'Ki', 'Mi', 'Gi', 'Ti'])}B`
}

export function bits(bytesPerSecond: number): string {
  return `${withPrefix(bytesPerSecond * 8, 1000, ['', 'k', 'M', 'G', 'T'])}bit/s`
}

/** A share from 0 to 1. */
export function percent(share: number): string {
  if (share === 0) return `0${space}%`
  return share < 0.0001 ? `< 0.01${space}%` : `${(share * 100).toFixed(share < 0.1 ? 2 : 1)}${space}%`
}

export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 1) return `${Math.round(milliseconds)}${space}ms`
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}${space}s`
  if (seconds < 7200) return `${Math.round(seconds / 60)}${space}min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)}${space}h` : `${Math.round(seconds / 86_400)}${space}d`
}

export function ago(time: number, now: number): string {
  if (time === 0) return 'never'
  return now - time < 1500 ? 'now' : `${duration(now - time)} ago`
}

export function dateTime(time: number): string {
  return time === 0 ? '–' : new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
}

/** A time on an axis that covers so many seconds. */
export function axisTime(time: number, seconds: number): string {
  const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  if (seconds < 600) return new Date(time).toLocaleTimeString(undefined, { ...clock, second: '2-digit' })
  if (seconds < 2 * 86_400) return new Date(time).toLocaleTimeString(undefined, clock)
  return new Date(time).toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
}

/** `1 batch`, `2 batches`. */
export function amount(value: number, one: string, many: string): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

function withPrefix(value: number, base: number, prefixes: readonly string[]): string {
  let at = 0
  let scaled = value
  // From 999.5 on, three digits would read 1000.
  while (Math.abs(scaled) >= 999.5 && at < prefixes.length - 1) {
    scaled /= base
    at++
  }
  const digits = at === 0 && Number.isInteger(value) ? 0 : Math.abs(scaled) < 10 ? 2 : Math.abs(scaled) < 100 ? 1 : 0
  return `${scaled.toFixed(digits)}${space}${prefixes[at]}`
}
