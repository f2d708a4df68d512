import type { CaptureError } from '../errors.js'
import { nativeExports } from '../native/native.js'
import type { NoBlock } from '../native/numbers.js'

/**
 * The part of the addon that reads, writes and converts savefiles (native/binding/savefile/).
 *
 * @internal
 */
export interface SavefileNative {
  /**
   * Starts to read from a duplicate of the descriptor `fd`, or, if `fd` is -1, the bytes passed to `feed()`. `wake` is
   * called when events, a chunk, or room for more bytes may be available. It is referenced until the file is closed,
   * and keeps the event loop alive except after `hold(false)`.
   */
  openSavefile(options: NativeSavefileOptions, fd: number, wake: () => void): NativeSavefile
  /** Encodes packets as a savefile. */
  SavefileBuffer: new (
    form: NativeSavefileForm,
  ) => NativeSavefileBuffer
  /**
   * Creates the file of a SavefileWriter (native/core/savefile/file_set.h). Of this and the next four functions only
   * one call may be in progress for a file.
   */
  openSavefileFile(path: string): Promise<SavefileFileHandle>
  writeSavefileFile(handle: SavefileFileHandle, bytes: Uint8Array): Promise<void>
  /** Completes the file and renames it to its final name. */
  completeSavefileFile(handle: SavefileFileHandle): Promise<void>
  /** Closes the file after an error. It keeps its hidden name; an empty file is removed. */
  abandonSavefileFile(handle: SavefileFileHandle): Promise<void>
  /** Closes the file, and removes it. */
  discardSavefileFile(handle: SavefileFileHandle): Promise<void>
  /** `onEnd` is called for each question and once at the end. It keeps the event loop alive until the end. */
  startConvert(options: NativeConvertOptions, onEnd: () => void): ConvertHandle
  /** The question that is pending, if any. The conversion is blocked until it is answered. */
  convertQuestion(handle: ConvertHandle): NativeConvertQuestion | undefined
  answerConvert(handle: ConvertHandle, selected: boolean): void
  convertStats(handle: ConvertHandle): NativeConvertStats
  /** Requests the end of the conversion and returns without waiting for it. */
  stopConvert(handle: ConvertHandle): void
  /** May be called only after the conversion has ended, see `onEnd`. */
  finishConvert(handle: ConvertHandle): {
    stats: NativeConvertStats
    files: NativeCompleteFile[]
    warnings: string[]
    failure?: CaptureError
  }
}

/** @internal */
export const native: () => SavefileNative = nativeExports

/** The options of a savefile, checked, with defaults applied (lib/savefile/savefile-options.ts). @internal */
export interface NativeSavefileOptions {
  chunkSize: number
  chunkCount: number
  /** Milliseconds. */
  maxDelay: number
  snapshotLength: number
  filter: string | undefined
  /** Each interface needs a verdict by `decide()`. */
  selecting: boolean
  comments: boolean
  /** Types of the blocks to keep; 0: all types without a name (`'other'`). */
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
  /** All packets of earlier sections are in chunks that were delivered before. */
  fresh: boolean
  options: NativeFileOption[]
}

