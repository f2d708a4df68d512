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

/**
 * Samples per window. The period between them is how much longer than `window` the figures may cover, and how late an
 * event may be.
 */
const looks = 20
const shortestPeriod = 20

const nameless: NameOf = () => ''

/**
 * Measures the loss within a sliding window and determines when to emit an event.
 *
 * Cost: one sample per twentieth of the window; while no packet arrives, the previous sample is reused, which costs one
 * getsockopt(2) per ring. Samples are cumulative counters, so that no loss is missed if the event loop is blocked: the
 * event is only late.
 *
 * @internal
 */
export class LossWatch {
  /** Milliseconds between two samples. */
  readonly period: number
  readonly #settings: LossSettings
  readonly #take: (packets: number) => LossSample | undefined
  /** Oldest first. The first one is at the start of the window, or at the start of the capture. */
  readonly #samples: { readonly time: number; readonly sample: LossSample }[]
  #level: LossLevel = 'none'
  #reported = 0

  /**
   * @param take Takes a sample; returns `undefined` if it would equal the sample with that many packets (`packetsOf`).
   * @param now The time in milliseconds, of any monotonic clock.
   */
  constructor(settings: LossSettings, take: (packets: number) => LossSample | undefined, now: number) {
    this.#settings = settings
    this.#take = take
    this.#samples = [{ time: now, sample: emptySample }]
    this.period = Math.max(settings.window / looks, shortestPeriod)
  }

  /** The level of the last event. */
  get level(): LossLevel {
    return this.#level
  }

  /**
   * Takes a sample; returns the event to emit, if any. `names` is called only for an event, because it reads all
   * counters.
   */
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
      // A level is held for at least a window, so that a ratio close to a threshold does not cause many events.
      if (previous === 'none' || now - this.#reported < window) return undefined
    }
    this.#level = level
    this.#reported = now
    return Object.freeze({ level, previous, ...this.#stats(now, sample, names()) })
  }

  /** The losses within the window that ends with this sample. */
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
