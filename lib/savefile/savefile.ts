import { EventEmitter } from 'node:events'
import { abortReason, throwIfAborted } from '../arguments.js'
import { debugLog } from '../debug.js'
import { emitSafely, refuseUnknownEvents } from '../emit.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import { ChunkMeta } from '../native/layouts.js'
import { NoBlock } from '../native/numbers.js'
import { Chunk } from '../packets/chunk.js'
import { IterationPacer, iterateChunks } from '../packets/chunk-iteration.js'
import { ChunkMemory } from '../packets/chunk-memory.js'
import type { Packet } from '../packets/packet.js'
import { encodeChunk } from './encode-chunk.js'
import { FileSelection } from './file-selection.js'
import type { NativeSavefile } from './native.js'
import { SavefileContents } from './savefile-contents.js'
import type { SavefileEvents, SavefileProgress, SavefileStats } from './savefile-events.js'
import type { SavefileBlock, SavefileInterface, SavefileSection } from './savefile-metadata.js'
import type { OpeningSavefileOptions } from './savefile-options.js'
import { type OpenedSource, Pump } from './savefile-source.js'

/** More events are queued; they are taken in a later turn of the event loop. */
const LATER = -1

const progressInterval = 100
/** Approximate number of options and blocks converted to objects in one turn of the event loop. */
const workAtOnce = 2048

/**
 * A savefile that is read once, from start to end. Created by {@link openFile}.
 *
 * It is read a few chunks ahead and no further: an iteration that pauses pauses the reading. It keeps the process
 * running only while an iteration waits. At the end of the file, or of an iteration that fails, it closes itself.
 */
export class Savefile extends EventEmitter<SavefileEvents> implements AsyncIterable<Chunk>, AsyncDisposable {
  readonly #native: NativeSavefile
  readonly #source: OpenedSource
  readonly #options: OpeningSavefileOptions
  readonly #pump: Pump | undefined
  readonly #meta = new Float64Array(ChunkMeta.WORDS)
  readonly #times = new BigUint64Array(this.#meta.buffer)
  readonly #pacer = new IterationPacer()
  readonly #contents = new SavefileContents()
  readonly #debug = debugLog('savefile')
  readonly #selection: FileSelection
  #ready = false
  /** Events from before the file was returned to the caller, who can only then add listeners. */
  #announcements: (() => void)[] | undefined = []
  #held = true
  #delivered = { packets: 0, bytes: 0, position: 0 }
  #progressAt = 0
  #lastStats: SavefileStats | undefined
  #closing: Promise<void> | undefined
  /** Resolves the wait of `#close()` for the end of the reader's thread. */
  #awake: (() => void) | undefined
  #ended: { error: unknown } | undefined
  /** An exception of a function among the patterns about an interface in front of the first packet: refuses the file. */
  #refused: { error: unknown } | undefined

  private constructor(
    by: typeof construction,
    reader: NativeSavefile,
    source: OpenedSource,
    options: OpeningSavefileOptions,
  ) {
    super()
    if (by !== construction) throw notConstructible('Savefile', 'use openFile()')
    this.#native = reader
    this.#source = source
    this.#options = options
    this.#selection = new FileSelection(options.selection)
    this.#pump = source.stream && new Pump(source.stream, reader)
    void this.#pump?.run()
  }

  /** @internal */
  static _make(reader: NativeSavefile, source: OpenedSource, options: OpeningSavefileOptions): Savefile {
    return new Savefile(construction, reader, source, options)
  }

