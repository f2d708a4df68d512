import { endianness } from 'node:os'
import type { Writable } from 'node:stream'
import { abortReason, throwIfAborted } from '../arguments.js'
import { debugLog } from '../debug.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import type { Selection } from '../interfaces/selection.js'
import type { SocketOwners } from '../owners/socket-owners.js'
import { checkNewFile } from '../savefile/output-path.js'
import { toInterface, toSection } from '../savefile/savefile-metadata.js'
import { checkStream, fromSystem, openTarget, type SavefileTarget, streamTarget } from '../savefile/savefile-target.js'
import { freezeWithJson } from '../to-json.js'
import {
  type FlightDumpOptions,
  type FlightRecorderOptions,
  normaliseDumpOptions,
  normaliseFlightOptions,
} from './flight-options.js'
import type { NativeFlight, NativeFlightDump, NativeRecorder } from './native.js'
import { ownersHandle } from './recorded-owners.js'

/** What a {@link FlightRecorder} holds. In JSON its times are strings of decimal digits. */
export interface FlightRecorderStats {
  /** Packets held, without those of the last second at most. */
  readonly packets: number
  /** Bytes of memory that they take. */
  readonly memory: number
  /** The earliest time of these packets, nanoseconds since 1970-01-01 UTC; 0 if there are none. */
  readonly firstTimestamp: bigint
  /** The latest time of these packets. */
  readonly lastTimestamp: bigint
  /** Packets that the recorder never held, because it did not keep up and ring and overflow memory were used up. */
  readonly dropped: number
}

/** What {@link FlightRecorder.dump} has written. In JSON its times are strings of decimal digits. */
export interface FlightDump {
  /** The earliest time that a packet may have, nanoseconds since 1970-01-01 UTC; 0 without `before`. */
  readonly from: bigint
  /** The latest time that a packet may have. */
  readonly to: bigint
  /** Packets. */
  readonly packets: number
  /** Bytes of these packets, as captured, with their VLAN tags. */
  readonly packetBytes: number
  /** Bytes of the file. */
  readonly bytes: number
  /** The earliest time of the packets, nanoseconds since 1970-01-01 UTC; 0 if there are none. */
  readonly firstTimestamp: bigint
  /** The latest time of the packets. */
  readonly lastTimestamp: bigint
  /**
   * Packets of these interfaces that were lost in the span before they were held, by whatever cause, as in the file's
   * statistics. Losses are known by the second at most: those of the seconds in which the span begins and ends are
   * included.
   */
  readonly lost: number
  /**
   * Packets of any interface that newer ones replaced in memory before they could be written, because the target was
   * slower than the traffic, or the span longer than what the memory holds; 0 for a span that fits.
   */
  readonly overwritten: number
}

/** The part of a capture that its flight recorder uses. @internal */
export interface FlownCapture {
  /** The filter expression in force now. */
  filter(): string | undefined
  /** Whose packets are; `undefined` if the capture was opened without. */
  owners(): SocketOwners | undefined
  warn(warning: CaptureError): void
}

/**
 * Keeps the newest packets of a capture in bounded memory; made by {@link Capture.flightRecorder}.
 *
 * After {@link Capture.stop} and {@link Capture.close} it still holds what it has, until {@link stop}.
 */
export class FlightRecorder implements AsyncDisposable {
  readonly #native: NativeFlight
  readonly #recorder: NativeRecorder
  readonly #capture: FlownCapture
  readonly #debug = debugLog('flight')
  readonly #dumps = new Set<Promise<unknown>>()
  #warned = false
  #stopping: Promise<void> | undefined
  #end: (() => void) | undefined
  readonly #ended: Promise<void>

