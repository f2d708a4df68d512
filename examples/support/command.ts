// What every command-line program needs: errors as one message, and an end that loses nothing.
import { type Capture, CaptureError } from 'ringtap'

// The reader of the output has gone, as `head` does.
process.stdout.on('error', () => process.exit(0))

const mistakes: readonly string[] = ['ERR_OPTION', 'ERR_PATTERN', 'ERR_FILTER_SYNTAX', 'ERR_FILTER_TOO_LARGE']

/**
 * Prints what went wrong, without a stack trace, and ends the program: exit code 2 if the user asked for something
 * wrong, 1 if the system refused. An error that is a bug of the program is thrown again.
 */
export function fail(error: unknown): never {
  const isUsage = String((error as { code?: unknown } | undefined)?.code).startsWith('ERR_PARSE_ARGS')
  if (!isUsage && !(error instanceof CaptureError)) throw error
  console.error(`error: ${(error as Error).message}`)
  process.exit(isUsage || mistakes.includes((error as CaptureError).code) ? 2 : 1)
}

/**
 * Ctrl-C or `kill`: the capture stops, and its loop ends after the last packet received before that. A second signal ends
 * the program at once.
 */
export function stopOnSignal(capture: Capture): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void capture.stop())
}

/** Prints warnings and losses of the capture on standard error. */
export function showWarnings(capture: Capture): void {
  capture.on('warning', ({ message }) => console.error(`warning: ${message}`))
  capture.on('error', ({ message }) => console.error(`error: ${message}`))
}
