import type { Writable } from 'node:stream'
import { checkFilter, checkGroup } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { WriterCounts } from '../native/layouts.js'
import { Packing, SavefileFormat } from '../native/numbers.js'
import type { Chunk } from '../packets/chunk.js'
import type { Compression } from '../packets/encode-options.js'
import type { Packet } from '../packets/packet.js'
import { freezeWithJson } from '../to-json.js'
import { packingOf } from './compression.js'
import { checkKeyLog, type KeyLog, noSecretsInPcap } from './key-log.js'
import type { NativeSavefileBuffer } from './native.js'
import { checkNewFile, checkPackedPath } from './output-path.js'
import { PacketEncoder } from './packet-encoder.js'
import { checkComments, formKeys, normaliseForm, type SavefileFormOptions } from './savefile-form.js'
import { checkStream, fromSystem, openTarget, type SavefileTarget, streamTarget } from './savefile-target.js'

/** Options of {@link SavefileWriter}. All are optional. */
export interface SavefileWriterOptions extends SavefileFormOptions {
  /** The filter that the packets have passed, stored in the file. Only pcapng. Default: none. */
  filter?: string | undefined
  /**
   * Compresses what is written, on another thread: gzip members or zstd frames, each of 1 MiB of packets, or of what
   * {@link SavefileWriter.flush} found. `.gz` or `.zst` is appended to a path that does not end so; without this option a
   * path with such an end is refused. Default false.
   */
  compress?: Compression | false | undefined
}

/** Options of {@link SavefileWriter.write}. */
export interface WriteOptions {
  /**
   * One or several comments on each of the packets, in addition to those that they have from a file: each up to 65532
   * bytes of UTF-8, together up to 512 KiB. Only pcapng. Default: none.
   */
  comment?: string | readonly string[] | undefined
}

/** What a {@link SavefileWriter} has written. In JSON its times are strings of decimal digits. */
export interface SavefileCounts {
  /** Packets. */
  readonly packets: number
  /** Bytes of these packets, as captured, with their VLAN tags. */
  readonly packetBytes: number
  /** Bytes of the file, before they are compressed. */
  readonly bytes: number
  /** The earliest time of the packets, nanoseconds since 1970-01-01 UTC; 0 if there are none. */
  readonly firstTimestamp: bigint
  /** The latest time of the packets. */
  readonly lastTimestamp: bigint
  /**
   * Packets with a time after February 2106 in a pcap file: they are stored with the latest time that pcap can hold.
   */
  readonly clampedTimestamps: number
}

/** Number of bytes collected before they are written. */
const writeSize = 256 * 1024
/** The same for bytes that are compressed: the less often that is begun anew, the smaller the file. */
const packSize = 1024 * 1024

/**
 * Writes packets and chunks to a pcapng or pcap file, or into a stream.
 *
 * ```ts
 * await using file = await SavefileWriter.open('dns.pcapng', { comment: 'resolver trouble' })
 * for await (const chunk of capture) await file.write(chunk)
 * ```
 *
 * It accepts live packets, copies, and packets that were read from files. A pcapng file describes each interface of the
 * packets once, and again after a rename; interfaces of several files are one if their descriptions are equal. A VLAN tag
 * that the kernel took out is put back. To record a capture without
 * its packets passing through JavaScript, use {@link Capture.record}.
 */
export class SavefileWriter implements AsyncDisposable {
  readonly #target: SavefileTarget
  readonly #encoder: PacketEncoder
  readonly #native: NativeSavefileBuffer
  readonly #pcapng: boolean
  /** One of `Packing`. */
  readonly #packing: number
  /** Bytes that were taken to be compressed. */
  #packed = 0
  readonly #counts = new ArrayBuffer(WriterCounts.WORDS * 8)
  #writing: Promise<void> = Promise.resolve()
  #error: unknown
  #closing: Promise<SavefileCounts> | undefined

  /**
   * Begins a file. Until {@link close} it has a hidden name (`.NAME.partial`): a file with its own name is complete. An
   * existing file is never overwritten, nor is one that appears in the meantime. The file is readable and writable for
   * its owner alone (mode 0600).
   *
   * @throws CaptureError (the promise rejects) `ERR_OPTION`; `ERR_PERMISSION` or `ERR_SYSTEM` with `errno` and
   *   `syscall`.
   */
  static async open(path: string, options?: SavefileWriterOptions): Promise<SavefileWriter> {
    const { packing } = checkOptions(options)
    const checked = packing === Packing.NONE ? checkNewFile(path, 'path') : checkPackedPath(path, packing)
    return new SavefileWriter(await openTarget(checked), options)
  }

  /**
   * Writes into a stream, which {@link close} ends.
   *
   * @throws CaptureError `ERR_OPTION`.
   */
  constructor(stream: Writable, options?: SavefileWriterOptions)
  /** @internal */
  constructor(target: SavefileTarget, options?: SavefileWriterOptions)
  constructor(target: Writable | SavefileTarget, given?: SavefileWriterOptions) {
    const { options, form, packing } = checkOptions(given)
    const own = typeof target === 'object' && target !== null && 'abandon' in target
    this.#target = own ? target : streamTarget(checkStream(target, 'stream'))
    this.#encoder = new PacketEncoder(form, options.filter)
    this.#native = this.#encoder.native
    this.#pcapng = form.format === SavefileFormat.PCAPNG
    this.#packing = packing
  }

