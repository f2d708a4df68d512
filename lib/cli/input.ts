import { openFile, type Savefile } from '../index.js'
import type { ViewOptions } from './command-options.js'

/** Opens a file, or standard input if it is `-`, for the packets that the filter, -i and -x select. */
export function openInput(
  file: string,
  filter?: string,
  { interface: include, exclude }: Pick<ViewOptions, 'interface' | 'exclude'> = {},
): Promise<Savefile> {
  return openFile(file === '-' ? process.stdin : file, {
    filter,
    ...((include ?? exclude) && { interfaces: { include, exclude, loopback: true } }),
  })
}
