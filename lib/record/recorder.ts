import { debugLog } from '../debug.js'
import { CaptureError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { SavefileFormat } from '../native/numbers.js'
import type { SocketOwners } from '../owners/socket-owners.js'
import { batchesUnderWay, secondConsumer } from './batcher.js'
import { soleLinkType } from './link-types.js'
import type { NativeRecorder } from './native.js'
import { normaliseRecordOptions, type RecordOptions } from './record-options.js'
import { ownersHandle } from './recorded-owners.js'
import { Recording } from './recording.js'

/** The part of a capture that its recorder uses. @internal */
export interface RecordedCapture {
  /** The interfaces that are captured now. */
  interfaces(): readonly NetworkInterface[]
  /** The filter expression in force now. */
  filter(): string | undefined
  /** Whose packets are; `undefined` if the capture was opened without. */
  owners(): SocketOwners | undefined
  /** Whether the capture was stopped or closed, or is about to be. */
  ended(): boolean
  /** Resolves when the capture is closed; `undefined` if it is neither closed nor about to be. */
  closed(): Promise<void> | undefined
  warn(warning: CaptureError): void
  /** Whether its batches are being taken. */
  batched(): boolean
}

/** Starts a capture's recordings, one at a time. @internal */
export class Recorder {
  readonly #native: NativeRecorder
  readonly #capture: RecordedCapture
  #recording: Recording | undefined
  #begins = false

  constructor(native: NativeRecorder, capture: RecordedCapture) {
    this.#native = native
    this.#capture = capture
  }

  /** Whether a recording is under way, or about to begin. */
  get active(): boolean {
    return this.#begins || this.#recording !== undefined
  }

  /** See {@link Capture.record}. */
  async record(options: RecordOptions): Promise<Recording> {
    const normalised = normaliseRecordOptions(options)
    if (this.#capture.ended()) throw new CaptureError('ERR_CLOSED', 'the capture was stopped')
    if (this.active) {
      throw new CaptureError('ERR_OPTION', 'a recording of this capture is under way; stop it first')
    }
    if (this.#capture.batched()) throw secondConsumer(batchesUnderWay)
    const interfaces = this.#capture.interfaces()
    const linkType = normalised.format === SavefileFormat.PCAPNG ? 0 : soleLinkType(interfaces, 'record')
    const owners = ownersHandle(normalised.owners, this.#capture.owners())
    this.#begins = true
    const debug = debugLog('recording')
    debug('opening with %s', normalised)
    try {
      const handle = await this.#native.record({
        ...normalised,
        linkType,
        filter: this.#capture.filter(),
        owners,
      })
      const recording = Recording._make(
        handle,
        { stop: () => this.#native.stopRecording(), mark: () => this.#native.markRecording() },
        (error) => this.#capture.warn(error),
        debug,
        options,
      )
      this.#recording = recording
      // The capture may have been closed in the meantime.
      void this.#capture.closed()?.then(() => this.look())
      return recording
    } finally {
      this.#begins = false
    }
  }

  /** Called when the recording may have new files, faults or its end to report. */
  look(): void {
    if (this.#recording?._look()) this.#recording = undefined
  }
}
