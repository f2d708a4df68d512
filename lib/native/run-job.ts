import { abortReason, throwIfAborted } from '../arguments.js'
import type { CaptureError } from '../errors.js'

/** The calls that control a job on its own native thread (native/binding/util/job.h). @internal */
export interface JobCalls<Handle, Stats, End extends { stats: Stats; failure?: CaptureError }> {
  start(onEnd: () => void): Handle
  /** May be called only before `finish`. */
  stats(handle: Handle): Stats
  /** Requests the end of the job and returns without waiting for it. */
  stop(handle: Handle): void
  /** May be called only after `onEnd` was called. */
  finish(handle: Handle): End
  /** Converts the native error to the error that is thrown. */
  explain(failure: CaptureError): unknown
}

/** Milliseconds between reports of progress. */
const period = 500

/**
 * Runs a job to its end. `onProgress`, if given, is called every {@link period} and once at the end, also after an
 * error. An exception from `onProgress`, and an abort of the signal, stop the job; the exception, or the signal's
 * reason, is thrown once the job has ended.
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
