import type { CaptureError } from '../errors.js'
import type { NativeInterfaceEvent, NativeSelection } from '../interfaces/native.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { SoftnetStats } from '../interfaces/softnet.js'
import { linuxExports } from '../native/native.js'
import type { NoBlock } from '../native/numbers.js'
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
  /** Error numbers, 0 for success. Must be called only if bpf(2) can succeed, see native/core/capture/probe.h. */
  probeBpf(): { map: number; program: number }
  libpcapVersion(): string
  /**
   * Opens the rings and the interface monitor; nothing is received before `start()`. `wake` is called once per burst
   * when blocks, events or faults may be available. It is referenced, and keeps the event loop alive, until the capture
   * is closed. Without `selection`, JavaScript gives the verdict on each interface by `decide()`.
   */
  openCapture(
    options: NativeCaptureOptions,
    selection: NativeSelection | undefined,
    wake: () => void,
  ): Promise<NativeCapture>
}

/** @internal */
export const native: () => CaptureNative = linuxExports

/**
 * The options of a capture, checked, with defaults applied (capture-options.ts).
 *
 * @internal
 */
export interface NativeCaptureOptions {
  blockSize: number
  /** Blocks of each ring. */
  blockCount: number
  ringCount: number
  /**
   * One of `Sharing`, how the rings share the traffic: by flow; by interface, where each except the first belongs to one;
   * by the processor that receives or sends.
   */
  sharing: number
  /** The processor of each ring; empty: any. */
  processors: number[]
  /** The number of a fanout group that other programs may be members of too; 0: none. */
  groupId: number
  /** PACKET_FANOUT_*, with PACKET_FANOUT_FLAG_*, of that group. */
  groupType: number
  /** Use the time that a device has stamped on a packet, where there is one. */
  hardwareTimestamps: boolean
  overflowMemory: number
  /** Milliseconds after which a part-filled block is handed over. */
  maxDelay: number
  /** The most bytes of each packet. */
  snapshotLength: number
  /** One of `Direction`. */
  direction: number
  /** Decide on interfaces that appear, or get another name. */
  hotplug: boolean
  promiscuous: boolean
  dedupe: boolean
  cutoff: NativeCutoff | undefined
  sample: NativeSample | undefined
  /** One of `Slice` (lib/native/numbers.ts). */
  slice: number
  /** One of `FilterMode`. */
  table: number
  /** Deliver copies of blocks instead of the ring's memory. */
  copying: boolean
  /** Capture through libpcap; of the ring's settings only `maxDelay` is used. */
  pcap: boolean
  /** Bytes of the buffers of all libpcap handles together. */
  pcapMemory: number
  /** The exact names selected. With `pcap`, a name that is no interface may be a libpcap device. */
  names: string[]
  filter: string | undefined
  /** Addresses and prefixes, one a line. */
  excludeHosts: string | undefined
  includeHosts: string | undefined
  /** Connections, one a line (connection_set.h). */
  excludeConnections: string | undefined
  netns: string | undefined
}

/** The result of compiling a filter (native/core/bpf/filter_request.h). @internal */
export interface NativeFilterState {
  warnings: string[]
  /** Link types that it cannot be compiled for, each with the warning for a captured device of it. */
  refusals: { linkType: number; warning: string }[]
  /** The LINKTYPE_ numbers it was compiled for; empty without a filter. */
  linkTypes: number[]
  /** Compiled without the kernel's BPF extensions, because no device was up to query them on. */
  extensionsMissing: boolean
}

/** An interface event queued for JavaScript. @internal */
export interface NativeQueuedEvent {
  /** The epoch that begins with the event (native/core/links/interface_book.h). */
  epoch: number
  event: NativeInterfaceEvent
  /** The verdict; absent if JavaScript has to give it, or if the event needs none. */
  selected?: boolean
}

/** An interface that was present at the start. @internal */
export interface NativeInitialInterface {
  interface: NetworkInterface
  /** The verdict; absent if JavaScript has to give it. */
  selected?: boolean
}

