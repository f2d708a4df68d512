import { EventEmitter } from 'node:events'
import type { DebugLog } from '../debug.js'
import { emitSafely, refuseUnknownEvents } from '../emit.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import type { CompleteFile } from '../savefile/complete-file.js'
import { freezeWithJson } from '../to-json.js'
import type { NativeRecording } from './native.js'

/** A complete file of a {@link Recording}. In JSON its times are strings of decimal digits. */
export interface RecordedFile extends CompleteFile {}

/**
 * What became of the packets that a recording was given. Once it has ended, each of them is counted in `packets`,
 * `dropped` or `otherLinkType`. Packets lost before, in the kernel's ring, are in the capture's own ledger.
 */
export interface RecordingStats {
  /** Packets written. */
  readonly packets: number
  /** Bytes of these packets, as captured, with their VLAN tags. */
  readonly packetBytes: number
  /** Bytes written to files. */
  readonly bytes: number
  /** Files that are complete. */
  readonly files: number
  /** Packets not written: the disk was slower than the traffic and the memory was used up, or writing failed. */
  readonly dropped: number
  /** With format `'pcap'`: packets not written because their link type is not that of the file. */
  readonly otherLinkType: number
  /** Blocks of packets that wait to be written. */
  readonly waiting: number
}

/** The events of a {@link Recording}. A listener for any other event is refused with `ERR_OPTION`. */
export interface RecordingEvents {
  /** A file is complete and has its name. */
  file: [file: RecordedFile]
  /** The recording has ended because of this error. */
  error: [error: CaptureError]
  /** The recording has ended, for whatever reason; all files that could be completed are. */
  end: [stats: RecordingStats]
}

/**
 * A recording in progress; started by {@link Capture.record}.
 *
 * It ends with {@link stop}, with the capture, or with an error: the disk is full (or has less than `minimumFree`), the
 * file was removed, or a file cannot be created or written. After an error the file keeps what is complete, the lost
 * packets are counted in `stats().dropped`, and the capture goes on without a recording. An error for which there is no
 * listener is emitted as the capture's `warning`; {@link finished} and {@link stop} reject with it in any case.
 */
export class Recording extends EventEmitter<RecordingEvents> implements AsyncDisposable {
  readonly #native: NativeRecording
  readonly #stop: () => void
  readonly #warn: (error: CaptureError) => void
  readonly #debug: DebugLog
  /** Resolves to the final figures when the recording has ended; rejects with the error that ended it. */
  readonly finished: Promise<RecordingStats>
  #pending: { resolve: (stats: RecordingStats) => void; reject: (error: CaptureError) => void } | undefined
  #error: CaptureError | undefined
  readonly #warned = { linkType: false, dropped: false }

  private constructor(
    by: typeof construction,
    native: NativeRecording,
    stop: () => void,
    warn: (error: CaptureError) => void,
    debug: DebugLog,
  ) {
    super()
    if (by !== construction) throw notConstructible('Recording', 'use capture.record()')
    this.#native = native
    this.#stop = stop
    this.#warn = warn
    this.#debug = debug
    this.finished = new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
    })
    // The event reports the error as well, so a rejection that is not handled must not end the process.
    this.finished.catch(() => {})
  }

  /** @internal */
  static _make(
    native: NativeRecording,
    stop: () => void,
    warn: (error: CaptureError) => void,
    debug: DebugLog,
  ): Recording {
    return new Recording(construction, native, stop, warn, debug)
  }

  /** What was written so far. */
  stats(): RecordingStats {
    return this.#native.stats()
  }

  /**
   * Ends the recording: everything received before this call is written, and the file is completed. Takes about the
   * capture's `chunk.maxDelay`, and as long as the disk needs. The capture goes on.
   *
   * @throws CaptureError (the promise rejects) the error that ended the recording before.
   */
  stop(): Promise<RecordingStats> {
    if (this.#pending) this.#stop()
    return this.finished
  }

  /** {@link stop}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Emits the events since the last call. Returns true once the recording has ended. @internal */
  _look(): boolean {
    if (!this.#pending) return true
    // Read first: if the recording has ended, all its files and faults are available below.
    const ended = this.#native.ended()
    const emissions: (() => void)[] = []
    for (let file = this.#native.nextFile(); file; file = this.#native.nextFile()) {
      const complete = freezeWithJson(file)
      this.#debug('complete: %s', complete)
      emissions.push(() => emitSafely(this, 'file', complete))
    }
    for (let fault = this.#native.nextFault(); fault; fault = this.#native.nextFault()) {
      const error = fault
      this.#error ??= error
      this.#debug('error %s: %s', error.code, error.message)
      emissions.push(() => {
        if (this.listenerCount('error') > 0) emitSafely(this, 'error', error)
        else this.#warn(error)
      })
    }
    const { otherLinkType, dropped } = this.stats()
    if (!this.#warned.dropped && dropped > 0 && !this.#error) {
      this.#warned.dropped = true
      const text = 'a recording does not keep up: packets are dropped, and counted in its stats()'
      emissions.push(() => this.#warn(new CaptureError('ERR_SYSTEM', text)))
    }
    if (!this.#warned.linkType && otherLinkType > 0) {
      this.#warned.linkType = true
      const text = 'a recording in the pcap format leaves out packets that have another link type than the file'
      emissions.push(() => this.#warn(new CaptureError('ERR_OPTION', text)))
    }
    if (ended) {
      const { resolve, reject } = this.#pending
      this.#pending = undefined
      const stats = this.stats()
      this.#debug('ended: %s', stats)
      emissions.push(() => {
        emitSafely(this, 'end', stats)
        if (this.#error) reject(this.#error)
        else resolve(stats)
      })
    }
    // Emitted after the present call, because a listener may call any method, including close().
    for (const emit of emissions) queueMicrotask(emit)
    return ended
  }
}

refuseUnknownEvents(
  Recording,
  { file: true, error: true, end: true },
  'Packets are never events: iterate over the capture, with "for await (const chunk of capture)"',
)
