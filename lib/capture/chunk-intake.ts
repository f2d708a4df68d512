import { BlockMeta } from '../native/layouts.js'
import { Chunk } from '../packets/chunk.js'
import { ChunkMemory } from '../packets/chunk-memory.js'
import { encodeChunk } from '../savefile/encode-chunk.js'
import { chunkInterfaces } from './chunk-interfaces.js'
import type { NativeCapture } from './native.js'

/** No block waits. @internal */
export const EMPTY = 0
/** Events have to be taken before the next block. */
const EVENTS_FIRST = 1

/** Makes chunks of the blocks in the queue of a capture. @internal */
export class ChunkIntake {
  readonly #native: NativeCapture
  readonly #takeEvents: () => void
  readonly #meta = new Float64Array(BlockMeta.WORDS)
  readonly #times = new BigUint64Array(this.#meta.buffer)

  constructor(handle: NativeCapture, takeEvents: () => void) {
    this.#native = handle
    this.#takeEvents = takeEvents
  }

  /** The next chunk; `undefined` if no more follow; `EMPTY` if none waits. */
  next(): Chunk | undefined | typeof EMPTY {
    for (;;) {
      this.#takeEvents()
      const block = this.#native.nextBlock(this.#meta.buffer)
      if (block === EVENTS_FIRST) continue
      if (block === EMPTY) return EMPTY
      return typeof block === 'number' ? undefined : this.#chunk(block)
    }
  }

  #chunk(buffer: ArrayBuffer): Chunk {
    const meta = this.#meta
    const lease = meta[BlockMeta.LEASE] as number
    const firstTimestamp = this.#times[BlockMeta.FIRST_TIMESTAMP] as bigint
    const resolve = chunkInterfaces(
      this.#native,
      meta[BlockMeta.EPOCH] as number,
      meta[BlockMeta.RING] as number,
      meta[BlockMeta.NUMBER] as number,
    )
    return Chunk._make({
      memory: new ChunkMemory(buffer, resolve, meta[BlockMeta.STEADY] === 1),
      packetCount: meta[BlockMeta.PACKETS] as number,
      byteLength: meta[BlockMeta.BYTES] as number,
      firstTimestamp,
      lastTimestamp: this.#times[BlockMeta.LAST_TIMESTAMP] as bigint,
      release: (exposed) => this.#native.release(lease, exposed),
      encode: encodeChunk,
    })
  }
}
