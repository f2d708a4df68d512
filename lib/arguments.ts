import { CaptureError, optionError, optionPath } from './errors.js'

// What every public function checks its arguments with. `label` is the argument's or option's path, as messages show it
// (`ring.memory`, `options.netns`). All throw CaptureError ERR_OPTION, with what was expected and what came; none
// accepts null for a value that is not given.

/** The message for an unknown option. */
type UnknownOption = (option: string, known: readonly string[]) => string

const unknownOption: UnknownOption = (option, known) => `${option} is not an option; known are ${known.join(', ')}`

/** Refuses keys that are not known: a misspelt option must not be ignored. @internal */
export function checkKeys(
  value: object,
  label: string,
  known: readonly string[],
  message: UnknownOption = unknownOption,
): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    const option = `${label ? `${label}.` : ''}${key}`
    throw new CaptureError('ERR_OPTION', message(option, known), { option: optionPath(option) })
  }
}

/** An object of options with no other keys than the known ones; `{}` where it is not given. @internal */
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

/** The default where an option is not given; null is a wrong value, and stays for the checks to refuse. @internal */
export function orElse<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value
}

/** A whole number from `low` to `high`. @internal */
export function checkInteger(value: unknown, label: string, low: number, high: number, unit = ''): number {
  return checkNumber(value, label, low, high, `a whole number from ${low} to ${high}${unit && ` ${unit}`}`)
}

/** The same, where the message calls it an integer. @internal */
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
 * A list as an array of what is in it now: holes of a sparse array are `undefined`, which the check of each entry
 * refuses, and a proxy answers once.
 *
 * @internal
 */
export function checkList(value: unknown, label: string, expected: string, most: number): readonly unknown[] {
  const length: unknown = Array.isArray(value) ? value.length : undefined
  if (!Number.isInteger(length) || (length as number) < 0 || (length as number) > most) {
    throw optionError(label, expected, value)
  }
  return Array.from({ length: length as number }, (_, i) => (value as readonly unknown[])[i])
}

/** A ratio above 0, at most 1. @internal */
export function checkRatio(value: unknown, label: string): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw optionError(label, 'a number above 0, at most 1', value)
  }
  return value
}

/** A boolean. @internal */
export function checkBoolean(value: unknown, label: string): boolean {
  if (typeof value !== 'boolean') throw optionError(label, 'a boolean', value)
  return value
}

/** One of the given words. @internal */
export function checkWord<T extends string>(value: unknown, label: string, words: readonly T[]): T {
  if (!(words as readonly unknown[]).includes(value)) {
    throw optionError(label, words.map((word) => `'${word}'`).join(' or '), value)
  }
  return value as T
}

/** A name or a path for a system call: not empty, and without NUL, at which the kernel would stop reading. @internal */
export function checkName(value: unknown, label: string, expected: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw optionError(label, expected, value)
  return value
}

/** The path of a file. @internal */
export function checkPath(value: unknown, label: string): string {
  return checkName(value, label, 'the path of a file')
}

/** The path of a network namespace, or undefined. @internal */
export function checkNetns(value: unknown, label: string): string | undefined {
  return value === undefined ? undefined : checkName(value, label, 'the path of a network namespace')
}

/** A string for a pcap-filter(7) expression, whose syntax is not checked here, or undefined. @internal */
export function checkFilter(value: unknown, label: string): string | undefined {
  if (value !== undefined && typeof value !== 'string') throw optionError(label, 'a pcap-filter expression', value)
  return value
}

/** A function, or undefined. @internal */
export function checkCallback<T extends (...args: never) => unknown>(
  value: T | undefined,
  label: string,
): T | undefined {
  if (value !== undefined && typeof value !== 'function') throw optionError(label, 'a function', value)
  return value
}

/**
 * An AbortSignal, or none. Not by `instanceof`: a signal of another realm or of a polyfill has the same interface.
 *
 * Every function that takes a signal checks it with its other options and then calls {@link throwIfAborted}: a wrong
 * option is reported before an abort.
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

/** What an aborted signal is to be answered with: its reason, as it is. @internal */
export function abortReason(signal: AbortSignal | undefined): unknown {
  // Polyfills from before 2022 have no reason.
  return signal?.reason ?? new DOMException('This operation was aborted', 'AbortError')
}

/** Throws the reason of a signal that is aborted. @internal */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortReason(signal)
}
