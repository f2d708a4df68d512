import type { NetworkInterface } from '../interfaces/network-interface.js'
import { Index, Record } from './packet-record.js'

/** Returns the interface that had an index at the time of a packet. @internal */
export type InterfaceResolver = (index: number, timestamp: bigint) => NetworkInterface

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { INTERFACE, TIMESTAMP } = Record

/**
 * The memory of one chunk, as typed arrays of every width that its records need.
 *
 * Releasing the chunk detaches the buffer, and all of them become empty: packets detect it by reading `undefined`.
 *
 * @internal
 */
export class ChunkMemory {
  // Declared alone: a class field without a value begins as undefined, and V8 then checks the type at each access, because
  // it cannot tell that the field always holds the same kind of array.
  declare readonly buffer: ArrayBuffer
  declare readonly u8: Uint8Array
  declare readonly u16: Uint16Array
  declare readonly u32: Uint32Array
  declare readonly u64: BigUint64Array
  /** For reads in network byte order. */
  declare readonly view: DataView
  readonly resolve: InterfaceResolver
  /** Whether each interface index denotes the same interface in all packets of the chunk. */
  readonly steady: boolean
  /** Whether code outside the library may have a view on the memory, and use it on another thread after a release. */
  exposed = false
  #lastIndex = -1
  #lastInterface: NetworkInterface | undefined

  constructor(buffer: ArrayBuffer, resolve: InterfaceResolver, steady: boolean) {
    this.buffer = buffer
    this.u8 = new Uint8Array(buffer)
    this.u16 = new Uint16Array(buffer)
    this.u32 = new Uint32Array(buffer)
    this.u64 = new BigUint64Array(buffer)
    this.view = new DataView(buffer)
    this.resolve = resolve
    this.steady = steady
  }

  get released(): boolean {
    return this.u32.length === 0
  }

  /**
   * The interface of the record at `offset`; `undefined` once released. The last result is cached, because neighbouring
   * packets often have the same interface.
   */
  interfaceOf(offset: number): NetworkInterface | undefined {
    const index = this.u32[(offset + INTERFACE) >>> 2]
    if (index === undefined) return undefined
    if (index === this.#lastIndex) return this.#lastInterface
    const found = this.resolve(index, this.u64[(offset + TIMESTAMP) >>> 3] as bigint)
    if (this.steady) {
      this.#lastIndex = index
      this.#lastInterface = found
    }
    return found
  }
}

/** By a detached buffer: the buffer to which its memory was moved. */
const remains = new WeakMap<ArrayBuffer, ArrayBuffer>()

/**
 * Detaches a buffer with memory of its own. If it is exposed, the memory stays as long as there are views on the
 * buffer: a thread that was given one cannot be stopped.
 *
 * @internal
 */
export function detach(buffer: ArrayBuffer, exposed: boolean): void {
  const moved = structuredClone(buffer, { transfer: [buffer] })
  if (exposed) remains.set(buffer, moved)
}

/**
 * A copy without the unused part of the index (as native/core/block/block.h makes one).
 *
 * @internal
 */
export function copyCompact({ u8, u32 }: ChunkMemory, packetCount: number): ArrayBuffer {
  const first = ((u32[Index.FIRST] as number) >>> Index.LENGTH_BITS) << Index.UNIT
  const end = (Index.FIRST * 4 + packetCount * 4 + 7) & ~7
  const slack = first - end
  const copy = new Uint8Array(u8.length - slack)
  copy.set(u8.subarray(0, end))
  copy.set(u8.subarray(first), end)
  const entries = new Uint32Array(copy.buffer, Index.FIRST * 4, packetCount)
  const less = (slack >>> Index.UNIT) * 2 ** Index.LENGTH_BITS
  for (let i = 0; i < packetCount; i++) entries[i] = (entries[i] as number) - less
  return copy.buffer
}
