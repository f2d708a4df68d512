import type { CaptureError } from './errors.js'

/** What a savefile is opened with: every value checked and settled (lib/savefile-options.ts). @internal */
export interface NativeSavefileOptions {
  chunkSize: number
  chunkCount: number
  /** Milliseconds. */
  maxDelay: number
  snapshotLength: number
  filter: string | undefined
  /** Each interface waits for `decide()`. */
  selecting: boolean
  comments: boolean
  /** Types of blocks, 0 for those without a name. */
  keep: number[]
  keepMemory: number
  copying: boolean
}

/** An option of a pcapng block; numbers in its value are in the section's byte order. @internal */
export interface NativeFileOption {
  code: number
  value: Uint8Array
}

/** @internal */
export interface NativeFileSection {
  kind: 'section'
  pcapng: boolean
  bigEndian: boolean
  major: number
  minor: number
  /** All packets of earlier sections are in chunks that were handed over before. */
  fresh: boolean
  options: NativeFileOption[]
}

/** @internal */
export interface NativeFileInterface {
  kind: 'interface'
  /** Counted over all sections. */
  index: number
  /** Within the section. */
  id: number
  linkType: number
  hardwareType: number
  snapshotLength: number
  /** Of a pcap file. */
  fcsLength: number
  nanoseconds: boolean
  options: NativeFileOption[]
}

/** @internal */
export interface NativeFileBlock {
  kind: 'block'
  type: number
  bigEndian: boolean
  offset: number
  body: Uint8Array
}

/** What a reader tells, in the order of the file. @internal */
export type NativeFileNews =
  | { kind: 'ready' }
  | { kind: 'warning'; text: string }
  | NativeFileSection
  | NativeFileInterface
  | NativeFileBlock

/** A savefile's native side (native/binding/savefile.cpp). @internal */
export interface NativeSavefile {
  nextNews(): NativeFileNews | undefined
  /** The next chunk and, in `meta`, what is in it; or 0: none yet, 1: take the news first, 2: no more will come. */
  nextChunk(meta: ArrayBuffer): ArrayBuffer | 0 | 1 | 2
  /** After 2: why it ended before the file's end, where it did. */
  failure(): CaptureError | undefined
  release(lease: number): void
  decide(index: number, selected: boolean): void
  /** How many of the bytes from `from` on were taken; `wake` is called when more can be. */
  feed(bytes: Uint8Array, from: number): number
  feedEnd(): void
  hold(held: boolean): void
  figures(): NativeSavefileFigures
  close(): Promise<void> | undefined
}

/** @internal */
export interface NativeSavefileFigures {
  bytesRead: number
  unpacked: number
  packets: number
  unselected: number
  filtered: number
  skippedBlocks: number
}
