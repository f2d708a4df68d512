import loaded from './addon.cjs'
import { CaptureError, type CaptureErrorCode } from './errors.js'
import type { PackedInterfaces } from './interface-stats.js'
import type { LossSample } from './loss-figures.js'
import type {
  NativeRecording,
  NativeRecordOptions,
  NativeSavefileBuffer,
  NativeSavefileForm,
} from './native-recording.js'
import type {
  NativeFileInterface,
  NativeFileSection,
  NativeSavefile,
  NativeSavefileOptions,
} from './native-savefile.js'
import type { NetworkInterface } from './network-interface.js'
import type { SoftnetStats } from './softnet.js'

/**
 * What happened to an interface, as the core tells it.
 *
 * @internal
 */
export interface NativeInterfaceEvent {
  type: 'added' | 'removed' | 'renamed' | 'changed'
  interface: NetworkInterface
  /** With `renamed` and `changed`. */
  previous?: NetworkInterface
}

/**
 * What a watch has gathered (native/core/interface_watch.h).
 *
 * @internal
 */
export interface NativeInterfaceBatch {
  events: NativeInterfaceEvent[]
  /** More happened than was to be queued: instead of events, what there is now. */
  resync?: NetworkInterface[]
  /** Nothing more will come. */
  error?: CaptureError
}

/** @internal */
export interface NativeInterfaceWatch {
  /** What was there when the watch began. */
  interfaces(): NetworkInterface[]
  /** At most `limit` events; `undefined` where there is nothing, and then `onReady` is called once when there is. */
  take(limit: number): NativeInterfaceBatch | undefined
  /** Holds the event loop, or not (the state at the start). */
  ref(): void
  unref(): void
  close(): Promise<void>
}

/**
 * What the addon exports. Each room of the binding (native/binding/) adds its part here.
 *
 * @internal
 */
export interface Native {
  setErrorFactory(
    factory: (
      code: CaptureErrorCode,
      message: string,
      errno: number,
      syscall: string,
      name: string,
      option: string,
      offset: number,
    ) => CaptureError,
  ): void
  Pattern: new (expression: string) => NativePattern
  /** Error numbers, 0 for success (native/core/check.h). */
  probePacketSocket(): { socket: number; ring: number }
  /** Error numbers, 0 for success. Call it only where it can succeed: native/core/check.h says why. */
  probeBpf(): { map: number; program: number }
  libpcapVersion(): string
  listInterfaces(netns: string | undefined): NetworkInterface[]
  /** `receiveBuffer`: bytes that the kernel may hold; 0 for the default. `onReady` is held until the watch is closed or collected. */
  InterfaceWatch: new (
    receiveBuffer: number,
    maxQueue: number,
    onReady: () => void,
    netns: string | undefined,
  ) => NativeInterfaceWatch
  compileFilter(expression: string, linkType: number, snapshotLength: number): Promise<FilterHandle>
  filterInstructions(handle: FilterHandle): ArrayBuffer
  filterListing(handle: FilterHandle): string
  filterMatches(handle: FilterHandle, bytes: Uint8Array, originalLength: number): boolean
  /**
   * Opens a ring and the monitor of interfaces; nothing is received before `start()`. `wake` is called when there may be
   * something new, once per burst; it is held, and holds the event loop, until the capture is closed.
   */
  openCapture(options: NativeCaptureOptions, wake: () => void): Promise<NativeCapture>
  /**
   * Begins to read from a copy of the descriptor, or, where that is -1, what feed() brings. `wake` is called when there
   * is something new; it is held, and unless `hold(false)` holds the event loop, until the file is closed.
   */
  openSavefile(options: NativeSavefileOptions, fd: number, wake: () => void): NativeSavefile
  /** Packets as the bytes of a savefile. */
  SavefileBuffer: new (
    form: NativeSavefileForm,
  ) => NativeSavefileBuffer
  /** The LINKTYPE_ value for an ARPHRD_ one, `undefined` where none fits. */
  linkTypeOf(hardwareType: number): number | undefined
  /** `patience` in milliseconds (native/core/injector.h). */
  openInjector(
    name: string,
    netns: string | undefined,
    patience: number,
    bypass: boolean,
  ): Promise<{ handle: InjectorHandle; interface: NetworkInterface }>
  /** Sends `count` frames as lib/frame-packer.ts lays them out, `position` being the first one's number; one at a time. */
  injectorSend(
    handle: InjectorHandle,
    bytes: ArrayBuffer,
    layout: Uint32Array,
    count: number,
    position: number,
  ): Promise<NativeTally & { done: number }>
  /** Ends the send that runs. */
  injectorInterrupt(handle: InjectorHandle): void
  injectorClose(handle: InjectorHandle): Promise<void>
  /** `onEnd` is called once, and holds the event loop until then. */
  /** `onEnd` is called once at the end, and before that for each question. It holds the event loop until the end. */
  startConvert(options: NativeConvertOptions, onEnd: () => void): ConvertHandle
  /** Where one waits for its answer, which everything else waits for. */
  convertQuestion(handle: ConvertHandle): NativeConvertQuestion | undefined
  answerConvert(handle: ConvertHandle, selected: boolean): void
  convertFigures(handle: ConvertHandle): NativeConvertFigures
  /** Ends it soon. */
  stopConvert(handle: ConvertHandle): void
  /** When `onEnd` was called. */
  finishConvert(handle: ConvertHandle): {
    figures: NativeConvertFigures
    files: { path: string; packets: number; bytes: number; firstTimestamp: bigint; lastTimestamp: bigint }[]
    warnings: string[]
    failure?: CaptureError
  }
  /** `onEnd` is called once, and holds the event loop until then. */
  startReplay(options: NativeReplayOptions, onEnd: () => void): ReplayHandle
  replayFigures(handle: ReplayHandle): NativeReplayFigures
  /** Ends it soon. */
  stopReplay(handle: ReplayHandle): void
  /** When `onEnd` was called. */
  finishReplay(handle: ReplayHandle): {
    tally: NativeTally
    figures: NativeReplayFigures
    warnings: string[]
    failure?: CaptureError
  }
}

