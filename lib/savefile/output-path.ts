import { checkPath } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'

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
