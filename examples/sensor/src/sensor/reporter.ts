/** Sends the sensor's reports to the collector, and brings back what the collector answers. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../common/log.js'
import type { Transport } from '../transport/transport.js'
import type { Answer } from '../wire/answer.js'
import type { Report } from '../wire/report.js'
import type { Self } from './report.js'

/** Milliseconds that a report may take. */
const patience = 10_000

/** Cuts in a report at most. */
const maximumCuts = 1000

export interface ReporterOptions {
  readonly self: Self
  readonly transport: Transport
  readonly log: Log
  /** Milliseconds from the request for the last report to its end, at most. */
  readonly endWithin: number
  /** Reads what a report needs; what it resolves to makes the report, of the moment when it is called. */
  readonly prepare: (final: boolean) => Promise<(cuts: Report['cuts']) => Report>
  readonly onAnswer: (answer: Answer) => void
}

export class Reporter {
  readonly #options: ReporterOptions
  #sent = 0
  /** The report that is under way. */
  #sending: Promise<void> | undefined
  /** What the responder did and no report has said yet. */
  #cuts: Report['cuts'] = []

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  /** Notes what the responder did, for the next report. */
  add(cuts: Report['cuts']): void {
    this.#cuts.push(...cuts)
  }

  /** Sends a report, unless one is under way. The last one waits for that, but not for long. */
  async send(final: boolean): Promise<void> {
    if (this.#sending && !final) return
    // One that hangs must not cost the last one its time.
    if (final) await Promise.race([this.#sending, sleep(this.#options.endWithin / 3, undefined, { ref: false })])
    const sending = this.#makeAndSend(final)
    this.#sending = sending
    await sending
    if (this.#sending === sending) this.#sending = undefined
  }

  async #makeAndSend(final: boolean): Promise<void> {
    const { self, transport, log, endWithin, prepare, onAnswer } = this.#options
    try {
      const identity = { sensor: self.name, boot: self.boot, sequence: this.#sent++ }
      const signal = AbortSignal.timeout(final ? (endWithin / 3) * 2 : patience)
      const make = await prepare(final)
      const cuts = this.#cuts.slice(0, maximumCuts)
      onAnswer(await transport.report(identity, make(cuts), signal))
      this.#cuts = this.#cuts.slice(cuts.length)
    } catch (error) {
      log.debug(`a report was not taken: ${(error as Error).message}`)
    }
  }
}