/**
 * A conversion in native memory (native/binding/convert.cpp).
 *
 * @internal
 */
export interface ConvertHandle {
  readonly convertHandle: unique symbol
}

/** What a conversion is started with: every value checked and settled (lib/convert-files.ts). @internal */
export interface NativeConvertOptions extends NativeSavefileForm {
  inputs: readonly string[]
  output: string
  byTime: boolean
  filter: string | undefined
  /** Each interface is asked about. */
  selecting: boolean
  /** Types of blocks. */
  keep: readonly number[]
  /** 0 each: no limit. */
  mostBytes: number
  mostPackets: number
  mostMilliseconds: number
}

/** An interface that waits to be selected, or not. @internal */
export interface NativeConvertQuestion {
  section: NativeFileSection
  /** Of the section in its file. */
  number: number
  interface: NativeFileInterface
}

/** native/core/savefile_converter.h. @internal */
export interface NativeConvertFigures {
  packets: number
  written: number
  otherLinkType: number
  bytesRead: number
  bytesTotal: number
}

/**
 * A replay in native memory (native/binding/replay.cpp).
 *
 * @internal
 */
export interface ReplayHandle {
  readonly replayHandle: unique symbol
}

/** What a replay is started with: every value checked and settled (lib/replay.ts). @internal */
export interface NativeReplayOptions {
  file: string
  interface: string
  netns: string | undefined
  filter: string | undefined
  /** Milliseconds. */
  maxWait: number
  bypassQueue: boolean
  /** Infinity: as fast as it goes. */
  speed: number
  /** 0: without end. */
  passes: number
  /** Milliseconds. */
  maxGap: number | undefined
}

/** native/core/replay_sender.h. @internal */
export interface NativeReplayFigures {
  packets: number
  sent: number
  bytes: number
  refused: number
  passes: number
  nanoseconds: number
  latenessSum: number
  latenessMost: number
}

/**
 * An open injector in native memory (native/core/injector.h).
 *
 * @internal
 */
export interface InjectorHandle {
  readonly injectorHandle: unique symbol
}

/**
 * What became of frames (native/core/send_tally.h).
 *
 * @internal
 */
export interface NativeTally {
  sent: number
  bytes: number
  refusals: { cause: number; errno: number; count: number; positions: number[] }[]
}

/**
 * What a capture is opened with: every value checked and settled (lib/options.ts).
 *
 * @internal
 */
export interface NativeCaptureOptions {
  blockSize: number
  /** Of each ring. */
  blockCount: number
  ringCount: number
  /** The rings but the first are single interfaces'; else all share by flow. */
  ownRings: boolean
  overflowMemory: number
  /** Milliseconds after which a part-filled block is handed over. */
  retireTime: number
  snapshotLength: number
  /** 0 both, 1 in, 2 out. */
  direction: number
  hotplug: boolean
  promiscuous: boolean
  dedupe: boolean
  /** 0 auto, 1 eBPF, 2 classic. */
  table: number
  /** Hand out copies instead of the ring's memory. */
  copying: boolean
  /** Through libpcap: then of the ring's settings only `retireTime` counts. */
  pcap: boolean
  /** Bytes, of all handles' buffers together. */
  pcapMemory: number
  /** Asked for by name: what is no interface may be a device of libpcap. */
  names: string[]
  filter: string | undefined
  /** Addresses and prefixes, one a line. */
  excludeHosts: string | undefined
  includeHosts: string | undefined
  netns: string | undefined
}

