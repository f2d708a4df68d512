import { nativeExports } from '../native/native.js'

/**
 * The part of the addon that compiles filters (native/binding/bpf/).
 *
 * @internal
 */
export interface FilterNative {
  compileFilter(expression: string, linkType: number, snapshotLength: number): Promise<FilterHandle>
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
