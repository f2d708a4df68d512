import { BlockMeta } from '../native/layouts.js'
import { NoBlock } from '../native/numbers.js'
import { Chunk } from '../packets/chunk.js'
import { ChunkMemory } from '../packets/chunk-memory.js'
import { encodeChunk } from '../savefile/encode-chunk.js'
import { chunkInterfaces, type KnownInterfaces } from './chunk-interfaces.js'
import type { NativeCapture } from './native.js'

/** Makes chunks of the blocks in the queue of a capture. @internal */
export class ChunkIntake {
  readonly #native: NativeCapture
  readonly #takeEvents: () => void
  readonly #meta = new Float64Array(BlockMeta.WORDS)
  readonly #times = new BigUint64Array(this.#meta.buffer)
  /** Of steady blocks, and the epoch of the last one: an index means the same in all of an epoch. */
  #known: KnownInterfaces = new Map()
  #epoch = -1

  constructor(handle: NativeCapture, takeEvents: () => void) {
    this.#native = handle
    this.#takeEvents = takeEvents
  }

  /** The next chunk; `undefined` if no more follow; `NoBlock.EMPTY` if none waits. */
  next(): Chunk | undefined | typeof NoBlock.EMPTY {
    for (let taken = false; ; taken = true) {
      const block = this.#native.nextBlock(this.#meta.buffer, taken)
      if (block === NoBlock.EVENTS_FIRST) {
        this.#takeEvents()
        continue
      }
      if (block === NoBlock.EMPTY) return block
      return typeof block === 'number' ? undefined : this.#chunk(block)
    }
  }

  #chunk(buffer: ArrayBuffer): Chunk {
    const meta = this.#meta
    const lease = meta[BlockMeta.LEASE] as number
    const firstTimestamp = this.#times[BlockMeta.FIRST_TIMESTAMP] as bigint
    const steady = meta[BlockMeta.STEADY] === 1
    const epoch = meta[BlockMeta.EPOCH] as number
    const resolve = chunkInterfaces(
      this.#native,
      steady ? this.#knownIn(epoch) : new Map(),
      epoch,
      meta[BlockMeta.RING] as number,
      meta[BlockMeta.NUMBER] as number,
    )
    return Chunk._make({
      memory: new ChunkMemory(buffer, resolve, steady),
      packetCount: meta[BlockMeta.PACKETS] as number,
      byteLength: meta[BlockMeta.BYTES] as number,
      firstTimestamp,
      lastTimestamp: this.#times[BlockMeta.LAST_TIMESTAMP] as bigint,
      release: (exposed) => this.#native.release(lease, exposed),
      encode: encodeChunk,
    })
  }

  #knownIn(epoch: number): KnownInterfaces {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      this.#known = new Map()
    }
    return this.#known
  }
}
