import { checkEntry } from '../arguments.js'
import { optionError } from '../errors.js'
import { Packing } from '../native/numbers.js'

const packings = { gzip: Packing.GZIP, zstd: Packing.ZSTD } as const

/** Returns the addon's number for a compression, one of `Packing`. @internal */
export function packingOf(compress: unknown, label: string): number {
  if (compress === undefined || compress === false) return Packing.NONE
  if (typeof compress !== 'string') throw optionError(label, "'gzip', 'zstd' or false", compress)
  return checkEntry(compress, label, packings)
}
