import type { CaptureError } from '../errors.js'
import type { OwnerWatchHandle } from '../owners/native.js'
import type { NativeCompleteFile, NativeFileInterface, NativeSavefileForm } from '../savefile/native.js'

/** The options of a recording, checked, with defaults applied (lib/record/record-options.ts). @internal */
export interface NativeRecordOptions extends NativeSavefileForm {
  path: string
  /** Instead of `path`. */
  standardOutput: boolean
  /** The compression, one of `Packing`. */
  packing: number
  /** A complete file is not removed before `releaseFile()` was called for it. */
  held: boolean
  /** Number of complete files to keep; 0: all. */
  keep: number
  minimumFree: number
  /** When fsync(2) is called: 0 never, 1 for each complete file, 2 also every `syncMilliseconds`. */
  sync: number
  syncMilliseconds: number
  rotateBytes: number
  rotatePackets: number
  rotateMilliseconds: number
  linkType: number
  filter: string | undefined
  /** Whose packets are written; `undefined`: that is not written. */
  owners: OwnerWatchHandle | undefined
}

/** The native part of a recording (native/binding/record/recording.cpp). @internal */
export interface NativeRecording {
  nextFile(): NativeCompleteFile | undefined
  /** The oldest file that is held may be removed now. */
  releaseFile(): Promise<void>
  nextFault(): CaptureError | undefined
  /** Lines of a key log of TLS, for the packets that are not yet written. Ignored in pcap, and at the end. */
  addSecrets(lines: Uint8Array): void
  stats(): {
    packets: number
    packetBytes: number
    bytes: number
    files: number
    dropped: number
    otherLinkType: number
    waiting: number
  }
  /** How many calls of `markRecording()` are answered: their files are complete, and `nextFile()` has them. */
  marksPassed(): number
  ended(): boolean
}

/** The options of batches, checked, with defaults applied (lib/record/batch-options.ts). @internal */
export interface NativeBatchOptions extends NativeSavefileForm {
  bytes: number
  milliseconds: number
  memory: number
  /** The compression, one of `Packing`. */
  packing: number
  filter: string | undefined
  owners: OwnerWatchHandle | undefined
}

/** A complete batch. The losses are those since the capture was opened. @internal */
export interface NativeBatch {
  bytes: Uint8Array
  packets: number
  firstTimestamp: bigint
  lastTimestamp: bigint
  droppedByRing: number
  droppedByOverflow: number
  malformed: number
}

/** The native part of batches (native/binding/record/batches.cpp). @internal */
export interface NativeBatches {
  next(): NativeBatch | undefined
  addSecrets(lines: Uint8Array): void
  nextFault(): CaptureError | undefined
  ended(): boolean
}

/** The options of a flight recorder, checked, with defaults applied (lib/record/flight-options.ts). @internal */
export interface NativeFlightOptions extends NativeSavefileForm {
  memory: number
  /** Of the oldest packets; 0: no limit. */
  milliseconds: number
  /** How they are kept: one of `Packing`. */
  packing: number
  filter: string | undefined
  owners: OwnerWatchHandle | undefined
}

/** The options of a dump, checked (lib/record/flight-options.ts). @internal */
export interface NativeFlightDumpOptions extends NativeSavefileForm {
  /** Milliseconds; -1: all that is held. */
  before: number
  /** Milliseconds. */
  after: number
  filter: string | undefined
  /** Whether `question()` and `answer()` choose the interfaces. */
  selecting: boolean
}

/** The native part of a flight recorder (native/binding/record/flight.cpp). @internal */
export interface NativeFlight {
  /** Begins a dump around the present moment; `markFlight()` has to follow at once. */
  dump(options: NativeFlightDumpOptions): NativeFlightDump
  stats(): { packets: number; memory: number; firstTimestamp: bigint; lastTimestamp: bigint; dropped: number }
  nextFault(): CaptureError | undefined
  ended(): boolean
  /** Frees what is held. */
  clear(): void
}

declare const flightDump: unique symbol
/** @internal */
export interface FlightDumpHandle {
  readonly [flightDump]: never
}

/** The native part of a dump. @internal */
export interface NativeFlightDump {
  readonly handle: FlightDumpHandle
  /** The next bytes of the file; `undefined` at its end, or if there is a question. One call at a time. */
  next(): Promise<Uint8Array | undefined>
  /** An interface that needs a verdict, to be given before the next call of `next()`. Not during one. */
  question(): NativeFileInterface | undefined
  answer(selected: boolean): void
  cancel(): void
  /** Valid at the end. */
  counts(): {
    from: bigint
    to: bigint
    packets: number
    packetBytes: number
    firstTimestamp: bigint
    lastTimestamp: bigint
    lost: number
    overwritten: number
    warnings: string[]
  }
}

/** The options of a server, checked, with defaults applied (lib/record/serve-options.ts). @internal */
export interface NativeServeOptions {
  memory: number
  milliseconds: number
  /** That of the capture, for the descriptions of interfaces. */
  captureFilter: string | undefined
  owners: OwnerWatchHandle | undefined
}

/** What the readers of a server get, checked. @internal */
export interface NativeServerStreamOptions extends NativeSavefileForm {
  filter: string | undefined
  /** pcap: of the file; 0: that of the first packet. */
  linkType: number
}

/** The native part of a server (native/binding/record/server.cpp). @internal */
export interface NativeServer {
  /** A savefile that begins now. */
  stream(options: NativeServerStreamOptions): NativeServerStream
  stats(): { packets: number; dropped: number; memory: number }
  nextFault(): CaptureError | undefined
  ended(): boolean
  /** Frees what is held. */
  clear(): void
}

/** The native part of a reader. @internal */
export interface NativeServerStream {
  /** The next bytes of the file; `undefined` at its end. One call at a time. `taken` is that of `counts()` at their end. */
  next(): Promise<{ bytes: Uint8Array; packets: number; packetBytes: number; taken: number } | undefined>
  /** `taken` counts the packets of all bytes so far, and of those in the making, before the filter. */
  counts(): { overwritten: number; waiting: number; taken: number; lost: number; otherLinkType: number }
  /** The file ends with what is held now. */
  finish(): void
  /** Makes `next()` reject. */
  cancel(): void
}

/** The part of a capture that records it (native/binding/capture/capture.cpp). @internal */
export interface NativeRecorder {
  /** Creates the first file and starts to record. */
  record(options: NativeRecordOptions): Promise<NativeRecording>
  /** Ends the recording once everything received before this call is written. */
  stopRecording(): void
  /** Completes the file in progress, unless it has no packets, once everything received before this call is written. */
  markRecording(): void
  /** Packs the packets into batches; nothing else may take them until `endBatches()`. */
  batches(options: NativeBatchOptions): NativeBatches
  /** Packets in batches that were not taken count as dropped by overflow; others wait for JavaScript again. */
  endBatches(): void
  /** Keeps the newest packets from here on. */
  flight(options: NativeFlightOptions): NativeFlight
  endFlight(): void
  /** Keeps packets for readers from here on. */
  serve(options: NativeServeOptions): NativeServer
  /** The server ends once everything received before this call is held. */
  endServer(): void
  /** The dump ends with the last packet that is received within `after` milliseconds. Also after the capture is closed. */
  markFlight(dump: FlightDumpHandle, after: number): void
}