/** What is to be known of a filter that was compiled (native/core/filter_request.h). @internal */
export interface NativeFilterState {
  warnings: string[]
  /** LINKTYPE_ numbers that it was compiled for; none where there is no filter. */
  linkTypes: number[]
  /** No device was up whose kernel extensions could be asked for. */
  extensionsMissing: boolean
}

/** News of an interface on their way to JavaScript. @internal */
export interface NativeQueuedEvent {
  /** The epoch that the event began. */
  epoch: number
  /** When it was read, nanoseconds since 1970: packets up to then are of the time before it. */
  time: bigint
  event: NativeInterfaceEvent
}

/**
 * A capture's native side (native/binding/capture.cpp).
 *
 * @internal
 */
export interface NativeCapture {
  /** Of the filter it was opened with. */
  readonly filter: NativeFilterState
  /** The interfaces at the time of opening. */
  interfaces(): NetworkInterface[]
  /** Nothing else may be called until it has settled. */
  start(): Promise<void>
  /** Answers the event of that epoch; 0: the list at the start. */
  decide(index: number, generation: number, epoch: number, selected: boolean): void
  /** Makes the kernel follow the answers. */
  commit(): void
  nextEvent(): NativeQueuedEvent | undefined
  nextFault(): CaptureError | undefined
  /** The next block and, in `meta`, what is in it; or 0: none yet, 1: take the events first, 2: no more will come. */
  nextBlock(meta: ArrayBuffer): ArrayBuffer | 0 | 1 | 2
  release(lease: number): void
  /** Compiles and replaces. */
  setFilter(expression: string | undefined): Promise<NativeFilterState>
  /** Checks both sets and replaces them, as {@link NativeCaptureOptions} has them. */
  setHosts(exclude: string | undefined, include: string | undefined): Promise<void>
  /** All that an earlier filter, or earlier sets, accepted was given out. */
  filterSettled(): boolean
  /** Applies the present filter to what is not given out yet. */
  enforceFilter(): void
  /** Begins a file and records into it from then on. */
  record(options: NativeRecordOptions): Promise<NativeRecording>
  /** The recording ends when everything received before now is written. */
  stopRecording(): void
  /** Whether JavaScript takes blocks; while something is recorded, blocks only wait for it if it does. */
  listen(listening: boolean): void
  stats(): NativeCaptureStats
  /** `undefined` where the rings have accepted no more than so many packets since they were opened. */
  lossSample(packets: number): LossSample | undefined
  stop(): void
  /** Every packet from before the stop is in the queue. */
  intakeEnded(): boolean
  close(): Promise<void> | undefined
}

/** @internal */
export interface NativeCaptureStats {
  received: number
  delivered: number
  bytes: number
  droppedByRing: number
  droppedByOverflow: number
  droppedByRecorder: number
  unselected: number
  duplicates: number
  truncated: number
  malformed: number
  queued: number
  freezes: number
  evicted: number
  overflowUsed: number
  monitorOverflows: number
  memory: number
  count: number
  blockSize: number
  blockCount: number
  table: 'ebpf' | 'classic' | 'none'
  /** Absent where the kernel does not tell. */
  softnet?: SoftnetStats
  /** Of the same moment. */
  lossSample: LossSample
  interfaces: PackedInterfaces
}

/**
 * A compiled POSIX extended regular expression (native/core/pattern.h). Its constructor throws `ERR_PATTERN` with the
 * bare reason.
 *
 * @internal
 */
export interface NativePattern {
  matches(name: string): boolean
}

/**
 * A compiled filter in native memory.
 *
 * @internal
 */
export interface FilterHandle {
  readonly filterHandle: unique symbol
}

let ready: Native | undefined

/**
 * The addon, loaded when it is first needed, so that importing the library never fails.
 *
 * @throws CaptureError `ERR_NATIVE_UNAVAILABLE`, with the remedy, where it cannot be loaded.
 * @internal
 */
export function native(): Native {
  if (ready) return ready
  if (!loaded.addon) {
    const remedy =
      process.platform === 'linux'
        ? 'Build it with "npm explore ringtap -- npm run build:native" or, in the source tree, "npm run build"; ' +
          'that needs a C++20 compiler, make, Python 3 and the libpcap headers (Debian: libpcap-dev, Fedora: libpcap-devel, Alpine: libpcap-dev).'
        : 'ringtap captures through AF_PACKET and runs on Linux only.'
    throw new CaptureError(
      'ERR_NATIVE_UNAVAILABLE',
      `the native addon of ringtap could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}. ${remedy} (${loaded.failure?.message.trim().replace(/\s+/g, ' ') ?? 'no reason known'})`,
      { cause: loaded.failure },
    )
  }
  const addon = loaded.addon as Native
  addon.setErrorFactory((code, message, errno, syscall, name, option, offset) => {
    return new CaptureError(code, message, {
      errno,
      syscall,
      interface: name,
      option,
      offset: offset < 0 ? undefined : offset,
    })
  })
  ready = addon
  return ready
}
