import type { Writable } from 'node:stream'
import { checkFilter, checkGroup } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { WriterCounts } from '../native/layouts.js'
import { Chunk } from '../packets/chunk.js'
import type { ChunkMemory } from '../packets/chunk-memory.js'
import { Packet } from '../packets/packet.js'
import { freezeWithJson } from '../to-json.js'
import type { NativeSavefileBuffer } from './native.js'
import { native } from './native.js'
import { checkNewFile } from './output-path.js'
import { checkComments, formKeys, maxCaptured, normaliseForm, type SavefileFormOptions } from './savefile-form.js'

/** Options of {@link SavefileWriter}. All are optional. */
export interface SavefileWriterOptions extends SavefileFormOptions {
  /** The filter that the packets have passed, stored in the file. Only pcapng. Default: none. */
  filter?: string | undefined
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
  /** Bytes of the file. */
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

const accepted = 'a chunk, a packet or an iterable of packets'
const acceptedNotBytes = `${accepted}: the packet itself, not packet.data, for bytes have no time and no interface`

/** The destination of a writer. @internal */
interface Target {
  write(bytes: Buffer): Promise<void>
  close(): Promise<void>
  /** Called after an error; no other call follows. */
  abandon(): Promise<void>
}

/**
 * Writes packets and chunks to a pcapng or pcap file, or into a stream.
 *
 * ```ts
 * await using file = await SavefileWriter.open('dns.pcapng', { comment: 'resolver trouble' })
 * for await (const chunk of capture) await file.write(chunk)
 * ```
 *
 * It accepts live packets, copies, and packets that were read from files. A pcapng file describes each interface of the
 * packets once, and again after a rename; a VLAN tag that the kernel took out is put back. To record a capture without
 * its packets passing through JavaScript, use {@link Capture.record}.
 */
export class SavefileWriter implements AsyncDisposable {
  readonly #target: Target
  readonly #native: NativeSavefileBuffer
  readonly #pcapng: boolean
  readonly #filter: string | undefined
  readonly #ids = new Map<string, number>()
  readonly #known = new WeakMap<NetworkInterface, Map<number | undefined, number>>()
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
    checkNewFile(path, 'path')
    checkOptions(options)
    return new SavefileWriter(await openFile(path), options)
  }

  /**
   * Writes into a stream, which {@link close} ends.
   *
   * @throws CaptureError `ERR_OPTION`.
   */
  constructor(stream: Writable, options?: SavefileWriterOptions)
  /** @internal */
  constructor(target: Target, options?: SavefileWriterOptions)
  constructor(target: Writable | Target, given?: SavefileWriterOptions) {
    const { options, form } = checkOptions(given)
    if (typeof target !== 'object' || target === null || typeof target.write !== 'function') {
      throw optionError('stream', 'a writable stream', target)
    }
    if (!('abandon' in target) && (typeof target.on !== 'function' || typeof target.end !== 'function')) {
      throw optionError('stream', 'a writable stream', target)
    }
    this.#target = 'abandon' in target ? target : streamTarget(target)
    this.#native = new (native().SavefileBuffer)(form)
    this.#pcapng = form.format === 0
    this.#filter = options.filter
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
    if (packets instanceof Chunk) this.#append(packets._memory(), packets._entries(), packets, comments)
    else this.#appendPackets(packets instanceof Packet ? [packets] : packets, comments)
    await this.#writeOut(writeSize)
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

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<SavefileCounts> {
    if (!this.#error) {
      if (this.#pcapng) {
        const { firstTimestamp, lastTimestamp } = this.stats
        for (const id of this.#ids.values()) this.#native.statistics(id, firstTimestamp, lastTimestamp, undefined)
      }
      this.#native.end()
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
        `${stats.clampedTimestamps} packets are of after February 2106, the last time that pcap can tell; write pcapng`,
        { type: 'CaptureWarning', code: 'ERR_OPTION' },
      )
    }
    return stats
  }

  /**
   * Starts to write the collected bytes if there are at least `least`; resolves when the previous write is complete.
   */
  async #writeOut(least: number): Promise<void> {
    const before = this.#writing
    const bytes = this.#native.take(least, this.#counts)
    if (!bytes) return
    this.#writing = before
      .then(() => (this.#error ? undefined : this.#target.write(bytes)))
      .catch((error) => {
        this.#error ??= fromSystem(error)
      })
    await before
    if (this.#error) throw this.#error
  }

  #appendPackets(packets: Iterable<Packet>, comments: readonly string[] | undefined): void {
    if (ArrayBuffer.isView(packets)) throw optionError('packets', acceptedNotBytes, packets)
    if (typeof packets?.[Symbol.iterator] !== 'function' || typeof packets === 'string') {
      throw optionError('packets', accepted, packets)
    }
    // Consecutive packets of the same chunk are passed to the addon in one call.
    let memory: ChunkMemory | undefined
    let run: Packet[] = []
    const end = () => {
      if (memory)
        this.#append(
          memory,
          Uint32Array.from(run, (packet) => packet._entry),
          run,
          comments,
        )
      run = []
    }
    for (const packet of packets) {
      if (!(packet instanceof Packet))
        throw optionError('packets', ArrayBuffer.isView(packet) ? acceptedNotBytes : accepted, packet)
      if (packet._memory !== memory) {
        end()
        memory = packet._memory
      }
      run.push(packet)
    }
    end()
  }

  #append(
    memory: ChunkMemory,
    entries: Uint32Array,
    packets: Iterable<Packet>,
    comments: readonly string[] | undefined,
  ): void {
    if (memory.released) {
      throw new CaptureError('ERR_RELEASED', 'the chunk was released; to keep packets, copy() or retain() them before')
    }
    const ids = new Uint32Array(entries.length)
    const visit = (packet: Packet, index: number) => {
      ids[index] = this.#idOf(packet)
    }
    if (packets instanceof Chunk) packets.forEach(visit)
    else (packets as Packet[]).forEach(visit)
    const written = this.#native.append(memory.u8, entries, ids, comments)
    if (written === entries.length) return
    throw new CaptureError(
      'ERR_OPTION',
      `a pcap file has packets of one link type, ${this.#native.linkType()} here; write pcapng, or a file for each link type`,
    )
  }

