import { checkInteger } from '../arguments.js'
import { optionError } from '../errors.js'
import { Slice as Kept } from '../native/numbers.js'

/**
 * How much of each packet is kept; see {@link CaptureOptions.slice}. A number: so many bytes, 1 to 262144.
 */
export type Slice = 'headers' | 'l4' | number

const headersKept = { none: Kept.NONE, l4: Kept.L4, headers: Kept.HEADERS } as const

/**
 * @param max the largest number of bytes.
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkSlice(given: unknown, label: string, max: number): Slice | undefined {
  if (given === undefined || given === 'headers' || given === 'l4') return given
  if (typeof given === 'number') return checkInteger(given, label, 1, max, 'bytes')
  throw optionError(label, `'headers', 'l4' or a number of bytes`, given)
}

/** The form in which native code takes it: which headers, and the bytes of each packet at most. @internal */
export function nativeSlice(slice: Slice | undefined, snapshotLength: number): { slice: number; max: number } {
  if (typeof slice === 'number') return { slice: Kept.NONE, max: Math.min(slice, snapshotLength) }
  return { slice: headersKept[slice ?? 'none'], max: snapshotLength }
}
