import { fstatSync } from 'node:fs'
import { oneLine, wrapped } from './terminal.js'

/** Thrown when whoever reads standard output is gone (`ringtap | head`). The command then ends quietly. */
export class OutputClosed extends Error {}

let closed = false
const watchers = new Set<() => void>()

/** Must be called once, before anything is written. */
export function watchOutput(): void {
  // Other errors are thrown where they occur, by write() or a pipeline.
  process.stdout.on('error', closeOnBrokenPipe)
  // Messages whose reader is gone are nobody's loss.
  process.stderr.on('error', () => undefined)
}

function closeOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' || closed) return
  closed = true
  for (const watcher of watchers) watcher()
}

/** Calls `stop` when the reader of standard output is gone. Returns a function that ends this. */
export function whenOutputCloses(stop: () => void): () => void {
  watchers.add(stop)
  return () => watchers.delete(stop)
}

export function outputIsClosed(): boolean {
  return closed
}

/** Whether standard output is neither a terminal nor read by another process: a file, or /dev/null. */
export function outputIsFile(): boolean {
  if (process.stdout.isTTY) return false
  const stat = fstatSync(1)
  return !stat.isFIFO() && !stat.isSocket()
}

/**
 * Writes to standard output, and resolves when all of it was written: a slow reader slows the command down, and the
 * bytes may be overwritten then.
 *
 * @throws OutputClosed
 * @throws Error for another reason, such as a full disk.
 */
export async function write(text: string | Uint8Array): Promise<void> {
  if (!closed && text.length > 0) {
    const error = await new Promise<Error | null | undefined>((resolve) => process.stdout.write(text, resolve))
    // The event of the stream follows the callback.
    if (error) closeOnBrokenPipe(error)
    if (error && !closed) throw new Error(`standard output: ${error.message}`)
  }
  if (closed) throw new OutputClosed()
}

/** A line of the command itself on standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** A warning of the library, as a line on standard error. */
export function warn(message: string): void {
  note(wrapped(`ringtap: warning: ${oneLine(message)}`, process.stderr))
}
