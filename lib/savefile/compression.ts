import { checkWord } from '../arguments.js'
import { optionError } from '../errors.js'

/** The numbers of native/core/savefile/packing.h. */
const packings = { gzip: 1, zstd: 2 } as const

/** Returns the addon's number for a compression; 0 for none. @internal */
export function packingOf(compress: unknown, label: string): number {
  if (compress === undefined || compress === false) return 0
  if (typeof compress !== 'string') throw optionError(label, "'gzip', 'zstd' or false", compress)
  return packings[checkWord(compress, label, ['gzip', 'zstd'])]
}
