import { debugLog } from '../debug.js'
import { CaptureError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { NativeRecorder } from './native.js'
import { normaliseRecordOptions, type RecordOptions } from './record-options.js'
import { Recording } from './recording.js'

/** The part of a capture that its recorder uses. @internal */
export interface RecordedCapture {
  /** The interfaces that are captured now. */
  interfaces(): readonly NetworkInterface[]
  /** The filter expression in force now. */
  filter(): string | undefined
  /** Whether the capture was stopped or closed, or is about to be. */
  ended(): boolean
  /** Resolves when the capture is closed; `undefined` if it is neither closed nor about to be. */
  closed(): Promise<void> | undefined
  warn(warning: CaptureError): void
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

  /** See {@link Capture.record}. */
  async record(options: RecordOptions): Promise<Recording> {
    const normalised = normaliseRecordOptions(options)
    if (this.#capture.ended()) throw new CaptureError('ERR_CLOSED', 'the capture was stopped')
    if (this.#recording || this.#begins) {
      throw new CaptureError('ERR_OPTION', 'a recording of this capture is under way; stop it first')
    }
    const interfaces = this.#capture.interfaces()
    const linkTypes = [...new Set(interfaces.map(({ linkType }) => linkType ?? 0))]
    if (normalised.format !== 0 && linkTypes.length > 1) {
      const each = interfaces.map(({ name, linkType }) => `${name} ${linkType ?? 'unknown'}`).join(', ')
      throw new CaptureError(
        'ERR_OPTION',
        `a pcap file has packets of one link type, and the interfaces have several (${each}); record pcapng, or each link type in a capture of its own`,
        { option: 'format' },
      )
    }
    this.#begins = true
    const debug = debugLog('recording')
    debug('opening with %s', normalised)
    try {
      const handle = await this.#native.record({
        ...normalised,
        linkType: linkTypes[0] ?? 0,
        filter: this.#capture.filter(),
      })
      const recording = Recording._make(
        handle,
        () => this.#native.stopRecording(),
        (error) => this.#capture.warn(error),
        debug,
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
