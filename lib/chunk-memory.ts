import type { NetworkInterface } from './network-interface.js'

/** What an interface index meant when the packets were taken. @internal */
export type InterfaceResolver = (index: number) => NetworkInterface

/**
 * The memory of one chunk, seen through typed arrays of every width its records need.
 *
 * When the chunk is released the buffer is detached and all of them become empty: a read gives `undefined`, which is how
 * packets notice.
 *
 * @internal
 */
export class ChunkMemory {
  readonly buffer: ArrayBuffer
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  readonly u64: BigUint64Array
  readonly resolve: InterfaceResolver
  #lastIndex = -1
  #lastInterface: NetworkInterface | undefined

  constructor(buffer: ArrayBuffer, resolve: InterfaceResolver) {
    this.buffer = buffer
    this.u8 = new Uint8Array(buffer)
    this.u16 = new Uint16Array(buffer)
    this.u32 = new Uint32Array(buffer)
    this.u64 = new BigUint64Array(buffer)
    this.resolve = resolve
  }

  get released(): boolean {
    return this.u32.length === 0
  }

  /** Packets of one interface come in runs: the last answer is kept. */
  interfaceOf(index: number): NetworkInterface {
    if (index === this.#lastIndex) return this.#lastInterface as NetworkInterface
    const found = this.resolve(index)
    this.#lastIndex = index
    this.#lastInterface = found
    return found
  }
}
