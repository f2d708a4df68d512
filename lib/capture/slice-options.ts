import { checkInteger } from '../arguments.js'
import { optionError } from '../errors.js'

/**
 * How much of each packet is kept; see {@link CaptureOptions.slice}. A number: so many bytes, 1 to 262144.
 */
export type Slice = 'headers' | 'l4' | number

/** As Slice in native/core/bpf/slice.h. @internal */
export const sliceNumber = { none: 0, l4: 1, headers: 2 } as const

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
  if (typeof slice === 'number') return { slice: sliceNumber.none, max: Math.min(slice, snapshotLength) }
  return { slice: sliceNumber[slice ?? 'none'], max: snapshotLength }
}
