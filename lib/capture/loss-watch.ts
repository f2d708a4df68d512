import {
  emptySample,
  type LossLevel,
  type LossSample,
  type LossStats,
  lossBetween,
  type NameOf,
  packetsOf,
} from './loss-stats.js'

/** The level of loss has changed, or the loss lasts: see {@link CaptureEvents.loss}. */
export interface LossEvent extends LossStats {
  /** The level from now on; `none`: the loss is over. */
  readonly level: LossLevel
  /** The level until now; equal to `level` if the loss lasts. */
  readonly previous: LossLevel
}

/** The option group `loss`, checked. @internal */
export interface LossSettings {
  readonly window: number
  readonly warn: number
  readonly critical: number
  readonly minimum: number
}

const rank = { none: 0, warn: 1, critical: 2 } as const

/** Samples per window: what is looked at is that much longer than asked for, at most, and a level is that late. */
const looks = 20
const shortestPeriod = 20

const nameless: NameOf = () => ''

/**
 * The loss within a sliding window, and when it is worth an event.
 *
 * Cheap: a sample each twentieth of the window, and while no packet comes a sample is the one before, which costs a
 * getsockopt for each ring. It hangs on the sums since the start and not on who looks when: a consumer that blocks the
 * event loop for a minute gets its event late, but no loss escapes it.
 *
 * @internal
 */
export class LossWatch {
  /** Milliseconds between two looks. */
  readonly period: number
  readonly #settings: LossSettings
  readonly #take: (packets: number) => LossSample | undefined
  /** Oldest first; the first is the start of the window, or the start of all. */
  readonly #samples: { readonly time: number; readonly sample: LossSample }[]
  #level: LossLevel = 'none'
  #reported = 0

  /**
   * @param take Takes a sample; `undefined` where it would be the same as one with that many packets (`packetsOf`).
   * @param now The time, in milliseconds of any clock that never steps.
   */
  constructor(settings: LossSettings, take: (packets: number) => LossSample | undefined, now: number) {
    this.#settings = settings
    this.#take = take
    this.#samples = [{ time: now, sample: emptySample }]
    this.period = Math.max(settings.window / looks, shortestPeriod)
  }

  /** As the last event said. */
  get level(): LossLevel {
    return this.#level
  }

  /** Takes a sample, and says what there is to tell. Asks for names only then: they cost a look into the ledger. */
  look(now: number, names: () => NameOf): LossEvent | undefined {
    const last = this.#samples.at(-1)?.sample ?? emptySample
    const sample = this.#take(packetsOf(last)) ?? last
    this.#samples.push({ time: now, sample })
    const { window } = this.#settings
    while ((this.#samples[1]?.time ?? now) <= now - window) this.#samples.shift()
    const stats = this.#stats(now, sample, nameless)
    const previous = this.#level
    const level = this.#levelOf(stats)
    if (rank[level] <= rank[previous]) {
      // What went up stays up for a window: a ratio that dances about a threshold makes no flood of events.
      if (previous === 'none' || now - this.#reported < window) return undefined
    }
    this.#level = level
    this.#reported = now
    return Object.freeze({ level, previous, ...this.#stats(now, sample, names()) })
  }

  /** The window up to now, of which this is a sample. */
  present(now: number, sample: LossSample, nameOf: NameOf): LossStats {
    return this.#stats(now, sample, nameOf)
  }

  #stats(now: number, sample: LossSample, nameOf: NameOf): LossStats {
    const start = this.#samples.findLast(({ time }) => time <= now - this.#settings.window) ?? this.#samples[0]
    return lossBetween(start?.sample ?? emptySample, sample, now - (start?.time ?? now), nameOf)
  }

  #levelOf({ lost, ratio }: LossStats): LossLevel {
    const { warn, critical, minimum } = this.#settings
    if (lost < minimum) return 'none'
    return ratio >= critical ? 'critical' : ratio >= warn ? 'warn' : 'none'
  }
}
