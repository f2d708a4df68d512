import { CaptureError, optionError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { ChunkMemory, copyCompact } from './chunk-memory.js'
import { Packet } from './packet.js'
import { Index } from './packet-record.js'

/** What a chunk is made of. @internal */
export interface ChunkParts {
  readonly memory: ChunkMemory
  readonly packetCount: number
  readonly byteLength: number
  readonly firstTimestamp: bigint
  readonly lastTimestamp: bigint
  /** Gives the memory back. */
  readonly release: () => void
}

/**
 * Packets in the order they were captured, from any number of interfaces: one block of the kernel's ring, lent out.
 *
 * The memory goes back to the kernel with {@link release}; the loop `for await (const chunk of capture)` does that when
 * it asks for the next chunk. Every view on it is empty from then on. A chunk held for long holds up the ring: for
 * keeping, there is {@link retain}.
 */
export class Chunk implements Iterable<Packet> {
  /** Number of packets. */
  readonly packetCount: number
  /** Captured bytes of all packets together. */
  readonly byteLength: number
  /** Time of the first packet, nanoseconds since 1970-01-01 UTC. */
  readonly firstTimestamp: bigint
  /** Time of the last packet. Packets may be out of order by a little: it need not be the latest. */
  readonly lastTimestamp: bigint
  readonly #memory: ChunkMemory
  readonly #release: () => void

  /** @internal */
  constructor(parts: ChunkParts) {
    this.packetCount = parts.packetCount
    this.byteLength = parts.byteLength
    this.firstTimestamp = parts.firstTimestamp
    this.lastTimestamp = parts.lastTimestamp
    this.#memory = parts.memory
    this.#release = parts.release
  }

  /** Whether the memory has been given back. */
  get released(): boolean {
    return this.#memory.released
  }

  /**
   * Calls `visit` for each packet. The fastest way: one Packet object is moved along, so `visit` must not keep it.
   *
   * Ends early if `visit` releases the chunk.
   *
   * @throws CaptureError `ERR_RELEASED` if the chunk was released before.
   */
  forEach(visit: (packet: Packet, index: number) => void): void {
    if (typeof visit !== 'function') throw optionError('visit', 'a function', visit)
    this.#check()
    const { u32 } = this.#memory
    const cursor = new Packet(this.#memory, 0)
    for (let index = 0; index < this.packetCount; index++) {
      const entry = u32[Index.FIRST + index]
      if (entry === undefined) return
      cursor._move(entry)
      visit(cursor, index)
    }
  }

  /**
   * Every packet, an object each.
   *
   * @throws CaptureError `ERR_RELEASED` if the chunk was released before. Released in the middle, the iteration ends.
   */
  [Symbol.iterator](): IterableIterator<Packet> {
    this.#check()
    return new PacketIterator(this.#memory, this.packetCount)
  }

  /**
   * A copy of the chunk that belongs to JavaScript alone and lives as long as anyone refers to it.
   *
   * @throws CaptureError `ERR_RELEASED` if the chunk was released before.
   */
  retain(): Chunk {
    this.#check()
    // The interfaces as they are meant now: the capture forgets what no chunk of its own needs any more.
    const { steady } = this.#memory
    const interfaces = new Map<string | number, NetworkInterface>()
    const key = (index: number, timestamp: bigint) => (steady ? index : `${index} ${timestamp}`)
    this.forEach((packet) => {
      const iface = packet.interface
      interfaces.set(key(iface.index, packet.timestamp), iface)
    })
    const resolve = (index: number, timestamp: bigint) => interfaces.get(key(index, timestamp)) as NetworkInterface
    const memory = new ChunkMemory(copyCompact(this.#memory, this.packetCount), resolve, steady)
    return new Chunk({
      memory,
      packetCount: this.packetCount,
      byteLength: this.byteLength,
      firstTimestamp: this.firstTimestamp,
      lastTimestamp: this.lastTimestamp,
      release: () => structuredClone(memory.buffer, { transfer: [memory.buffer] }),
    })
  }

  /**
   * Gives the memory back. Views on it become empty, its packets unreadable. Calling it again does nothing.
   *
   * A chunk that is forgotten is released when the garbage collector finds it; until then it holds up the ring.
   */
  release(): void {
    if (!this.#memory.released) this.#release()
  }

  /** As {@link release}, for `using`. */
  [Symbol.dispose](): void {
    this.release()
  }

  /** What it is made of. @internal */
  _memory(): ChunkMemory {
    return this.#memory
  }

  /** Its part of the memory's index. @internal */
  _entries(): Uint32Array {
    this.#check()
    return this.#memory.u32.subarray(Index.FIRST, Index.FIRST + this.packetCount)
  }

  #check(): void {
    if (!this.#memory.released) return
    throw new CaptureError('ERR_RELEASED', 'the chunk was released; to keep one, take chunk.retain() before that')
  }
}

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
      if (entry !== undefined) return { done: false, value: new Packet(this.#memory, entry) }
      this.#at = this.#end
    }
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): this {
    return this
  }
}