  /** Resolves when the reader has recognised the file and emitted `ready`. @internal */
  async _open(): Promise<this> {
    const { signal, selection } = this.#options
    try {
      throwIfAborted(signal)
      signal?.addEventListener('abort', this.#onAbort, { once: true })
      for (;;) {
        for (let left = workAtOnce; !this.#ready && left > 0; ) {
          const work = this.#takeEvent()
          if (work === 0) break
          left -= work
        }
        if (this.#ended) throw this.#ended.error
        if (this.#ready) break
        const next = this.#native.nextChunk(this.#meta.buffer)
        if (next === NoBlock.FINISHED) throw this.#failure() ?? closedError()
        if (next === NoBlock.EVENTS_FIRST) await this.#pacer.yield()
        else await this.#pacer.wait()
      }
      if (this.#refused) throw this.#refused.error
      if (this.format === 'pcap' && this.#selection.isEmpty) throw this.#nothingSelected()
    } catch (error) {
      this.#debug('not opened: %s', (error as Error)?.message)
      await this.close()
      throw error
    }
    this.#debug('open: %s%s', this.#source.label, this.format)
    this.#hold(false)
    for (const text of selection?.warnings ?? []) this.#announce(() => this.#warn(text))
    const announcements = this.#announcements ?? []
    this.#announcements = undefined
    for (const announce of announcements) setImmediate(announce)
    return this
  }

  /** The format of the file, recognised by its content. */
  get format(): 'pcap' | 'pcapng' {
    return this.#contents.format
  }

  /** The sections read so far, the latest 1024 of them (or 8 MiB). A pcap file has one. */
  get sections(): readonly SavefileSection[] {
    return this.#contents.sections
  }

  /**
   * The interfaces read so far, selected or not: after opening, those in front of the first packet (of a stream, as far
   * as its bytes had arrived); later those in front of the packets delivered. Of past sections only the latest 4096 are
   * kept, and 8 MiB of their descriptions.
   */
  get interfaces(): readonly SavefileInterface[] {
    return this.#contents.interfaces
  }

  /** The blocks read so far of the kinds that `keep` names. */
  get blocks(): readonly SavefileBlock[] {
    return this.#contents.blocks
  }

  /** The ledger of the file. After the end it stays as it was last. */
  stats(): SavefileStats {
    if (!this.#closing) {
      const { bytesRead, unpacked, packets, unselected, filtered, skippedBlocks, clampedTimes } = this.#native.stats()
      this.#lastStats = {
        ...this.#progress(),
        bytes: this.#delivered.bytes,
        bytesRead,
        bytesUnpacked: unpacked,
        packetsRead: packets,
        unselected,
        filtered,
        skippedBlocks,
        clampedTimestamps: clampedTimes,
      }
    }
    return this.#lastStats as SavefileStats
  }

  /**
   * Iterates over the chunks to the end of the file. A chunk is released when the loop takes the next one, or ends; to
   * keep one, use {@link Chunk.retain}. Leaving the loop does not close the file: another loop continues from there.
   *
   * If the file is damaged or cut short, everything before that is delivered; then the loop throws.
   *
   * @throws CaptureError `ERR_FILE_DAMAGED`, `ERR_FILE_TRUNCATED` with `offset`; `ERR_FILE_FORMAT` if a later section
   *   is of a version that cannot be read; `ERR_FILTER_TOO_LARGE`, `ERR_SYSTEM`. At the end of the file
   *   `ERR_NO_INTERFACE` if nothing of it was selected, and `ERR_PATTERN` if a function among the patterns threw (the
   *   interface that it was called with is not selected). The error of a source stream, and the reason of an aborted
   *   signal, are thrown as they are.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Chunk> {
    return iterateChunks({ next: (ended) => this.#next(ended), wake: () => this.#pacer.wake() })
  }

  /**
   * Iterates over the packets, for convenience: much slower than chunks. A packet is valid until the loop takes the
   * first packet of the next chunk; to keep one, use {@link Packet.copy}.
   */
  async *packets(): AsyncGenerator<Packet, void, undefined> {
    for await (const chunk of this) yield* chunk
  }

  /**
   * Closes the file: chunks that are lent out are released, iterations end, a source stream is destroyed. Resolves when
   * the reader's thread has ended and an iterable source has returned, as when a `for await` loop is left; so the source
   * must not wait for the file. An iterable that has not brought what it was asked for is not waited for. Legal in any
   * state, any number of times; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.stats()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#hold(true)
    this.#native.close()
    const stopped = this.#pump?.stop()
    this.#pacer.wake()
    while (!this.#native.closed()) {
      await new Promise<void>((resolve) => {
        this.#awake = resolve
      })
    }
    await stopped
    this.#debug('closed: %s', this.#lastStats)
    emitSafely(this, 'close')
  }

  readonly #onAbort = (): void => {
    this.#ended ??= { error: abortReason(this.#options.signal) }
    void this.close()
  }

  async #next(ended: () => boolean): Promise<Chunk | undefined> {
    for (;;) {
      if (this.#ended) throw this.#ended.error
      if (this.#closing || ended()) return undefined
      const due = this.#pacer.yieldIfDue()
      if (due) {
        await due
        continue
      }
      const chunk = this.#pull()
      this.#tellProgress(chunk === undefined)
      if (chunk === undefined) {
        const error = this.#selection.failure?.error ?? this.#failure() ?? this.#nothingOfIt()
        if (error !== undefined) this.#ended = { error }
        await this.close()
        if (error !== undefined) throw error
        return undefined
      }
      if (typeof chunk === 'object') return chunk
      if (chunk === LATER) await this.#pacer.yield()
      else await this.#wait()
    }
  }

  async #wait(): Promise<void> {
    this.#hold(true)
    const timer = setInterval(() => this.#tellProgress(false), progressInterval)
    timer.unref()
    await this.#pacer.wait()
    clearInterval(timer)
    if (!this.#pacer.waiting) this.#hold(false)
  }

  #hold(held: boolean): void {
    if (this.#closing || held === this.#held) return
    this.#held = held
    this.#native.hold(held)
  }

  /** The next chunk. Takes only the events that precede it in the file. */
  #pull(): Chunk | undefined | typeof NoBlock.EMPTY | typeof LATER {
    for (let left = workAtOnce; left > 0; ) {
      const block = this.#native.nextChunk(this.#meta.buffer)
      if (block === NoBlock.EMPTY) return block
      if (block !== NoBlock.EVENTS_FIRST) return typeof block === 'number' ? undefined : this.#chunk(block)
      left -= this.#takeEvent()
    }
    return LATER
  }

  #chunk(buffer: ArrayBuffer): Chunk {
    const meta = this.#meta
    const lease = meta[ChunkMeta.LEASE] as number
    const packetCount = meta[ChunkMeta.PACKETS] as number
    const byteLength = meta[ChunkMeta.BYTES] as number
    this.#delivered.packets += packetCount
    this.#delivered.bytes += byteLength
    this.#delivered.position = meta[ChunkMeta.POSITION] as number
    return Chunk._make({
      memory: new ChunkMemory(buffer, this.#contents.resolve, true),
      packetCount,
      byteLength,
      firstTimestamp: this.#times[ChunkMeta.FIRST_TIMESTAMP] as bigint,
      lastTimestamp: this.#times[ChunkMeta.LAST_TIMESTAMP] as bigint,
      release: (exposed) => this.#native.release(lease, exposed),
      encode: encodeChunk,
    })
  }

  /** The error that ended the reading, if any. */
  #failure(): unknown {
    // A stream that fails is also truncated for the reader; the stream's error is the cause.
    if (this.#pump?.failure) return this.#pump.failure.error
    const failure = this.#native.failure()
    if (!failure) return undefined
    const { code, message, errno, syscall, offset } = failure
    if (code.startsWith('ERR_FILTER')) return new CaptureError(code, message, { option: 'filter' })
    return new CaptureError(code, this.#source.label + message, { errno, syscall, offset })
  }

  #nothingSelected(): CaptureError {
    return this.#selection.missing(this.#source.label, this.interfaces)
  }

  /** At the end of the file: an error if nothing was selected; warns if only some names are missing. */
  #nothingOfIt(): CaptureError | undefined {
    if (this.#selection.isEmpty) return this.#nothingSelected()
    if (this.#selection.lacksNames) this.#warn(this.#nothingSelected().message, 'ERR_NO_INTERFACE')
    return undefined
  }

  #progress(): SavefileProgress {
    const { packets, position } = this.#delivered
    return { bytesDone: position, size: this.#source.size, packets }
  }

  #tellProgress(last: boolean): void {
    if (this.listenerCount('progress') === 0) return
    const now = performance.now()
    if (!last && now - this.#progressAt < progressInterval) return
    this.#progressAt = now
    // While no packet passes the filter nothing is delivered, but the reading advances.
    const { bytesRead } = this.#native.stats()
    const waiting = this.#pacer.waiting || last
    const progress = this.#progress()
    const bytesDone = waiting ? Math.max(progress.bytesDone, bytesRead) : progress.bytesDone
    emitSafely(this, 'progress', { ...progress, bytesDone })
  }

  /** Called when the reader has an event, a chunk, or room for more bytes. @internal */
  _wake(): void {
    if (this.#closing) {
      this.#awake?.()
      return
    }
    this.#pump?.wake()
    this.#pacer.wake()
  }

  /** Takes the next event. Returns its cost in units of {@link workAtOnce}; 0 if there was no event. */
  #takeEvent(): number {
    const event = this.#native.nextEvent()
    switch (event?.kind) {
      case undefined:
        return 0
      case 'ready':
        this.#ready = true
        this.#refused = this.#selection.failure
        return 1
      case 'warning':
        this.#announce(() => this.#warn(event.text))
        return 1
      case 'section':
        this.#contents.addSection(event)
        return 8 + event.options.length
      case 'interface':
        this.#learn(this.#contents.addInterface(event))
        return 8 + event.options.length
      case 'block':
        this.#contents.addBlock(event)
        return 8 + event.body.length / 256
    }
  }

  /** Decides on an interface and emits the event. */
  #learn(iface: SavefileInterface): void {
    const { selected, text } = this.#selection.decide(iface)
    if (text !== undefined) this.#debug('interface %s: %s', iface.index, text)
    if (this.#options.selection) this.#native.decide(iface.index, selected)
    this.#announce(() => emitSafely(this, 'interface', iface, selected))
  }

  /** Emits an event after the present call, and not before the caller of `openFile()` could add listeners. */
  #announce(event: () => void): void {
    if (this.#announcements) this.#announcements.push(event)
    else setImmediate(event)
  }

  #warn(text: string, code: 'ERR_OPTION' | 'ERR_NO_INTERFACE' = 'ERR_OPTION'): void {
    const warning = new CaptureError(code, text)
    this.#debug('warning %s: %s', code, text)
    if (this.listenerCount('warning') > 0) emitSafely(this, 'warning', warning)
    else process.emitWarning(warning.message, { type: 'CaptureWarning', code: warning.code })
  }
}

refuseUnknownEvents(
  Savefile,
  { interface: true, progress: true, warning: true, close: true },
  'Packets are never events: iterate, with "for await (const chunk of file)"; errors are thrown there',
)

function closedError(): CaptureError {
  return new CaptureError('ERR_CLOSED', 'the savefile was closed')
}
