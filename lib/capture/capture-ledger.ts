import type { DebugLog } from '../debug.js'
import type { CaptureError } from '../errors.js'
import type { OpeningOptions } from './capture-options.js'
import { type CaptureStats, toStats } from './capture-stats.js'
import type { NameOf } from './loss-stats.js'
import { type LossEvent, LossWatch } from './loss-watch.js'
import type { NativeCapture, NativeCaptureStats } from './native.js'
import { nameIn } from './packed-interfaces.js'

/** What the ledger needs of its capture. @internal */
export interface LedgerContext {
  closed(): boolean
  /** The level of loss has changed, or the loss lasts. Called in a microtask. */
  loss(event: LossEvent): void
  /** The sampling and the slice in force now. */
  reduction(): Pick<CaptureStats, 'sample' | 'slice'>
  readonly debug: DebugLog
}

/** The statistics of a capture, and the watch on its losses. @internal */
export class CaptureLedger {
  readonly #native: NativeCapture
  readonly #options: OpeningOptions
  readonly #context: LedgerContext
  readonly #loss: LossWatch
  #lossTimer: NodeJS.Timeout | undefined
  /** The reading of the devices' losses that is under way. */
  #readingLosses: Promise<void> | undefined
  #last: CaptureStats | undefined

  constructor(handle: NativeCapture, options: OpeningOptions, context: LedgerContext) {
    this.#native = handle
    this.#options = options
    this.#context = context
    this.#loss = new LossWatch(options.loss, (packets) => handle.lossSample(packets), performance.now())
  }

  /** Begins to watch for loss. */
  begin(): void {
    this.#lossTimer = setInterval(() => this.lookForLoss(), this.#loss.period).unref()
  }

  /** To be called before the capture closes: {@link stats} stays as it is until {@link setFinal}. */
  end(): void {
    clearInterval(this.#lossTimer)
    this.lookForLoss()
    this.stats()
  }

  /** The capture is closed, and this is what became of its packets. */
  setFinal(ledger: NativeCaptureStats): void {
    this.#last = toStats(ledger, this.#options.native, this.stats().loss, this.#context.reduction())
  }

  stats(): CaptureStats {
    if (!this.#context.closed()) {
      const ledger = this.#native.stats()
      const loss = this.#loss.present(performance.now(), ledger.lossSample, namesIn(ledger))
      const level = { level: this.#loss.level, ...loss }
      this.#last = toStats(ledger, this.#options.native, level, this.#context.reduction())
    }
    return this.#last as CaptureStats
  }

  /** The counters that were read last, without those of single interfaces. */
  totals(): object {
    const {
      interfaces: _,
      softnet: _softnet,
      loss: _loss,
      ring: _ring,
      overflow: _overflow,
      sample: _sample,
      slice: _slice,
      ...sums
    } = this.#last as CaptureStats
    return sums
  }

  /** Resolves when the devices' losses are up to date, also if they cannot be read; `undefined` if they are now. */
  readLosses(): Promise<void> | undefined {
    if (this.#context.closed()) return undefined
    this.#readingLosses ??= this.#native
      .readLosses()
      ?.catch((error: CaptureError) =>
        this.#context.debug('the losses of the devices cannot be read: %s', error.message),
      )
      .finally(() => {
        this.#readingLosses = undefined
      })
    return this.#readingLosses
  }

  /** Resolves when the devices' losses have been read after this call. */
  async refreshLosses(): Promise<void> {
    await this.#readingLosses // may have begun before
    await this.readLosses()
  }

  /** Samples the losses, and reports an event that is due. */
  lookForLoss(): void {
    const event = this.#loss.look(performance.now(), () => namesIn(this.#native.stats()))
    if (!event) return
    const { debug } = this.#context
    debug('loss is %s, was %s: %s', event.level, event.previous, event)
    // Emitted after the present call, because a listener may call any method, including close().
    queueMicrotask(() => this.#context.loss(event))
  }
}

/** Looks names up only when they are needed. */
function namesIn({ interfaces }: NativeCaptureStats): NameOf {
  return (index, generation) => nameIn(interfaces, index, generation)
}
