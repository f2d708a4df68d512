import { constants as fsConstants, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { constants } from 'node:os'
import { CaptureError } from '../index.js'
import { note } from './output.js'
import { oneLine } from './terminal.js'

export function isNamedPipe(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false
}

/** Milliseconds between two looks for a reader: the kernel has no event for it. */
const pause = 200

/**
 * Waits until a program reads a named pipe, and holds the pipe open: until it is released, that program does not see its end.
 * Does nothing for other files.
 *
 * @param says whether a line on standard error says that it waits
 */
export async function holdPipe(path: string | undefined, says = true): Promise<{ release(): Promise<void> }> {
  if (path === undefined || path === '-' || !isNamedPipe(path)) return { release: async () => undefined }
  for (let waits = false; ; waits = true) {
    try {
      const handle = await open(path, fsConstants.O_WRONLY | fsConstants.O_NONBLOCK)
      return { release: () => handle.close() }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
    }
    if (!waits && says) note(`ringtap: waiting for a program that reads the pipe ${oneLine(path)}`)
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

/** Whether an error means that the reader of a named pipe is gone. */
export function readerIsGone(path: string, error: unknown): boolean {
  return error instanceof CaptureError && error.errno === constants.errno.EPIPE && isNamedPipe(path)
}