  private constructor(by: typeof construction, recorder: NativeRecorder, native: NativeFlight, capture: FlownCapture) {
    if (by !== construction) throw notConstructible('FlightRecorder', 'use capture.flightRecorder()')
    this.#recorder = recorder
    this.#native = native
    this.#capture = capture
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** @internal */
  static _begin(
    recorder: NativeRecorder,
    given: FlightRecorderOptions | undefined,
    capture: FlownCapture,
  ): FlightRecorder {
    const options = normaliseFlightOptions(given)
    const owners = ownersHandle(options.owners, capture.owners())
    const native = recorder.flight({ ...options, filter: capture.filter(), owners })
    const flight = new FlightRecorder(construction, recorder, native, capture)
    flight.#debug('begun with %s', options)
    return flight
  }

  /** Whether it still takes packets. @internal */
  get _active(): boolean {
    return this.#end !== undefined
  }

  /** What is held now. */
  stats(): FlightRecorderStats {
    return freezeWithJson(this.#native.stats())
  }

  /**
   * Writes the packets from `before` seconds before this call to `after` seconds after it as a pcapng file: every packet
   * with a time in this span that was received, once, however many dumps there are at the same time. The file ends with
   * statistics of its interfaces, which have the losses.
   *
   * Resolves when the file is complete: about the capture's `chunk.maxDelay` after the span. Until the target has taken
   * them, packets are only where they are held: those that newer ones replace before count as `overwritten`.
   *
   * @param target The path of a file, which has a hidden name (`.NAME.partial`) until it is complete and never replaces
   *   another; or a stream, which is ended.
   * @throws CaptureError (the promise rejects) `ERR_OPTION`; `ERR_PATTERN`; `ERR_FILTER_SYNTAX`; `ERR_FILTER_TOO_LARGE`;
   *   `ERR_CLOSED` after {@link stop}; `ERR_PERMISSION` or `ERR_SYSTEM` if the target fails. The reason of an aborted `signal`,
   *   unchanged.
   */
  async dump(target: string | Writable, options?: FlightDumpOptions): Promise<FlightDump> {
    const path = typeof target === 'string' ? checkNewFile(target, 'target') : undefined
    const stream = path === undefined ? checkStream(target, 'target', 'a path or a writable stream') : undefined
    const { native, selection, signal } = normaliseDumpOptions(options)
    throwIfAborted(signal)
    if (this.#stopping) throw new CaptureError('ERR_CLOSED', 'the flight recorder was stopped')
    // The span is around this call. Compiling may take a while, and the dump waits for it.
    const compiled = selection?.compile()
    compiled?.catch(() => undefined)
    const dump = this.#native.dump(native)
    this.#recorder.markFlight(dump.handle, Math.ceil(native.after))
    this.#debug('dumping with %s', native)
    const open = () => (stream ? streamTarget(stream) : openTarget(path as string))
    const written = this.#write(dump, compiled, open, signal)
    this.#dumps.add(written)
    try {
      return await written
    } finally {
      this.#dumps.delete(written)
    }
  }

  async #write(
    dump: NativeFlightDump,
    compiled: Promise<Selection> | undefined,
    open: () => SavefileTarget | Promise<SavefileTarget>,
    signal: AbortSignal | undefined,
  ): Promise<FlightDump> {
    let target: SavefileTarget | undefined
    let writing: Promise<void> | undefined
    let abort = () => {}
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        dump.cancel()
        reject(abortReason(signal))
      }
    })
    aborted.catch(() => {})
    signal?.addEventListener('abort', abort, { once: true })
    let bytes = 0
    try {
      const selection = await compiled
      for (;;) {
        const piece = await Promise.race([dump.next(), aborted])
        const question = dump.question()
        if (question) dump.answer(selection?.decide(toInterface(question, ownSection, true)).selected ?? true)
        // Opened once the filter is known to be right.
        target ??= await open()
        if (!piece && question) continue
        if (!piece) break
        bytes += piece.length
        writing = target.write(piece)
        await Promise.race([writing, aborted])
      }
      throwIfAborted(signal)
      await target.close()
    } catch (error) {
      dump.cancel()
      await abandon(target, writing)
      throw signal?.aborted ? error : fromSystem(error)
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    const { warnings, ...counts } = dump.counts()
    for (const text of warnings) this.#capture.warn(new CaptureError('ERR_OPTION', text, { option: 'filter' }))
    for (const text of (await compiled)?.warnings ?? []) this.#capture.warn(new CaptureError('ERR_OPTION', text))
    const done = freezeWithJson({ ...counts, bytes })
    this.#debug('dumped: %s', done)
    return done
  }

  /**
   * Ends the recorder and frees its memory, once the dumps in progress are complete; those have what was received up to
   * now. The capture goes on.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** {@link stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    if (this.#end) this.#recorder.endFlight()
    await this.#ended
    await Promise.allSettled(this.#dumps)
    this.#native.clear()
    this.#debug('ended')
  }

  /** Called when the recorder may have faults or its end to report. @internal */
  _look(): void {
    if (!this.#end) return
    const ended = this.#native.ended()
    for (let fault = this.#native.nextFault(); fault; fault = this.#native.nextFault()) this.#warnLater(fault)
    if (!this.#warned && this.#native.stats().dropped > 0) {
      this.#warned = true
      const text = 'the flight recorder does not keep up: packets are dropped, and counted in its stats()'
      this.#warnLater(new CaptureError('ERR_SYSTEM', text))
    }
    if (!ended) return
    this.#end()
    this.#end = undefined
  }

  // After the present call, because a listener may call any method, including close().
  #warnLater(warning: CaptureError): void {
    queueMicrotask(() => this.#capture.warn(warning))
  }
}

/** The section that the recorder's interfaces are described in: this machine's. */
const ownSection = toSection(
  { kind: 'section', pcapng: true, bigEndian: endianness() === 'BE', major: 1, minor: 0, fresh: true, options: [] },
  0,
)

/** A file's write has to end before the file is abandoned; a stream's may never end by itself. */
async function abandon(target: SavefileTarget | undefined, writing: Promise<void> | undefined): Promise<void> {
  if (!target) return
  if (target.concurrent) writing?.catch(() => {})
  else await writing?.catch(() => {})
  await target.abandon()
}
