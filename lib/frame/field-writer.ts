import { checkBytes, checkInteger } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'

/** Writes the fields of a header in network byte order, and checks them. `layer`: its name, for messages. @internal */
export class FieldWriter {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #layer: string

  constructor(layer: string, length: number) {
    this.#layer = layer
    this.bytes = new Uint8Array(length)
    this.#view = new DataView(this.bytes.buffer)
  }

  u8(at: number, value: number): void {
    this.bytes[at] = value
  }

  u16(at: number, value: number): void {
    this.#view.setUint16(at, value)
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(at, value)
  }

  set(at: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, at)
  }

  /** Checks a number of so many bits; `fallback` if it is not given. */
  number(field: string, value: unknown, bits: number, fallback?: number): number {
    const given = value === undefined ? fallback : value
    return checkInteger(given, `${this.#layer}.${field}`, 0, 2 ** bits - 1)
  }

  /** Checks a number that is stored divided by `unit`. */
  scaled(field: string, value: unknown, bits: number, unit: number, fallback: number): number {
    const max = (2 ** bits - 1) * unit
    const given = checkInteger(value === undefined ? fallback : value, `${this.#layer}.${field}`, 0, max)
    if (given % unit !== 0) throw optionError(`${this.#layer}.${field}`, `a multiple of ${unit}`, value)
    return given / unit
  }
}

/** Checks options of IPv4 or TCP, and pads them to whole 32-bit words. @internal */
export function paddedOptions(value: unknown, label: string): Uint8Array {
  if (value === undefined) return new Uint8Array(0)
  const given = checkBytes(value, label)
  if (given.length > 40) throw optionError(label, 'at most 40 bytes', value)
  const padded = new Uint8Array((given.length + 3) & ~3)
  padded.set(given)
  return padded
}

/** The six bytes of a hardware address. @internal */
export function macBytes(value: unknown, label: string): Uint8Array {
  if (typeof value !== 'string' || !/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(value)) {
    throw optionError(label, 'a hardware address such as 02:00:00:00:00:01', value)
  }
  return Uint8Array.from(value.split(/[:-]/), (digits) => Number.parseInt(digits, 16))
}

/** Refuses a header that is longer than its length field can say, unless that is given. @internal */
export function fits(length: number, max: number, given: unknown, option: string): number {
  if (given === undefined && length > max) {
    throw new CaptureError('ERR_OPTION', `${option} cannot say ${length}: at most ${max}`, { option })
  }
  return length
}