/** @internal */
export interface NativeFileInterface {
  kind: 'interface'
  /** Number of the interface over all sections, from 0. */
  index: number
  /** Number of the interface within its section, from 0. */
  id: number
  linkType: number
  hardwareType: number
  snapshotLength: number
  /** Of a pcap file: length of the frame check sequence in bytes. */
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

/** The events of a reader, in the order of the file. @internal */
export type NativeSavefileEvent =
  | { kind: 'ready' }
  | { kind: 'warning'; text: string }
  | NativeFileSection
  | NativeFileInterface
  | NativeFileBlock

/** A savefile's native side (native/binding/savefile/savefile.cpp). @internal */
export interface NativeSavefile {
  nextEvent(): NativeSavefileEvent | undefined
  /** The next chunk, described in `meta`; or one of `NoBlock`. */
  nextChunk(meta: ArrayBuffer): ArrayBuffer | (typeof NoBlock)[keyof typeof NoBlock]
  /** After `nextChunk()` has returned `FINISHED`: the error that ended the reading before the end of the file, if any. */
  failure(): CaptureError | undefined
  release(lease: number, exposed: boolean): void
  decide(index: number, selected: boolean): void
  /**
   * Passes the bytes from offset `from` on; returns how many were taken. `wake` is called when there is room for more.
   */
  feed(bytes: Uint8Array, from: number): number
  feedEnd(): void
  hold(held: boolean): void
  stats(): NativeSavefileStats
  /** Starts to close the file; `wake` is called when `closed()` may be true. */
  close(): void
  /** Whether the reader's thread has ended. */
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

/** The format of a savefile to write, checked, with defaults applied (lib/savefile/savefile-form.ts). @internal */
export interface NativeSavefileForm {
  /** 0 pcapng, 1 pcap. */
  format: number
  nanoseconds: boolean
  snapLength: number
  application: string
  comments: readonly string[]
}

/** A complete file (native/core/savefile/savefile_writer.h). @internal */
export interface NativeCompleteFile {
  path: string
  packets: number
  packetBytes: number
  bytes: number
  firstTimestamp: bigint
  lastTimestamp: bigint
}

/** Encodes packets as a savefile in memory (native/binding/savefile/savefile_buffer.cpp). @internal */
export interface NativeSavefileBuffer {
  addInterface(description: {
    name: string
    description: string | undefined
    /** LINKTYPE_ number; `undefined` if none fits the device. */
    linkType: number | undefined
    /** ARPHRD_ type. */
    hardwareType: number
    snapLength: number
    address: Uint8Array
    addresses: readonly { family: 4 | 6; address: string; prefixLength: number }[]
    filter: string | undefined
  }): number
  /** Appends lines of a key log of TLS. Ignored in pcap. */
  secrets(lines: Uint8Array): void
  /** The link type of the first interface, which all packets of a pcap file share. Only after `addInterface()`. */
  linkType(): number
  /** Returns how many packets were encoded. It stops at a packet whose link type is not that of the file. */
  append(memory: Uint8Array, entries: Uint32Array, ids: Uint32Array, comments: readonly string[] | undefined): number
  statistics(id: number, start: bigint, end: bigint, dropped: number | undefined): void
  end(): void
  /** Takes the encoded bytes if there are at least `min`, and stores the {@link WriterCounts} in `counts`. */
  take(min: number, counts: ArrayBuffer): Buffer<ArrayBuffer> | undefined
  /** Takes the encoded bytes; compressed on another thread unless `packing`, one of `Packing`, is `NONE`. */
  pack(packing: number): Uint8Array | Promise<Uint8Array>
}

/**
 * A conversion in native memory (native/binding/savefile/savefile_converter.cpp).
 *
 * @internal
 */
export interface ConvertHandle {
  readonly convertHandle: unique symbol
}

/** The options of a conversion, checked, with defaults applied (lib/savefile/convert-files.ts). @internal */
export interface NativeConvertOptions extends NativeSavefileForm {
  inputs: readonly string[]
  output: string
  byTime: boolean
  filter: string | undefined
  /** Nanoseconds since 1970: of the earliest packet and of the latest one. */
  from: bigint
  to: bigint
  /** Each interface needs a verdict: a question is pending for it. */
  selecting: boolean
  keepDamaged: boolean
  /** Types of the blocks to carry over. */
  keep: readonly number[]
  /** Limits for each output file; 0: no limit. */
  maxBytes: number
  maxPackets: number
  maxMilliseconds: number
}

/** An interface that needs a verdict. @internal */
export interface NativeConvertQuestion {
  section: NativeFileSection
  /** Number of the section in its file, from 0. */
  number: number
  interface: NativeFileInterface
}

/** Counters of a conversion (native/core/savefile/savefile_converter.h). @internal */
export interface NativeConvertStats {
  packets: number
  written: number
  otherLinkType: number
  clampedTimes: number
  bytesRead: number
  bytesTotal: number
}
