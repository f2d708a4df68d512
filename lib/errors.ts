/**
 * The codes of {@link CaptureError}. They are stable.
 *
 * - `ERR_PERMISSION`: the process lacks a privilege; the message names it and how to grant it.
 * - `ERR_NO_INTERFACE`: nothing matches the selection, or no interface has that name.
 * - `ERR_FILTER_SYNTAX`: libpcap refused the filter expression.
 * - `ERR_FILTER_TOO_LARGE`: the compiled filter is longer than the kernel accepts (4096 instructions), or, without
 *   CAP_BPF, the address sets or the excluded connections are.
 * - `ERR_PATTERN`: an include or exclude pattern is not a valid expression, or a function among the patterns failed.
 * - `ERR_OPTION`: an argument or option is wrong, or cannot be honoured.
 * - `ERR_FILE_FORMAT`: the file is not a pcap or pcapng file, or of a version or compression that cannot be read.
 * - `ERR_FILE_DAMAGED`: the file contradicts itself; see `offset`.
 * - `ERR_FILE_TRUNCATED`: the file ends in the middle of a block or packet; see `offset`.
 * - `ERR_CLOSED`: the object was closed.
 * - `ERR_RELEASED`: the chunk of this packet was released.
 * - `ERR_OUT_OF_RANGE`: an offset is outside the captured bytes.
 * - `ERR_NOT_SUPPORTED`: this system cannot do it: capturing, sending, and listing interfaces need Linux.
 * - `ERR_NATIVE_UNAVAILABLE`: the native addon could not be loaded.
 * - `ERR_SYSTEM`: a system call failed; see `syscall` and `errno`.
 */
export type CaptureErrorCode =
  | 'ERR_PERMISSION'
  | 'ERR_NO_INTERFACE'
  | 'ERR_FILTER_SYNTAX'
  | 'ERR_FILTER_TOO_LARGE'
  | 'ERR_PATTERN'
  | 'ERR_OPTION'
  | 'ERR_FILE_FORMAT'
  | 'ERR_FILE_DAMAGED'
  | 'ERR_FILE_TRUNCATED'
  | 'ERR_CLOSED'
  | 'ERR_RELEASED'
  | 'ERR_OUT_OF_RANGE'
  | 'ERR_NOT_SUPPORTED'
  | 'ERR_NATIVE_UNAVAILABLE'
  | 'ERR_SYSTEM'

/** The source of a {@link CaptureError}, as far as it is known. */
export interface CaptureErrorDetails {
  /** The system's error number (errno(3)), positive. */
  errno?: number | undefined
  /** The system call that failed. */
  syscall?: string | undefined
  /** The name of the interface concerned. */
  interface?: string | undefined
  /**
   * The option or argument that is wrong, as written in code, without the name of the options object:
   * `snapshotLength`, `ring.memory`, `interfaces.include`, or `interfaces.include[1]` in a list. If two contradict each
   * other, the one that the message names first.
   */
  option?: string | undefined
  /** The position in a file, in bytes from its start. */
  offset?: number | undefined
  /** The error that caused this one. */
  cause?: unknown
}

const brand = Symbol.for('ringtap.CaptureError')

/**
 * The only error class of this library. Distinguish errors by `code`, never by the message. Control characters in the
 * message, which names of interfaces and files may contain, are written as escapes such as `\x1b`.
 *
 * `instanceof` holds across the ESM and CommonJS builds of the package.
 */
export class CaptureError extends Error {
  /** Stable, for programs. */
  readonly code: CaptureErrorCode
  /** The system's error number (errno(3)), positive, if a system call failed. */
  declare readonly errno?: number
  /** The system call that failed, if one did. */
  declare readonly syscall?: string
  /** The name of the interface concerned, if there is one. */
  declare readonly interface?: string
  /**
   * The option or argument that is wrong: with `ERR_OPTION`, `ERR_PATTERN`, and if a filter is refused, for example
   * `ring.memory`, `interfaces.include[1]`, `filter`.
   */
  declare readonly option?: string
  /**
   * The position in a file, in bytes from its start; of the unpacked content, if the file is compressed. The packet or
   * block that could not be read begins there; everything before it was delivered.
   */
  declare readonly offset?: number

  constructor(code: CaptureErrorCode, message: string, details: CaptureErrorDetails = {}) {
    super(printable(message), details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.errno) this.errno = details.errno
    if (details.syscall) this.syscall = details.syscall
    if (details.interface) this.interface = details.interface
    if (details.option) this.option = details.option
    if (details.offset !== undefined) this.offset = details.offset
    Object.defineProperty(this, brand, { value: true })
  }

  /** Recognises the errors of every copy of the library that the process has loaded. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== CaptureError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && brand in value
  }
}

Object.defineProperty(CaptureError.prototype, 'name', { value: 'CaptureError', configurable: true, writable: true })

/**
 * The error for an argument that is not what was expected.
 *
 * @internal
 */
export function optionError(name: string, expected: string, got: unknown): CaptureError {
  return new CaptureError('ERR_OPTION', `${name} must be ${expected}; got ${describe(got)}`, {
    option: optionPath(name),
  })
}

/**
 * The first argument of constructors that are not public, which only this library can pass.
 *
 * @internal
 */
export const construction: unique symbol = Symbol('construction')

/**
 * The error for a call of such a constructor without {@link construction}.
 *
 * @internal
 */
export function notConstructible(name: string, instead: string): CaptureError {
  return new CaptureError('ERR_OPTION', `${name} has no public constructor: ${instead}`)
}

/**
 * Converts the name of an option from its form in messages to its form in `CaptureError.option`.
 *
 * @internal
 */
export function optionPath(name: string): string {
  return name.replace(/^options\./, '')
}

/**
 * Sets `option` of a native error, unless it is set already.
 *
 * @internal
 */
export function blame(error: CaptureError, option: string): CaptureError {
  return error.option === undefined ? Object.assign(error, { option }) : error
}

/**
 * Describes a value in an error message: shortened, and with its type.
 *
 * @internal
 */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'string':
      return value.length > 60
        ? `the string ${JSON.stringify(value.slice(0, 57))}…`
        : `the string ${JSON.stringify(value)}`
    case 'undefined':
      return 'undefined'
    case 'number':
    case 'boolean':
    case 'bigint':
      return `the ${typeof value} ${String(value)}`
    case 'function':
      return `a function`
    case 'symbol':
      return 'a symbol'
    default:
      return describeObject(value)
  }
}

function describeObject(value: object): string {
  // Proxies and getters may throw here; their exception would replace the error about the argument.
  try {
    if (Array.isArray(value)) return 'an array'
    const name: unknown = value.constructor?.name
    return `an object (${typeof name === 'string' ? name.slice(0, 60) : 'no prototype'})`
  } catch {
    return 'an object that cannot be inspected'
  }
}

/** Control characters except line feed, line separators, and characters that change the direction of text. */
const unprintable = /(?!\n)[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/**
 * The text with every unprintable character written as an escape such as `\x1b`. Names of interfaces and files may
 * contain any character, and must not reach a terminal as escape sequences.
 *
 * @internal
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}
