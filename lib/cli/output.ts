import { once } from 'node:events'
import { oneLine } from './terminal.js'

/** Thrown when whoever reads standard output is gone (`ringtap | head`). The command then ends quietly. */
export class OutputClosed extends Error {}

let closed = false
const watchers = new Set<() => void>()

/** Must be called once, before anything is written. */
export function watchOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    closed = true
    for (const watcher of watchers) watcher()
  })
  // Messages whose reader is gone are nobody's loss.
  process.stderr.on('error', () => undefined)
}

/** Calls `stop` when the reader of standard output is gone. Returns a function that ends this. */
export function whenOutputCloses(stop: () => void): () => void {
  watchers.add(stop)
  return () => watchers.delete(stop)
}

export function outputIsClosed(): boolean {
  return closed
}

/**
 * Writes to standard output and resolves when more may be written, so that a slow reader slows the command down.
 *
 * @throws OutputClosed
 */
export async function write(text: string | Uint8Array): Promise<void> {
  if (closed) throw new OutputClosed()
  if (text.length === 0) return
  if (!process.stdout.write(text)) {
    const gone = new Promise<void>((resolve) => process.stdout.once('close', resolve))
    await Promise.race([once(process.stdout, 'drain'), gone])
  }
  if (closed) throw new OutputClosed()
}

/** A line of the command itself on standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** A warning of the library, as a line on standard error. */
export function warn(message: string): void {
  note(`ringtap: warning: ${oneLine(message)}`)
}