  /**
   * Writes a chunk, a packet, or several packets. The packets are copied before this returns: a chunk may be released
   * immediately. The promise resolves when there is room for more; if it is not awaited, everything written is queued
   * in memory.
   *
   * @throws CaptureError (the promise rejects) `ERR_OPTION`: not packets, or, in pcap, packets whose link type is not
   *   that of the first one (those before are written); `ERR_RELEASED`; `ERR_CLOSED`; the error that ended the writing.
   */
  async write(packets: Chunk | Packet | Iterable<Packet>, options?: WriteOptions): Promise<void> {
    if (this.#closing) throw new CaptureError('ERR_CLOSED', 'the savefile is closed')
    if (this.#error) throw this.#error
    const { comment } = checkGroup(options, 'options', ['comment'])
    const comments = checkComments(comment, 'comment')
    if (comments && !this.#pcapng) throw optionError('comment', "left out with format 'pcap'", comment)
    this.#encoder.append(packets, comments)
    await this.#writeOut(this.#packing === Packing.NONE ? writeSize : packSize)
  }

  /**
   * Writes secrets of TLS connections, for the packets that are written after them: Wireshark decrypts these. Only pcapng.
   * Resolves as {@link write} does.
   *
   * @throws CaptureError (the promise rejects) `ERR_OPTION`: not lines of a key log, or the format is pcap; `ERR_CLOSED`; the
   *   error that ended the writing.
   */
  async addSecrets(keyLog: KeyLog): Promise<void> {
    if (this.#closing) throw new CaptureError('ERR_CLOSED', 'the savefile is closed')
    if (this.#error) throw this.#error
    const lines = checkKeyLog(keyLog, 'keyLog')
    if (!this.#pcapng) throw noSecretsInPcap()
    if (lines) this.#native.secrets(lines)
    await this.#writeOut(this.#packing === Packing.NONE ? writeSize : packSize)
  }

  /**
   * Writes what is buffered. Resolves when the system has it.
   *
   * @throws CaptureError (the promise rejects) the error that ended the writing.
   */
  async flush(): Promise<void> {
    await this.#writeOut(1)
    await this.#writing
    if (this.#error) throw this.#error
  }

  /** What was given to {@link write} so far. */
  get stats(): SavefileCounts {
    this.#native.take(Number.MAX_SAFE_INTEGER, this.#counts)
    const numbers = new Float64Array(this.#counts)
    const times = new BigUint64Array(this.#counts)
    return freezeWithJson({
      packets: numbers[WriterCounts.PACKETS] as number,
      packetBytes: numbers[WriterCounts.PACKET_BYTES] as number,
      bytes: numbers[WriterCounts.BYTES] as number,
      firstTimestamp: times[WriterCounts.FIRST_TIMESTAMP] as bigint,
      lastTimestamp: times[WriterCounts.LAST_TIMESTAMP] as bigint,
      clampedTimestamps: numbers[WriterCounts.CLAMPED_TIMES] as number,
    })
  }

  /**
   * Completes the file and gives it its name. Calling it again returns the same promise.
   *
   * @throws CaptureError (the promise rejects) the error that ended the writing.
   */
  close(): Promise<SavefileCounts> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /**
   * Ends the writing without completing the file, and removes what was written of it; a stream is destroyed. For a file that
   * is of no use unless it is whole: without this, what was written before an error stays under the hidden name. Does nothing
   * after {@link close}, whose promise rejects with `ERR_CLOSED` after this.
   */
  async discard(): Promise<void> {
    if (this.#closing) return
    this.#error ??= new CaptureError('ERR_CLOSED', 'the savefile was discarded')
    const removed = this.#writing.then(() => this.#target.discard())
    this.#closing = removed.then(() => {
      throw this.#error
    })
    this.#closing.catch(() => {})
    await removed
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<SavefileCounts> {
    if (!this.#error) {
      const { firstTimestamp, lastTimestamp } = this.stats
      this.#encoder.end(firstTimestamp, lastTimestamp)
      await this.#writeOut(1).catch(() => {})
    }
    await this.#writing
    if (this.#error) {
      await this.#target.abandon()
      throw this.#error
    }
    await this.#target.close()
    const { stats } = this
    if (stats.clampedTimestamps > 0) {
      process.emitWarning(
        `the times of ${stats.clampedTimestamps} packet(s) are after February 2106, the last that pcap can tell; write pcapng`,
        { type: 'CaptureWarning', code: 'ERR_OPTION' },
      )
    }
    return stats
  }

  /**
   * Starts to write the collected bytes if there are at least `min`; resolves when the previous write is complete.
   */
  async #writeOut(min: number): Promise<void> {
    const before = this.#writing
    const bytes = this.#take(min)
    if (!bytes) return
    this.#writing = before
      .then(async () => {
        const ready = await bytes
        if (!this.#error) await this.#target.write(ready)
      })
      .catch((error) => {
        this.#error ??= fromSystem(error)
      })
    await before
    if (this.#error) throw this.#error
  }

  /** Takes the collected bytes, as they are to be written, if there are at least `min`. */
  #take(min: number): Uint8Array | Promise<Uint8Array> | undefined {
    if (this.#packing === Packing.NONE) return this.#native.take(min, this.#counts)
    const { bytes } = this.stats
    if (bytes - this.#packed < min) return undefined
    this.#packed = bytes
    const packed = this.#native.pack(this.#packing) as Promise<Uint8Array>
    // Its error is reported when its turn to be written has come.
    packed.catch(() => {})
    return packed
  }
}

function checkOptions(given: SavefileWriterOptions | undefined) {
  const options = checkGroup(given, 'options', ['filter', 'compress', ...formKeys])
  checkFilter(options.filter, 'filter')
  return { options, form: normaliseForm(options), packing: packingOf(options.compress, 'compress') }
}
