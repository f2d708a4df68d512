import { EventEmitter } from 'node:events'
import type { DebugLog } from '../debug.js'
import { emitSafely, refuseUnknownEvents } from '../emit.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import { checkKeyLog, type KeyLog, noSecretsInPcap } from '../savefile/key-log.js'
import { freezeWithJson } from '../to-json.js'
import { checkExtract, type ExtractOptions, type ExtractResult, extractFiles } from './extract.js'
import { FileIndex } from './file-index.js'
import type { NativeRecording } from './native.js'
import type { RecordOptions } from './record-options.js'
import type { RecordedFile } from './recorded-file.js'

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

/** What a recording asks of its capture. @internal */
export interface RecordingControl {
  stop(): void
  mark(): void
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
  readonly #control: RecordingControl
  readonly #index: FileIndex
  readonly #rotates: boolean
  readonly #warn: (error: CaptureError) => void
  readonly #debug: DebugLog
  readonly #onFile: RecordOptions['onFile']
  readonly #pcapng: boolean
  /** Resolves when `onFile` has ended for every file so far. */
  #hooks: Promise<void> = Promise.resolve()
  /** Resolves to the final figures when the recording has ended; rejects with the error that ended it. */
  readonly finished: Promise<RecordingStats>
  #pending: { resolve: (stats: RecordingStats) => void; reject: (error: CaptureError) => void } | undefined
  #error: CaptureError | undefined
  /** Number of marks requested so far, and those that are not passed. */
  #marked = 0
  readonly #marks: { number: number; resolve: () => void }[] = []
  readonly #warned = { linkType: false, dropped: false }

