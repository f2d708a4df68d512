import { abortReason, throwIfAborted } from '../arguments.js'
import { debugLog } from '../debug.js'
import { CaptureError } from '../errors.js'
import type { SocketOwners } from '../owners/socket-owners.js'
import { IterationPacer } from '../packets/chunk-iteration.js'
import { checkKeyLog, type KeyLog } from '../savefile/key-log.js'
import { type Batch, type BatchLossTotals, toBatch } from './batch.js'
import { type BatchOptions, normaliseBatchOptions } from './batch-options.js'
import type { NativeBatch, NativeBatches, NativeRecorder } from './native.js'
import { ownersHandle } from './recorded-owners.js'

/** The batches of a capture, made by {@link Capture.batches}. */
export interface Batches extends AsyncIterableIterator<Batch> {
  /**
   * Adds secrets of TLS connections ahead of every packet that is not packed yet, as {@link Recording.addSecrets} does. Later
   * batches repeat the newest of them (64 KiB, and at most a quarter of `bytes`). Without effect when the batches have ended.
   *
   * @throws CaptureError `ERR_OPTION`: not lines of a key log.
   */
  addSecrets(keyLog: KeyLog): void
}

/** The part of a capture that its batches use. @internal */
export interface BatchedCapture {
  /** The filter expression in force now. */
  filter(): string | undefined
  /** Whose packets are; `undefined` if the capture was opened without. */
  owners(): SocketOwners | undefined
  /** Whether the capture was stopped or closed, or is about to be. */
  ended(): boolean
  /** Who takes the packets now, as part of a message; `undefined`: nobody. */
  consumer(): string | undefined
}

/** The batches of a capture, one iteration at a time. @internal */
export class Batcher {
  readonly #native: NativeRecorder
  readonly #capture: BatchedCapture
  readonly #debug = debugLog('batches')
  #iteration: BatchIteration | undefined
  /** Until the end of the last batch that was taken. */
  #lost: BatchLossTotals = { droppedByRing: 0, droppedByOverflow: 0, malformed: 0 }

  constructor(native: NativeRecorder, capture: BatchedCapture) {
    this.#native = native
    this.#capture = capture
  }

  /** Whether batches are being made. */
  get active(): boolean {
    return this.#iteration !== undefined
  }

  /** See {@link Capture.batches}. */
  begin(given: BatchOptions | undefined): Batches {
    const { native, signal } = normaliseBatchOptions(given)
    throwIfAborted(signal)
    if (this.#capture.ended()) throw new CaptureError('ERR_CLOSED', 'the capture was stopped')
    const consumer = this.#capture.consumer()
    if (consumer !== undefined) throw secondConsumer(consumer)
    const owners = ownersHandle(native.owners, this.#capture.owners())
    this.#debug('beginning with %s', native)
    const batches = this.#native.batches({ ...native, filter: this.#capture.filter(), owners })
    const iteration = new BatchIteration(batches, {
      next: (batch, sequence) => {
        const taken = toBatch(batch, sequence, this.#lost)
        // The addon adds a batch for losses that earlier batches of this capture have reported.
        if (taken.packets + taken.lost.total === 0) return undefined
        const { droppedByRing, droppedByOverflow, malformed } = batch
        this.#lost = { droppedByRing, droppedByOverflow, malformed }
        return taken
      },
      end: () => {
        signal?.removeEventListener('abort', abort)
        this.#iteration = undefined
        this.#native.endBatches()
        this.#debug('ended')
      },
    })
    const abort = () => iteration.end({ reason: abortReason(signal) })
    signal?.addEventListener('abort', abort, { once: true })
    this.#iteration = iteration
    return iteration
  }

  /** Called when a batch may be complete, or the batches may have ended. */
  look(): void {
    this.#iteration?.look()
  }

  /** Called when the capture closes. `failure`: why, if it was aborted. */
  close(failure: { reason: unknown } | undefined): void {
    this.#iteration?.end(failure)
  }
}

/** @internal */
export const batchesUnderWay = 'batches of this capture are being taken'

/** The error for a second consumer of a capture. @internal */
export function secondConsumer(consumer: string): CaptureError {
  return new CaptureError('ERR_OPTION', `${consumer}; the packets of a capture have one consumer at a time`)
}

interface BatchOwner {
  /** Returns `undefined` for a batch that has neither packets nor losses. */
  next(batch: NativeBatch, sequence: number): Batch | undefined
  /** Called once, when no more batches are taken. */
  end(): void
}

class BatchIteration implements Batches {
  readonly #native: NativeBatches
  readonly #owner: BatchOwner
  readonly #pacer = new IterationPacer()
  #sequence = 0
  #ended = false
  #failure: { reason: unknown } | undefined

  constructor(native: NativeBatches, owner: BatchOwner) {
    this.#native = native
    this.#owner = owner
  }

  async next(): Promise<IteratorResult<Batch, undefined>> {
    for (;;) {
      if (this.#ended) {
        const failure = this.#failure
        this.#failure = undefined
        if (failure) throw failure.reason
        return { done: true, value: undefined }
      }
      const due = this.#pacer.yieldIfDue()
      if (due) {
        await due
        continue
      }
      // Read first: if the batches have ended, all of them and the error that ended them are available below.
      const ended = this.#native.ended()
      const native = this.#native.next()
      if (native) {
        const batch = this.#owner.next(native, this.#sequence)
        if (!batch) continue
        this.#sequence++
        return { done: false, value: batch }
      }
      if (ended) {
        const fault = this.#native.nextFault()
        this.end(fault && { reason: fault })
      } else {
        await this.#pacer.wait()
      }
    }
  }

  async return(): Promise<IteratorResult<Batch, undefined>> {
    this.end(undefined)
    return { done: true, value: undefined }
  }

  addSecrets(keyLog: KeyLog): void {
    const lines = checkKeyLog(keyLog, 'keyLog')
    if (lines) this.#native.addSecrets(lines)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  look(): void {
    this.#pacer.wake()
  }

  /** Ends the iteration; with a failure, the next call of `next()`, or one that waits, rejects. */
  end(failure: { reason: unknown } | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = failure
    this.#owner.end()
    this.#pacer.wake()
  }
}
