import { CaptureError, construction, notConstructible, optionError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { ChunkMemory, copyCompact, detach } from './chunk-memory.js'
import type { EncodeOptions } from './encode-options.js'
import { Packet } from './packet.js'
import { Index } from './packet-record.js'

/** A chunk as {@link Chunk.toJSON} gives it. Timestamps are nanoseconds since 1970-01-01 UTC, in decimal digits. */
export interface ChunkJson {
  /** Number of packets. */
  readonly packetCount: number
  /** Captured bytes of all packets. */
  readonly byteLength: number
  /** Of the first packet: nanoseconds since 1970-01-01 UTC, in decimal digits. */
  readonly firstTimestamp: string
  /** Of the last packet. */
  readonly lastTimestamp: string
  /** Whether the chunk was released. */
  readonly released: boolean
}

/** What a chunk is built from. @internal */
export interface ChunkParts {
  readonly memory: ChunkMemory
  readonly packetCount: number
  readonly byteLength: number
  readonly firstTimestamp: bigint
  readonly lastTimestamp: bigint
  /** Returns the memory to its owner, which detaches the buffer. `exposed`: see {@link ChunkMemory.exposed}. */
  readonly release: (exposed: boolean) => void
  /** Encodes the chunk: lib/savefile/encode-chunk.ts, which is above this folder. */
  readonly encode: (chunk: Chunk, options: EncodeOptions | undefined) => Promise<Uint8Array>
}

/**
 * Packets in the order they were captured, from any number of interfaces: a lease on one block of the kernel's ring.
 *
 * {@link release} returns the block to the kernel; the loop `for await (const chunk of capture)` does it when it takes
 * the next chunk. From then on every view on the chunk is empty. The kernel cannot fill a block that is held: to
 * keep packets for longer, {@link retain} the chunk or copy the packets.
 */
export class Chunk implements Iterable<Packet> {
  /** As {@link Packet.cloning}. @internal */
  readonly cloning: symbol = noClone
  /** Number of packets. */
  readonly packetCount: number
  /** Captured bytes of all packets together. */
  readonly byteLength: number
  /** Time of the first packet, nanoseconds since 1970-01-01 UTC. */
  readonly firstTimestamp: bigint
  /**
   * Time of the last packet, nanoseconds since 1970-01-01 UTC. Packets may be slightly out of order, so it need not be
   * the latest.
   */
  readonly lastTimestamp: bigint
  readonly #memory: ChunkMemory
  readonly #release: (exposed: boolean) => void
  readonly #encode: ChunkParts['encode']

  private constructor(by: typeof construction, parts: ChunkParts) {
    if (by !== construction) throw notConstructible('Chunk', 'chunks come from a capture or a savefile')
    this.packetCount = parts.packetCount
    this.byteLength = parts.byteLength
    this.firstTimestamp = parts.firstTimestamp
    this.lastTimestamp = parts.lastTimestamp
    this.#memory = parts.memory
    this.#release = parts.release
    this.#encode = parts.encode
  }

  /** @internal */
  static _make(parts: ChunkParts): Chunk {
    return new Chunk(construction, parts)
  }

  /** Whether the chunk was released. */
  get released(): boolean {
    return this.#memory.released
  }

  /**
   * Calls `visit` for each packet. This is the fastest way to read a chunk: one Packet object is moved from packet to
   * packet, so `visit` must not keep it.
   *
   * Ends early if `visit` releases the chunk.
   *
   * @throws CaptureError `ERR_RELEASED` if the chunk was released before.
   */
  forEach(visit: (packet: Packet, index: number) => void): void {
    if (typeof visit !== 'function') throw optionError('visit', 'a function', visit)
    this.#check()
    const { u32 } = this.#memory
    const cursor = Packet._make(this.#memory, 0)
    // The count came from native code as a double.
    const count = this.packetCount | 0
    for (let index = 0; index < count; index++) {
      const entry = u32[FIRST + index]
      if (entry === undefined) return
      cursor._move(entry)
      visit(cursor, index)
    }
  }

  /**
   * The packets, an object for each.
   *
   * Ends early if the chunk is released meanwhile.
   *
   * @throws CaptureError `ERR_RELEASED` if the chunk was released before.
   */
  [Symbol.iterator](): IterableIterator<Packet> {
    this.#check()
    return new PacketIterator(this.#memory, this.packetCount)
  }

  /**
   * A copy of the chunk in separate memory, which the garbage collector frees. It stays valid when this chunk is
   * released or the capture closed.
   *
   * @throws CaptureError `ERR_RELEASED` if the chunk was released before.
   */
  retain(): Chunk {
    this.#check()
    // Resolved now: the capture drops past interfaces once no chunk of its own refers to them.
    const { steady } = this.#memory
    const interfaces = new Map<string | number, NetworkInterface>()
    const key = (index: number, timestamp: bigint) => (steady ? index : `${index} ${timestamp}`)
    // Not with forEach: V8 compiles the caller's function into the loop as long as there is only one.
    const cursor = Packet._make(this.#memory, 0)
    for (const entry of this._entries()) {
      cursor._move(entry)
      const iface = cursor.interface
      interfaces.set(key(iface.index, cursor.timestamp), iface)
    }
    const resolve = (index: number, timestamp: bigint) => interfaces.get(key(index, timestamp)) as NetworkInterface
    const memory = new ChunkMemory(copyCompact(this.#memory, this.packetCount), resolve, steady)
    return Chunk._make({
      memory,
      packetCount: this.packetCount,
      byteLength: this.byteLength,
      firstTimestamp: this.firstTimestamp,
      lastTimestamp: this.lastTimestamp,
      release: (exposed) => detach(memory.buffer, exposed),
      encode: this.#encode,
    })
  }

  /**
   * The packets as a savefile in memory. They are copied and encoded before this returns, so that the chunk may be
   * released at once, and stays valid otherwise; another thread compresses them. To encode more than some chunks, use
   * {@link SavefileWriter} or {@link Capture.batches}.
   *
   * @throws CaptureError (the promise rejects) `ERR_OPTION`, also for `'pcap'` if the packets have several link types,
   *   and for `'zstd'` without its library; `ERR_RELEASED`; `ERR_SYSTEM` without memory.
   */
  encode(options?: EncodeOptions): Promise<Uint8Array> {
    return this.#encode(this, options)
  }

  /**
   * Returns the memory to the kernel. Views on it become empty, and its packets unreadable. Calling it again does
   * nothing.
   *
   * A chunk that is dropped without a release is released when the garbage collector finds it; until then its block
   * cannot be filled again.
   */
  release(): void {
    if (!this.#memory.released) this.#release(this.#memory.exposed)
  }

  /** As {@link release}, for `using`. */
  [Symbol.dispose](): void {
    this.release()
  }

  /** For JSON.stringify(): the chunk's numbers, timestamps as strings; none of its bytes. */
  toJSON(): ChunkJson {
    const { packetCount, byteLength, firstTimestamp, lastTimestamp, released } = this
    return {
      packetCount,
      byteLength,
      firstTimestamp: String(firstTimestamp),
      lastTimestamp: String(lastTimestamp),
      released,
    }
  }

  /** For util.inspect and console.log. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { packetCount, byteLength, firstTimestamp, released } = this
    return `Chunk of ${packetCount} packets, ${byteLength} bytes, from ${firstTimestamp}${released ? ' (released)' : ''}`
  }

  /** The memory, for code that copies the chunk's records. @internal */
  _memory(): ChunkMemory {
    return this.#memory
  }

  /** The index entries of its packets. @internal */
  _entries(): Uint32Array {
    this.#check()
    return this.#memory.u32.subarray(Index.FIRST, Index.FIRST + this.packetCount)
  }

  #check(): void {
    if (!this.#memory.released) return
    throw new CaptureError('ERR_RELEASED', 'the chunk was released; to keep one, take chunk.retain() before that')
  }
}

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { FIRST } = Index

const noClone = Symbol(
  'a Chunk is a view on its memory: send the packets of chunk.retain(), by packet.copy().data, instead',
)

class PacketIterator implements IterableIterator<Packet> {
  readonly #memory: ChunkMemory
  readonly #end: number
  #at: number = Index.FIRST

  constructor(memory: ChunkMemory, packetCount: number) {
    this.#memory = memory
    this.#end = Index.FIRST + packetCount
  }

  next(): IteratorResult<Packet, undefined> {
    if (this.#at < this.#end) {
      const entry = this.#memory.u32[this.#at++]
      if (entry !== undefined) return { done: false, value: Packet._make(this.#memory, entry) }
      this.#at = this.#end
    }
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): this {
    return this
  }
}
