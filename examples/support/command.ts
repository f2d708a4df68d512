// What every command-line program wants: errors as one message, and an end that loses nothing.
import { type Capture, CaptureError } from 'ringtap'

// Output into `head` or a pager that was left: nobody reads on.
process.stdout.on('error', () => process.exit(0))

const mistakes: readonly string[] = ['ERR_OPTION', 'ERR_PATTERN', 'ERR_FILTER_SYNTAX', 'ERR_FILTER_TOO_LARGE']

/**
 * Prints what went wrong, without a stack trace, and ends the program: exit code 2 where the user asked for something
 * wrong, 1 where the system refused. An error that is a bug of the program is thrown on.
 */
export function fail(error: unknown): never {
  const isUsage = String((error as { code?: unknown } | undefined)?.code).startsWith('ERR_PARSE_ARGS')
  if (!isUsage && !(error instanceof CaptureError)) throw error
  console.error(`error: ${(error as Error).message}`)
  process.exit(isUsage || mistakes.includes((error as CaptureError).code) ? 2 : 1)
}

/**
 * Ctrl-C or `kill`: the capture stops, and its loop ends after the last packet from before that. A second time ends the
 * program at once.
 */
export function stopOnSignal(capture: Capture): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void capture.stop())
}

/** Tells what the capture has to say besides packets, on standard error. */
export function showWarnings(capture: Capture): void {
  capture.on('warning', ({ message }) => console.error(`warning: ${message}`))
  capture.on('error', ({ message }) => console.error(`error: ${message}`))
}
