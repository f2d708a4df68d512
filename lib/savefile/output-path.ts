import { checkPath } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'

/**
 * Where files are to be written, with the letters that native/core/savefile/file_set.h puts something in for.
 *
 * @returns Whether each file has its number in its name (`%i`).
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkOutputPath(value: unknown, label: string): boolean {
  const path = checkPath(value, label)
  if (path.endsWith('/')) throw optionError(label, 'the path of a file', path)
  const found = [...path.matchAll(/%(.?)/gs)]
  const wrong = found.find(([, letter = '']) => !/^[YmdHMSi%]$/.test(letter))
  if (wrong) {
    throw new CaptureError('ERR_OPTION', `${label} has ${wrong[0]}; known are %Y %m %d %H %M %S, %i and %%`, {
      option: label,
    })
  }
  return found.some(([, letter]) => letter === 'i')
}
