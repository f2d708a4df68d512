import { Packing } from '../native/numbers.js'
import { packingOf } from '../savefile/compression.js'
import { checkOutputPath, contradiction, packedEndings, packingNamed } from '../savefile/output-path.js'

/** The path of a recording, checked. @internal */
export interface RecordPath {
  /** As a pattern for native/core/savefile/file_set.h, with `%i` if the files are numbered. */
  readonly path: string
  readonly standardOutput: boolean
  /** One of `Packing`. */
  readonly packing: number
}

/**
 * Checks the path of a recording together with its compression, which the end of the path may name.
 *
 * @param rotating Whether there may be several files, which then get a number.
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkRecordPath(path: unknown, compress: unknown, rotating: boolean): RecordPath {
  const asked = packingOf(compress, 'compress')
  if (path === '-') return { path, standardOutput: true, packing: asked }
  const named = packingNamed(path)
  const name = named === Packing.NONE ? (path as string) : (path as string).slice(0, -packedEndings[named]!.length)
  const numbered = checkOutputPath(name, 'path')
  const packing = named === Packing.NONE ? asked : named
  if (compress !== undefined && packing !== asked) throw contradiction(named)
  const each = numbered || !rotating ? name : name.replace(/(?<=[^/])(\.[^./]*)?$/, '-%i$1')
  return { path: each + packedEndings[packing], standardOutput: false, packing }
}
