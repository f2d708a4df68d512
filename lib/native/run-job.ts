import { abortReason, throwIfAborted } from '../arguments.js'
import type { CaptureError } from '../errors.js'

/** A task on a native thread of its own (native/binding/util/job.h). @internal */
export interface JobCalls<Handle, Stats, End extends { stats: Stats; failure?: CaptureError }> {
  start(onEnd: () => void): Handle
  /** Only before `finish`. */
  stats(handle: Handle): Stats
  /** Makes it end soon. */
  stop(handle: Handle): void
  /** Only after `onEnd` was called. */
  finish(handle: Handle): End
  /** The error for the user, from the native one. */
  explain(failure: CaptureError): unknown
}

/** Milliseconds between reports of progress. */
const period = 500

/**
 * Runs a task to its end. `onProgress`, if given, is called twice a second and at the end, also after an error. What it
 * throws ends the task and is thrown, as is the reason of an aborted signal.
 *
 * @internal
 */
export async function runJob<Handle, Stats, End extends { stats: Stats; failure?: CaptureError }>(
  calls: JobCalls<Handle, Stats, End>,
  signal: AbortSignal | undefined,
  onProgress: ((stats: Stats) => void) | undefined,
): Promise<End> {
  throwIfAborted(signal)
  let ended: () => void = () => {}
  const end = new Promise<void>((resolve) => {
    ended = resolve
  })
  const handle = calls.start(() => ended())
  const thrown: unknown[] = []
  const report = (stats: Stats) => {
    try {
      if (thrown.length === 0) onProgress?.(stats)
    } catch (error) {
      thrown.push(error)
      calls.stop(handle)
    }
  }
  const timer = onProgress && setInterval(() => report(calls.stats(handle)), period)
  const abort = () => calls.stop(handle)
  signal?.addEventListener('abort', abort, { once: true })
  await end
  signal?.removeEventListener('abort', abort)
  clearInterval(timer)

  const aborted = signal?.aborted === true
  const result = calls.finish(handle)
  report(result.stats)
  if (thrown.length > 0) throw thrown[0]
  if (result.failure) throw calls.explain(result.failure)
  if (aborted) throw abortReason(signal)
  return result
}
