import { debuglog, inspect } from 'node:util'

const log = debuglog('ringtap')

/** Writes lines about one capture, recording or file to the debug log. @internal */
export interface DebugLog {
  /** Whether lines are written. Check it before computing costly values. */
  readonly enabled: boolean
  /** Writes a line. Each `%s` of the format is replaced by a value, on one line, with control characters escaped. */
  (format: string, ...values: readonly unknown[]): void
}

const counts = new Map<string, number>()

/**
 * Creates a debug log, written to standard error if the environment variable `NODE_DEBUG` contains `ringtap`
 * (util.debuglog). Each line begins with the subject and its number: `capture 2: …`.
 *
 * Lines are written when something is opened, changed, lost or closed; never per packet or chunk.
 *
 * @internal
 */
export function debugLog(subject: string): DebugLog {
  const number = (counts.get(subject) ?? 0) + 1
  counts.set(subject, number)
  const write = (format: string, ...values: readonly unknown[]) => {
    if (log.enabled) log(`%s %s: ${format}`, subject, number, ...values.map(shown))
  }
  return Object.defineProperty(write, 'enabled', { get: () => log.enabled }) as DebugLog
}

function shown(value: unknown): string {
  if (typeof value !== 'string')
    return inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true, maxStringLength: 200 })
  // Names of interfaces, patterns and paths may contain terminal escapes.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be replaced
  return value.replace(/[\0-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