  private constructor(
    by: typeof construction,
    native: NativeRecording,
    control: RecordingControl,
    warn: (error: CaptureError) => void,
    debug: DebugLog,
    options: RecordOptions,
  ) {
    super()
    if (by !== construction) throw notConstructible('Recording', 'use capture.record()')
    const { onFile, format, rotate, files } = options
    this.#native = native
    this.#control = control
    this.#rotates = rotate !== undefined
    // With onFile, files beyond the number are kept for as long as it takes.
    this.#index = new FileIndex(onFile ? undefined : files)
    this.#warn = warn
    this.#debug = debug
    this.#onFile = onFile
    this.#pcapng = format !== 'pcap'
    this.finished = new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
    })
    // The event reports the error as well, so a rejection that is not handled must not end the process.
    this.finished.catch(() => {})
  }

  /** @internal */
  static _make(
    native: NativeRecording,
    control: RecordingControl,
    warn: (error: CaptureError) => void,
    debug: DebugLog,
    options: RecordOptions,
  ): Recording {
    return new Recording(construction, native, control, warn, debug, options)
  }

  /** What was written so far. */
  stats(): RecordingStats {
    return this.#native.stats()
  }

  /**
   * Adds secrets of TLS connections ahead of every packet that is not written yet, so that Wireshark decrypts the file. Files
   * that begin later repeat the newest of them (64 KiB, and at most a quarter of `rotate.size`). Only pcapng. Given in the event
   * `keylog` of a TLS 1.2 client of this process, they are ahead of all packets that they decrypt. A TLS 1.3 server has one of
   * them, that of what the client sends, only when it reads the client's Finished, and the other ends have them a moment after
   * the first packet: what was written by then is not decrypted. Without effect when the recording has ended.
   *
   * ```ts
   * server.on('keylog', (line) => recording.addSecrets(line))
   * ```
   *
   * @throws CaptureError `ERR_OPTION`: not lines of a key log, or the format is pcap.
   */
  addSecrets(keyLog: KeyLog): void {
    const lines = checkKeyLog(keyLog, 'keyLog')
    if (!this.#pcapng) throw noSecretsInPcap()
    if (lines) this.#native.addSecrets(lines)
  }

  /**
   * Ends the recording: everything received before this call is written, and the file is completed. Takes about the
   * capture's `chunk.maxDelay`, and as long as the disk needs. The capture goes on.
   *
   * @throws CaptureError (the promise rejects) the error that ended the recording before.
   */
  stop(): Promise<RecordingStats> {
    if (this.#pending) this.#control.stop()
    return this.finished
  }

  /** {@link stop}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Copies the packets of a span out of the files of this recording into another one, in native code: of the files that are
   * complete, those whose times overlap with the span are read, and no others. If the span is not over before the file in
   * progress begins, that file is completed first, with everything that was received before this call; this is possible with
   * `rotate` alone. Packets in files that were removed are missing.
   *
   * Files that are read stay until that is done, whatever `files` and `minimumFree` say: by further, hidden names
   * (link(2)). Also after the end of the recording.
   *
   * ```ts
   * await recording.extract('/var/tmp/incident.pcapng', { from: new Date(Date.now() - 60_000), filter: 'host 192.0.2.7' })
   * ```
   *
   * @param output As for {@link convertFiles}. No file is written if the recording has none yet.
   * @throws CaptureError (the promise rejects) as {@link convertFiles} does; `ERR_OPTION` if the file in progress would be
   *   needed and there is no `rotate`.
   */
  async extract(output: string, options?: ExtractOptions): Promise<ExtractResult> {
    const { span, ...settings } = checkExtract(options)
    if (this.#pending && !this.#index.isBehind(span.to)) {
      if (!this.#rotates) {
        throw new CaptureError('ERR_OPTION', 'the recording has no rotate, so that its one file ends with it', {
          option: 'rotate',
        })
      }
      await this.#mark()
    }
    return await extractFiles(this.#index.within(span), output, { ...settings, ...span })
  }

  /** Resolves when everything received before this call is in complete files, or the recording has ended. */
  #mark(): Promise<void> {
    const number = ++this.#marked
    return new Promise((resolve) => {
      this.#marks.push({ number, resolve })
      this.#control.mark()
    })
  }

  /** Emits the events since the last call. Returns true once the recording has ended. @internal */
  _look(): boolean {
    if (!this.#pending) return true
    // Read first: if the recording has ended, all its files and faults are available below.
    const ended = this.#native.ended()
    const passed = ended ? this.#marked : this.#native.marksPassed()
    const emissions: (() => unknown)[] = []
    for (let file = this.#native.nextFile(); file; file = this.#native.nextFile()) {
      const complete = freezeWithJson(file)
      this.#debug('complete: %s', complete)
      this.#index.add(complete)
      emissions.push(() => {
        emitSafely(this, 'file', complete)
        if (this.#onFile) this.#hooks = this.#hooks.then(() => this.#handOver(complete))
      })
    }
    while (this.#marks[0] && this.#marks[0].number <= passed) this.#marks.shift()?.resolve()
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
      emissions.push(async () => {
        if (this.#onFile) await this.#hooks
        emitSafely(this, 'end', stats)
        if (this.#error) reject(this.#error)
        else resolve(stats)
      })
    }
    // Emitted after the present call, because a listener may call any method, including close().
    for (const emit of emissions) queueMicrotask(emit)
    return ended
  }

  /** Calls `onFile`, and waits for it; the file may be removed then. */
  async #handOver(file: RecordedFile): Promise<void> {
    try {
      await this.#onFile?.(file)
    } catch (error) {
      const text = `onFile failed for ${file.path}: ${textOf(error)}`
      this.#warn(new CaptureError('ERR_OPTION', text, { option: 'onFile', cause: error }))
    }
    // Without it the file is only kept for longer.
    await this.#native.releaseFile().catch(() => {})
  }
}

/** The text of what a callback threw, which may be anything. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'it threw an object that cannot be converted to a string'
  }
}

refuseUnknownEvents(
  Recording,
  { file: true, error: true, end: true },
  'Packets are never events: iterate over the capture, with "for await (const chunk of capture)"',
)
