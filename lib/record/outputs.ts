import { CaptureError } from '../errors.js'
import type { BatchOptions } from './batch-options.js'
import { type BatchedCapture, Batcher, type Batches, batchesUnderWay, secondConsumer } from './batcher.js'
import type { FlightRecorderOptions } from './flight-options.js'
import { FlightRecorder, type FlownCapture } from './flight-recorder.js'
import type { NativeRecorder } from './native.js'
import { PacketServer, type ServedCapture } from './packet-server.js'
import type { RecordOptions } from './record-options.js'
import { type RecordedCapture, Recorder } from './recorder.js'
import type { Recording } from './recording.js'
import type { ServeOptions } from './serve-options.js'

/** The part of a capture that its outputs use. @internal */
export interface OutputCapture
  extends Omit<RecordedCapture & BatchedCapture & FlownCapture & ServedCapture, 'batched' | 'consumer'> {
  /** Whether it is being iterated. */
  iterated(): boolean
}

/**
 * What takes a capture's packets in native code: a recording, batches, a flight recorder, a server; and which of them
 * exclude each other. @internal
 */
export class Outputs {
  readonly #native: NativeRecorder
  readonly #capture: OutputCapture
  readonly #recorder: Recorder
  readonly #batcher: Batcher
  #flight: FlightRecorder | undefined
  #server: PacketServer | undefined
  #serverBegins = false

  constructor(native: NativeRecorder, capture: OutputCapture) {
    this.#native = native
    this.#capture = capture
    this.#recorder = new Recorder(native, { ...capture, batched: () => this.#batcher.active })
    this.#batcher = new Batcher(native, { ...capture, consumer: () => this.#consumer() })
  }

  /** Throws if an iteration over the capture would be a second consumer. */
  assertIterable(): void {
    if (this.#batcher.active) throw secondConsumer(batchesUnderWay)
  }

  /** See {@link Capture.record}. */
  record(options: RecordOptions): Promise<Recording> {
    return this.#recorder.record(options)
  }

  /** See {@link Capture.batches}. */
  batches(options: BatchOptions | undefined): Batches {
    return this.#batcher.begin(options)
  }

  /** See {@link Capture.flightRecorder}. */
  flightRecorder(options: FlightRecorderOptions | undefined): FlightRecorder {
    this.#assertOpen()
    if (this.#flight?._active) throw new CaptureError('ERR_OPTION', 'this capture has a flight recorder; stop it first')
    this.#flight = FlightRecorder._begin(this.#native, options, this.#capture)
    return this.#flight
  }

  /** See {@link Capture.serve}. */
  async serve(options: ServeOptions | undefined): Promise<PacketServer> {
    this.#assertOpen()
    if (this.#serverBegins || this.#server?._active) {
      throw new CaptureError('ERR_OPTION', 'this capture has a server; close it first')
    }
    this.#serverBegins = true
    try {
      this.#server = await PacketServer._begin(this.#native, options, this.#capture)
    } finally {
      this.#serverBegins = false
    }
    return this.#server
  }

  /** Whether one of them may have something to report. */
  get active(): boolean {
    return this.#recorder.active || this.#batcher.active || !!this.#flight?._active || !!this.#server?._active
  }

  /** Called when one of them may have something to report, or the capture has been closed. */
  look(): void {
    this.#recorder.look()
    this.#batcher.look()
    this.#flight?._look()
    this.#server?._look()
  }

  /** Called when the capture closes, before its native part does. `failure`: why, if it was aborted. */
  close(failure: { reason: unknown } | undefined): void {
    this.#batcher.close(failure)
  }

  #assertOpen(): void {
    if (this.#capture.ended()) throw new CaptureError('ERR_CLOSED', 'the capture was stopped')
  }

  /** Who takes packets now. */
  #consumer(): string | undefined {
    if (this.#batcher.active) return batchesUnderWay
    if (this.#recorder.active) return 'a recording of this capture is under way'
    return this.#capture.iterated() ? 'an iteration over this capture is under way' : undefined
  }
}
