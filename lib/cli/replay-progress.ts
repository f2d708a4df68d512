import { openFile, type ReplayProgress } from '../index.js'
import { positionOf, type ReplayCourse, ReplaySchedule } from './replay-schedule.js'
import { bar, duration, grouped, metric, type StatusLine } from './terminal.js'

/**
 * Reads a file to its end for when its packets are due.
 *
 * @throws What {@link openFile} throws, and the reason of the signal.
 */
async function scheduleOf(file: string, filter: string | undefined, signal: AbortSignal): Promise<ReplaySchedule> {
  const savefile = await openFile(file, { filter, signal })
  // The replay reports the same.
  savefile.on('warning', () => undefined)
  const schedule = new ReplaySchedule()
  try {
    for await (const chunk of savefile) chunk.forEach(({ timestampMs }) => schedule.add(timestampMs))
  } finally {
    await savefile.close()
  }
  return schedule
}

/**
 * The status line of a replay. A file is measured beside its replay, which need not wait for that, once it runs for long enough to
 * show something; until then there is no bar.
 */
export class ReplayStatus {
  readonly #status: StatusLine
  readonly #file: string
  readonly #course: ReplayCourse
  readonly #ended = new AbortController()
  #schedule: ReplaySchedule | undefined
  #begin: number | undefined

  constructor(status: StatusLine, file: string, course: ReplayCourse) {
    this.#status = status
    this.#file = file
    this.#course = course
  }

  show({ packets, sent, refused, seconds, passes }: ReplayProgress): void {
    if (!this.#status.active || packets === 0) return
    const now = performance.now() / 1000
    if (this.#begin === undefined) {
      this.#begin = now - seconds
      void this.#measure()
    }
    // `seconds` ends with the last packet that was sent.
    const elapsed = Math.max(seconds, now - this.#begin)
    const rate = `${grouped(sent)} sent${refused > 0 ? `, ${grouped(refused)} refused` : ''}, ${metric(sent / elapsed)}/s`
    if (this.#schedule === undefined) {
      this.#status.show(this.#course.passes > 1 ? `pass ${passes}: ${rate}` : rate)
      return
    }
    const { share, left } = positionOf(this.#schedule, this.#course, packets, elapsed)
    this.#status.show(`${bar(share)}  ${rate}, ${duration(left)} left`)
  }

  end(): void {
    this.#ended.abort()
    this.#status.clear()
  }

  async #measure(): Promise<void> {
    try {
      this.#schedule = await scheduleOf(this.#file, this.#course.filter, this.#ended.signal)
    } catch {
      // The replay has ended, or it fails on the same damage.
    }
  }
}
