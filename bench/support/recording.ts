import { once } from 'node:events'
import type { Capture, CaptureStats, RecordOptions } from 'ringtap'

/** A recording from when it was ready to its end; `cpu`: seconds of processor time of the process meanwhile. */
export interface Recorded {
  stats: CaptureStats
  /** Packets that the capture lost, whatever the cause. */
  lost: number
  cpu: number
}

/** Records until SIGINT, and closes the capture; says on standard error when it is ready. */
export async function recordUntilInterrupted(capture: Capture, options: RecordOptions): Promise<Recorded> {
  const recording = await capture.record(options)
  const before = process.cpuUsage()
  process.stderr.write('ready\n')
  await once(process, 'SIGINT')
  await capture.stop()
  await recording.finished
  const { user, system } = process.cpuUsage(before)
  const stats = capture.stats()
  await capture.close()
  const lost = stats.droppedByRing + stats.droppedByOverflow + stats.droppedByRecorder
  return { stats, lost, cpu: (user + system) / 1e6 }
}
