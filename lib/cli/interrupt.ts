import { constants } from 'node:os'
import { CaptureError } from '../index.js'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs `stop` at the first SIGINT, SIGTERM or SIGHUP; at the second the process ends at once, as the signal ends it.
 * Returns a function that ends this.
 */
export function onInterrupt(stop: () => void): () => void {
  let interrupted = false
  const handle = (signal: (typeof signals)[number]) => {
    if (interrupted) process.exit(128 + constants.signals[signal])
    interrupted = true
    stop()
  }
  for (const signal of signals) process.on(signal, handle)
  return () => {
    for (const signal of signals) process.off(signal, handle)
  }
}

/**
 * As {@link onInterrupt}, for a command that reads a file to its end: a signal ends the packets, and `check()` then throws
 * {@link interruption}.
 */
export function interruptible(stop: () => void) {
  let interrupted = false
  const end = onInterrupt(() => {
    interrupted = true
    stop()
  })
  return {
    end,
    get interrupted() {
      return interrupted
    },
    check() {
      if (interrupted) throw interruption()
    },
  }
}

/** What a command on files ends with if it was interrupted: its result would be that of a part, and look like that of all. */
export function interruption(): CaptureError {
  return new CaptureError('ERR_SYSTEM', 'interrupted')
}
