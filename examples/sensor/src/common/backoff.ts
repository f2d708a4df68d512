/** Delays before something is tried again, in milliseconds. */

/** `first`, and twice as long for each failure before, up to half a minute. */
export function backoff(first: number, failures: number): number {
  return Math.min(30_000, first * 2 ** failures)
}

/** By chance between half of a delay and all of it, so that a fleet does not come back all at once. */
export function jittered(delay: number): number {
  return delay * (0.5 + Math.random() / 2)
}