  #idOf(packet: Packet): number {
    const iface = packet.interface
    const { linkType } = packet
    const known = this.#known.get(iface)?.get(linkType)
    if (known !== undefined) return known
    const key = JSON.stringify([iface.index, iface.generation, iface.name, linkType, iface.address, iface.kind])
    let id = this.#ids.get(key)
    if (id === undefined) {
      id = this.#native.addInterface({
        name: iface.name,
        description: iface.kind,
        linkType,
        hardwareType: iface.hardwareType,
        snapLength: maxCaptured,
        address: Buffer.from(iface.address?.replaceAll(':', '') ?? '', 'hex'),
        addresses: iface.addresses,
        filter: this.#filter,
      })
      this.#ids.set(key, id)
    }
    const ids = this.#known.get(iface) ?? new Map<number | undefined, number>()
    this.#known.set(iface, ids.set(linkType, id))
    return id
  }
}

function checkOptions(given: SavefileWriterOptions | undefined) {
  const options = checkGroup(given, 'options', ['filter', ...formKeys])
  checkFilter(options.filter, 'filter')
  return { options, form: normaliseForm(options) }
}

async function openFile(path: string): Promise<Target> {
  const addon = native()
  const file = await addon.openSavefileFile(path)
  return {
    write: (bytes) => addon.writeSavefileFile(file, bytes),
    close: () => addon.completeSavefileFile(file),
    abandon: () => addon.abandonSavefileFile(file),
  }
}

function streamTarget(stream: Writable): Target {
  let failed: Error | undefined
  stream.on('error', (error) => {
    failed ??= error
  })
  return {
    write(bytes) {
      if (failed) throw failed
      return new Promise((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())))
    },
    close() {
      return new Promise((resolve, reject) => {
        stream.once('error', reject)
        stream.end(() => (failed ? reject(fromSystem(failed)) : resolve()))
      })
    },
    async abandon() {
      stream.destroy()
    },
  }
}

/** Converts an error from Node to a CaptureError. */
function fromSystem(error: unknown): CaptureError {
  if (error instanceof CaptureError) return error
  const { code, errno, syscall, message } = error as NodeJS.ErrnoException
  const denied = code === 'EACCES' || code === 'EPERM'
  return new CaptureError(denied ? 'ERR_PERMISSION' : 'ERR_SYSTEM', message, {
    errno: errno === undefined ? undefined : Math.abs(errno),
    syscall,
    cause: error,
  })
}