/** The interface to which packets with a timestamp after `since` belong; nanoseconds since 1970-01-01 UTC. @internal */
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
  /** State of the filter with which the capture was opened. */
  readonly filter: NativeFilterState
  /** What stat(2) returns for the network namespace; absent if the capture was opened without `netns`. */
  readonly netns?: { readonly device: bigint; readonly inode: bigint }
  /** The interfaces at the time of opening, by index. */
  interfaces(): NativeInitialInterface[]
  /** No other method may be called until the promise has settled. */
  start(): Promise<void>
  /** Gives the verdict on the interface of the event with this epoch; epoch 0: the list at the start. */
  decide(index: number, generation: number, epoch: number, selected: boolean): void
  /** Applies the verdicts on the events taken so far to the kernel's filter. */
  commit(): void
  nextEvent(): NativeQueuedEvent | undefined
  /**
   * The interfaces that an index may denote in a block, latest first; never empty. A packet belongs to the first entry
   * whose `since` is earlier than its timestamp, otherwise to the last entry. May be called after the capture is
   * closed.
   */
  interfacesAt(index: number, epoch: number, ring: number, number: number): NativeInterfaceAt[]
  nextFault(): CaptureError | undefined
  /**
   * The next block, described in `meta`; or one of `NoBlock`, where events are events and faults.
   *
   * @param taken events and faults have just been taken: `EVENTS_FIRST` is returned only for those before the block.
   */
  nextBlock(meta: ArrayBuffer, taken: boolean): ArrayBuffer | (typeof NoBlock)[keyof typeof NoBlock]
  release(lease: number, exposed: boolean): void
  /** Compiles the expression and replaces the filter. */
  setFilter(expression: string | undefined, snapshotLength: number, slice: number): Promise<NativeFilterState>
  /** Checks and replaces both sets, in the format of {@link NativeCaptureOptions}. */
  setHosts(exclude: string | undefined, include: string | undefined): Promise<void>
  /** Replaces the excluded connections, in the format of {@link NativeCaptureOptions}. */
  setConnections(connections: string): Promise<void>
  /** Replaces the sampling; `undefined`: every flow. */
  setSample(sample: NativeSample | undefined): Promise<void>
  /** Marks a connection for the cut-off, with one of `CutoffMark`. In the format of a line of `excludeConnections`. */
  mark(connection: string, mark: number): void
  /** Whether every packet accepted by an earlier filter, or by earlier sets, has been delivered. */
  oldFilterDrained(): boolean
  /** Applies the present filter to the packets that are not delivered yet. */
  enforceFilter(): void
  /** Whether JavaScript takes blocks. While a recording runs, blocks are queued for JavaScript only if it does. */
  listen(listening: boolean): void
  stats(): NativeCaptureStats
  /**
   * Brings the devices' losses up to date that `stats()` cannot read without the kernel's RTNL lock; `undefined` if it
   * can read those of every captured device. One call at a time.
   */
  readLosses(): Promise<void> | undefined
  /** Which received packets each of these interfaces stamps: one of `HardwareTimestamps` for each. */
  readTimestamping(names: string[]): Promise<number[]>
  /** `undefined` if the rings have accepted no more than `packets` packets since they were opened. */
  lossSample(packets: number): LossSample | undefined
  stop(): void
  /** Whether every packet received before `stop()` is in the queue. */
  intakeEnded(): boolean
  /** Resolves to the ledger at the end: `queued` then also counts what was in a ring. `undefined` if it was called before. */
  close(): Promise<NativeCaptureStats> | undefined
}

/** 0: no limit; `idle` in milliseconds. @internal */
export interface NativeCutoff {
  bytes: number
  packets: number
  idle: number
  flows: number
}

/** Of all flows, those are captured whose hash is less than `below`; as Sample in native/core/bpf/sample.h. @internal */
export interface NativeSample {
  below: number
  seed: number
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
  beyondCutoff: number
  /** Absent if the kernel has sampled without counting. */
  sampledOut?: number
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
  /** Absent if it cannot be read. */
  softnet?: SoftnetStats
  /** Taken at the same moment. */
  lossSample: LossSample
  interfaces: PackedInterfaces
}
