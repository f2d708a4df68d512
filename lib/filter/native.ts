import { nativeExports } from '../native/native.js'

/**
 * The part of the addon that compiles filters (native/binding/filter/).
 *
 * @internal
 */
export interface FilterNative {
  /** `byteOrder` of the savefile that contains the packets: 1 little endian, 2 big endian; 0: not from a savefile. */
  compileFilter(expression: string, linkType: number, snapshotLength: number, byteOrder: number): Promise<FilterHandle>
  filterInstructions(handle: FilterHandle): ArrayBuffer
  filterListing(handle: FilterHandle): string
  filterMatches(handle: FilterHandle, bytes: Uint8Array, originalLength: number): boolean
}

/** @internal */
export const native: () => FilterNative = nativeExports

/**
 * A compiled filter in native memory.
 *
 * @internal
 */
export interface FilterHandle {
  readonly filterHandle: unique symbol
}
