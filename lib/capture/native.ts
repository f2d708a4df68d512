import type { CaptureError } from '../errors.js'
import type { NativeInterfaceEvent, NativeSelection } from '../interfaces/native.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { SoftnetStats } from '../interfaces/softnet.js'
import { nativeExports } from '../native/native.js'
import type { NativeRecorder } from '../record/native.js'
import type { LossSample } from './loss-stats.js'
import type { PackedInterfaces } from './packed-interfaces.js'

/**
 * The part of the addon that captures (native/binding/capture/).
 *
 * @internal
 */
export interface CaptureNative {
  /** Error numbers, 0 for success (native/core/capture/probe.h). */
  probePacketSocket(): { socket: number; ring: number }
  /** Error numbers, 0 for success. Call it only where it can succeed: native/core/capture/probe.h says why. */
  probeBpf(): { map: number; program: number }
  libpcapVersion(): string
  /**
   * Opens a ring and the monitor of interfaces; nothing is received before `start()`. `wake` is called when there may be
   * something new, once per burst; it is held, and holds the event loop, until the capture is closed. Without a
   * `selection` the verdicts on interfaces are JavaScript's to give: `decide()`.
   */
  openCapture(
    options: NativeCaptureOptions,
    selection: NativeSelection | undefined,
    wake: () => void,
  ): Promise<NativeCapture>
}

/** @internal */
export const native: () => CaptureNative = nativeExports

/**
 * What a capture is opened with: every value checked, defaults applied (capture-options.ts).
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
  maxDelay: number
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
  /** Through libpcap: then of the ring's settings only `maxDelay` counts. */
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

/** A filter that was compiled (native/core/bpf/filter_request.h). @internal */
export interface NativeFilterState {
  warnings: string[]
  /** LINKTYPE_ numbers that it was compiled for; none where there is no filter. */
  linkTypes: number[]
  /** No device was up whose kernel extensions could be asked for. */
  extensionsMissing: boolean
}

/** An event on its way to JavaScript. @internal */
export interface NativeQueuedEvent {
  /** The epoch that the event began (native/core/links/interface_book.h). */
  epoch: number
  event: NativeInterfaceEvent
  /** The verdict; absent where it is to be given, and where the event asks for none. */
  selected?: boolean
}

/** An interface that was present at the start. @internal */
export interface NativeInitialInterface {
  interface: NetworkInterface
  /** The verdict; absent where it is to be given. */
  selected?: boolean
}

/** What the packets of an interface index belong to: those later than `since`, in nanoseconds since 1970. @internal */
export interface NativeInterfaceAt {
  interface: NetworkInterface
  since: bigint
}

/**
 * A capture's native side (native/binding/capture/capture.cpp).
 *
 * @internal
 */
export interface NativeCapture extends NativeRecorder {
  /** Of the filter it was opened with. */
  readonly filter: NativeFilterState
  /** The interfaces at the time of opening, by index. */
  interfaces(): NativeInitialInterface[]
  /** Nothing else may be called until it has settled. */
  start(): Promise<void>
  /** Answers the event of that epoch; 0: the list at the start. */
  decide(index: number, generation: number, epoch: number, selected: boolean): void
  /** Makes the kernel follow the verdicts on the events taken so far. */
  commit(): void
  nextEvent(): NativeQueuedEvent | undefined
  /**
   * What an interface index means in a block: latest first, never empty; a packet belongs to the first one with an
   * earlier `since`, or else to the last. Also once the capture is closed.
   */
  interfacesAt(index: number, epoch: number, ring: number, number: number): NativeInterfaceAt[]
  nextFault(): CaptureError | undefined
  /** The next block and, in `meta`, what is in it; or 0: none yet, 1: take the events first, 2: no more will come. */
  nextBlock(meta: ArrayBuffer): ArrayBuffer | 0 | 1 | 2
  release(lease: number): void
  /** Compiles and replaces. */
  setFilter(expression: string | undefined): Promise<NativeFilterState>
  /** Checks both sets and replaces them, as {@link NativeCaptureOptions} has them. */
  setHosts(exclude: string | undefined, include: string | undefined): Promise<void>
  /** All that an earlier filter, or earlier sets, accepted was given out. */
  oldFilterDrained(): boolean
  /** Applies the present filter to what is not given out yet. */
  enforceFilter(): void
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
  /** Absent where it cannot be read. */
  softnet?: SoftnetStats
  /** Of the same moment. */
  lossSample: LossSample
  interfaces: PackedInterfaces
}
