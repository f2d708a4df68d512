import { types } from 'node:util'
import { CaptureError, optionError, optionPath } from './errors.js'
import { insteadOf } from './option-hints.js'

// Argument checks of all public functions. `label` is the path of the argument or option, as shown in messages
// (`ring.memory`, `options.netns`). Every check throws CaptureError ERR_OPTION with the expected and the actual value.
// undefined means "not given"; null is a wrong value.

/** Returns the message for an unknown option. */
type UnknownOption = (option: string, known: readonly string[]) => string

const unknownOption: UnknownOption = (option, known) => `${option} is not an option; known are ${known.join(', ')}`

/**
 * Refuses unknown keys, so that a misspelt option is not ignored. For names that options have elsewhere, the message
 * ends with what to write here.
 *
 * @internal
 */
export function checkKeys(
  value: object,
  label: string,
  known: readonly string[],
  message: UnknownOption = unknownOption,
): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    const option = `${label ? `${label}.` : ''}${key}`
    const instead = insteadOf(key, known)
    const hint = instead === undefined ? '' : `; instead of ${key} write ${instead}`
    throw new CaptureError('ERR_OPTION', `${message(option, known)}${hint}`, { option: optionPath(option) })
  }
}

/** Checks an object of options, which may have only the known keys; returns `{}` if it is not given. @internal */
export function checkGroup<T extends object>(
  value: T | undefined,
  label: string,
  known: readonly (keyof T & string)[],
  message?: UnknownOption,
): T {
  if (value === undefined) return {} as T
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw optionError(label, 'an object', value)
  checkKeys(value, label, known, message)
  return value
}

/** Replaces undefined by the default. Unlike `??`, it keeps null, which the checks then refuse. @internal */
export function orElse<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value
}

/** Checks a whole number from `low` to `high`. @internal */
export function checkInteger(value: unknown, label: string, low: number, high: number, unit = ''): number {
  return checkNumber(value, label, low, high, `a whole number from ${low} to ${high}${unit && ` ${unit}`}`)
}

/** As {@link checkInteger}, with “an integer” in the message. @internal */
export function checkCount(value: unknown, label: string, low: number, high: number): number {
  return checkNumber(value, label, low, high, `an integer from ${low} to ${high}`)
}

function checkNumber(value: unknown, label: string, low: number, high: number, expected: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw optionError(label, expected, value)
  }
  return value
}

/**
 * Checks a list and returns a copy of it. Holes of a sparse array become `undefined`, which the checks of the entries
 * refuse. Each entry of a proxy is read once, so that it cannot change after its check.
 *
 * @internal
 */
export function checkList(value: unknown, label: string, expected: string, max: number): readonly unknown[] {
  const length: unknown = Array.isArray(value) ? value.length : undefined
  if (!Number.isInteger(length) || (length as number) < 0 || (length as number) > max) {
    throw optionError(label, expected, value)
  }
  return Array.from({ length: length as number }, (_, i) => (value as readonly unknown[])[i])
}

/** Checks for a Uint8Array (a Buffer is one), also of another realm. @internal */
export function checkBytes(value: unknown, label: string): Uint8Array {
  if (!types.isUint8Array(value)) throw optionError(label, 'a Uint8Array', value)
  return value
}

/** Checks a ratio above 0 and at most 1. @internal */
export function checkRatio(value: unknown, label: string): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw optionError(label, 'a number above 0, at most 1', value)
  }
  return value
}

/** Checks a boolean. @internal */
export function checkBoolean(value: unknown, label: string): boolean {
  if (typeof value !== 'boolean') throw optionError(label, 'a boolean', value)
  return value
}

/** Checks for one of the given words. @internal */
export function checkWord<T extends string>(value: unknown, label: string, words: readonly T[]): T {
  if (!(words as readonly unknown[]).includes(value)) {
    throw optionError(label, words.map((word) => `'${word}'`).join(' or '), value)
  }
  return value as T
}

/** As {@link checkWord}, for the words of a table; returns what it has for the word. @internal */
export function checkEntry<T>(value: unknown, label: string, table: Readonly<Record<string, T>>): T {
  return table[checkWord(value, label, Object.keys(table))] as T
}

// Native code copies strings, and the process ends if there is no memory for a copy. These limits, in characters, are far
// above what the system and libpcap accept.
/** @internal */
export const maxName = 65_536
const maxExpression = 1 << 20

/**
 * Checks a name or path for a system call: not empty, and without NUL, which would end the C string. The system reports
 * those that are too long for it; from 65536 characters on they are refused here.
 *
 * @internal
 */
export function checkName(value: unknown, label: string, expected: string): string {
  if (typeof value !== 'string' || value === '' || value.length >= maxName || value.includes('\0')) {
    throw optionError(label, expected, value)
  }
  return value
}

/** Checks the path of a file. @internal */
export function checkPath(value: unknown, label: string): string {
  return checkName(value, label, 'the path of a file')
}

/** Checks the path of a network namespace, or undefined. @internal */
export function checkNetns(value: unknown, label: string): string | undefined {
  return value === undefined
    ? undefined
    : checkName(value, label, 'the path of a network namespace, such as /run/netns/blue')
}

/**
 * Checks that a filter expression is a string or undefined, and no longer than one that could be compiled; its syntax
 * is not checked here.
 *
 * @internal
 */
export function checkFilter(value: unknown, label: string): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw optionError(label, 'a pcap-filter expression', value)
  if (value.length > maxExpression) {
    throw new CaptureError(
      'ERR_FILTER_TOO_LARGE',
      `${label} is too large: ${value.length} characters, where at most ${maxExpression} can be compiled`,
      { option: optionPath(label) },
    )
  }
  return value
}

/** Checks a function, or undefined. @internal */
export function checkCallback<T extends (...args: never) => unknown>(
  value: T | undefined,
  label: string,
): T | undefined {
  if (value !== undefined && typeof value !== 'function') throw optionError(label, 'a function', value)
  return value
}

/**
 * Checks an AbortSignal, or undefined. Not with `instanceof`, which would refuse signals of another realm or of a
 * polyfill.
 *
 * Every function that takes a signal checks it with its other options and then calls {@link throwIfAborted}, so that a
 * wrong option is reported before an abort.
 *
 * @internal
 */
export function checkSignal(value: unknown, label: string): AbortSignal | undefined {
  if (value === undefined) return undefined
  const signal = value as Partial<AbortSignal> | null
  if (
    typeof signal !== 'object' ||
    typeof signal?.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function' ||
    typeof signal.removeEventListener !== 'function'
  ) {
    throw optionError(label, 'an AbortSignal', value)
  }
  return signal as AbortSignal
}

/** The reason of an aborted signal, unchanged. @internal */
export function abortReason(signal: AbortSignal | undefined): unknown {
  // Polyfills from before 2022 have no reason.
  return signal?.reason ?? new DOMException('This operation was aborted', 'AbortError')
}

/** Throws the signal's reason if it is aborted. @internal */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortReason(signal)
}

/** Milliseconds since 1970 that a packet's timestamp can hold: 2^64 nanoseconds. */
const latestTime = 18_446_744_073_709

/** Returns a time in milliseconds since 1970. @internal */
export function checkTime(time: unknown): number {
  if (typeof time === 'number' && time >= 0 && time <= latestTime) return time
  throw optionError('time', `milliseconds since 1970, from 0 to ${latestTime}`, time)
}
