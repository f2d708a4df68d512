import { checkPath } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { Packing } from '../native/numbers.js'

/**
 * Checks the path of a file to write. Names that suggest an unsupported output are refused: extensions of compressed
 * files, and `-`, which means standard output in other programs.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkNewFile(value: unknown, label: string): string {
  const path = checkPath(value, label)
  if (path.endsWith('/')) throw optionError(label, 'the path of a file', path)
  if (path === '-') {
    throw new CaptureError(
      'ERR_OPTION',
      `${label} is '-', which is not standard output here; a file of this name is './-'`,
      {
        option: label,
      },
    )
  }
  const [ending] = /\.(gz|tgz|zst|zstd|bz2|xz|lz4|z)$/i.exec(path) ?? []
  if (ending) {
    throw new CaptureError('ERR_OPTION', `${label} ends with ${ending}, and what is written is not compressed`, {
      option: label,
    })
  }
  return path
}

/** What the names of files end with, by `Packing` (lib/native/numbers.ts). @internal */
export const packedEndings = ['', '.gz', '.zst'] as const

/** The compression that the end of a path names, one of `Packing`. @internal */
export function packingNamed(path: unknown): number {
  const ending = typeof path === 'string' ? /\.(gz|zst)$/.exec(path)?.[0] : undefined
  return packedEndings.indexOf((ending ?? '') as '')
}

/** The error for a compression other than that which the path ends with. @internal */
export function contradiction(named: number): CaptureError {
  return new CaptureError('ERR_OPTION', `compress contradicts path, which ends with ${packedEndings[named]}`, {
    option: 'compress',
  })
}

/**
 * Checks the path of a compressed file, and returns it with the end that is due.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkPackedPath(path: unknown, packing: number): string {
  const named = packingNamed(path)
  if (named !== Packing.NONE && named !== packing) throw contradiction(named)
  const name = named === Packing.NONE ? path : (path as string).slice(0, -packedEndings[named]!.length)
  return checkNewFile(name, 'path') + packedEndings[packing]
}

/**
 * Checks the path pattern of files to write, with the `%` sequences that native/core/savefile/file_set.h replaces.
 *
 * @returns Whether the pattern contains the number of the file (`%i`).
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkOutputPath(value: unknown, label: string): boolean {
  const path = checkNewFile(value, label)
  const found = [...path.matchAll(/%(.?)/gs)]
  const wrong = found.find(([, letter = '']) => !/^[YmdHMSi%]$/.test(letter))
  if (wrong) {
    throw new CaptureError('ERR_OPTION', `${label} has ${wrong[0]}; known are %Y %m %d %H %M %S, %i and %%`, {
      option: label,
    })
  }
  return found.some(([, letter]) => letter === 'i')
}
