import { checkPath } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'

/**
 * The path of a file that is to be written. A name that promises what is not done is refused: compressed content, and
 * `-`, which means standard output to other programs.
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
 * Where files are to be written, with the letters that native/core/savefile/file_set.h puts something in for.
 *
 * @returns Whether each file has its number in its name (`%i`).
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
