import type { CaptureError } from '../errors.js'
import { nativeExports } from '../native/native.js'

/**
 * The part of the addon that reads, writes and converts savefiles (native/binding/savefile/).
 *
 * @internal
 */
export interface SavefileNative {
  /**
   * Begins to read from a copy of the descriptor, or, where that is -1, what feed() brings. `wake` is called when there
   * is something new; it is held, and unless `hold(false)` holds the event loop, until the file is closed.
   */
  openSavefile(options: NativeSavefileOptions, fd: number, wake: () => void): NativeSavefile
  /** Packets as the bytes of a savefile. */
  SavefileBuffer: new (
    form: NativeSavefileForm,
  ) => NativeSavefileBuffer
  /** Begins the file of a SavefileWriter (native/core/savefile/file_set.h); one of these calls at a time. */
  openSavefileFile(path: string): Promise<SavefileFileHandle>
  writeSavefileFile(handle: SavefileFileHandle, bytes: Uint8Array): Promise<void>
  /** Gives the file its name. */
  completeSavefileFile(handle: SavefileFileHandle): Promise<void>
  /** After an error: closes the file, which keeps its hidden name; an empty one is removed. */
  abandonSavefileFile(handle: SavefileFileHandle): Promise<void>
  /** `onEnd` is called once at the end, and before that for each question. It holds the event loop until the end. */
  startConvert(options: NativeConvertOptions, onEnd: () => void): ConvertHandle
  /** Where one waits for its answer, which everything else waits for. */
  convertQuestion(handle: ConvertHandle): NativeConvertQuestion | undefined
  answerConvert(handle: ConvertHandle, selected: boolean): void
  convertStats(handle: ConvertHandle): NativeConvertStats
  /** Ends it soon. */
  stopConvert(handle: ConvertHandle): void
  /** When `onEnd` was called. */
  finishConvert(handle: ConvertHandle): {
    stats: NativeConvertStats
    files: NativeCompleteFile[]
    warnings: string[]
    failure?: CaptureError
  }
}

/** @internal */
export const native: () => SavefileNative = nativeExports

/** What a savefile is opened with: every value checked and settled (lib/savefile/savefile-options.ts). @internal */
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
export type NativeSavefileEvent =
  | { kind: 'ready' }
  | { kind: 'warning'; text: string }
  | NativeFileSection
  | NativeFileInterface
  | NativeFileBlock

/** A savefile's native side (native/binding/savefile/savefile.cpp). @internal */
export interface NativeSavefile {
  nextEvent(): NativeSavefileEvent | undefined
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
  stats(): NativeSavefileStats
  /** Begins to close: `wake` is called when `closed()` may be true. */
  close(): void
  /** Whether the reader's thread is gone. */
  closed(): boolean
}

/** @internal */
export interface NativeSavefileStats {
  bytesRead: number
  unpacked: number
  packets: number
  unselected: number
  filtered: number
  skippedBlocks: number
  clampedTimes: number
}

/** A file that is being written (native/binding/savefile/savefile_file.cpp). @internal */
export interface SavefileFileHandle {
  readonly savefileFileHandle: unique symbol
}

/** The form of a savefile: every value checked and settled (lib/savefile/savefile-form.ts). @internal */
export interface NativeSavefileForm {
  /** 0 pcapng, 1 pcap. */
  format: number
  nanoseconds: boolean
  snapLength: number
  application: string
  comments: readonly string[]
}

/** A file that was written (native/core/savefile/savefile_writer.h). @internal */
export interface NativeCompleteFile {
  path: string
  packets: number
  packetBytes: number
  bytes: number
  firstTimestamp: bigint
  lastTimestamp: bigint
}

/** Packets as the bytes of a savefile (native/binding/savefile/savefile_buffer.cpp). @internal */
export interface NativeSavefileBuffer {
  addInterface(description: {
    name: string
    description: string | undefined
    /** `undefined`: a device whose packets have none of their own. */
    linkType: number | undefined
    /** ARPHRD_ type. */
    hardwareType: number
    snapLength: number
    address: Uint8Array
    addresses: readonly { family: 4 | 6; address: string; prefixLength: number }[]
    filter: string | undefined
  }): number
  /** Of the first interface, which a pcap file's packets share. After `addInterface()`. */
  linkType(): number
  /** How many of the packets were written: it stops at one of another link type than the file's. */
  append(memory: Uint8Array, entries: Uint32Array, ids: Uint32Array, comments: readonly string[] | undefined): number
  statistics(id: number, start: bigint, end: bigint, dropped: number | undefined): void
  end(): void
  /** The bytes that wait, if they are so many; and what was written so far: packets, their bytes, bytes, two times, clamped times. */
  take(least: number, counts: ArrayBuffer): Buffer<ArrayBuffer> | undefined
}

/**
 * A conversion in native memory (native/binding/savefile/savefile_converter.cpp).
 *
 * @internal
 */
export interface ConvertHandle {
  readonly convertHandle: unique symbol
}

/** What a conversion is started with: every value checked and settled (lib/savefile/convert-files.ts). @internal */
export interface NativeConvertOptions extends NativeSavefileForm {
  inputs: readonly string[]
  output: string
  byTime: boolean
  filter: string | undefined
  /** Each interface is asked about. */
  selecting: boolean
  keepDamaged: boolean
  /** Types of blocks. */
  keep: readonly number[]
  /** 0 each: no limit. */
  maxBytes: number
  maxPackets: number
  maxMilliseconds: number
}

/** An interface that waits to be selected, or not. @internal */
export interface NativeConvertQuestion {
  section: NativeFileSection
  /** Of the section in its file. */
  number: number
  interface: NativeFileInterface
}

/** native/core/savefile/savefile_converter.h. @internal */
export interface NativeConvertStats {
  packets: number
  written: number
  otherLinkType: number
  clampedTimes: number
  bytesRead: number
  bytesTotal: number
}
