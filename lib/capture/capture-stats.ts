import type { SoftnetStats } from '../interfaces/softnet.js'
import type { InterfaceStats } from './interface-stats.js'
import type { LossLevel, LossStats } from './loss-stats.js'
import type { NativeCaptureOptions, NativeCaptureStats } from './native.js'
import { unpackInterfaces } from './packed-interfaces.js'
import type { SampleOptions } from './sample-options.js'
import type { Slice } from './slice-options.js'

/**
 * What became of every packet. While none is in the ring, and after {@link Capture.close},
 * `received = delivered + droppedByRing + droppedByOverflow + droppedByRecorder + unselected + malformed + queued`.
 *
 * Counts are since the capture was opened; whole numbers, exact up to 2⁵³.
 */
export interface CaptureStats {
  /** Packets that the filter accepted, whether or not there was room for them. */
  readonly received: number
  /** Packets delivered to JavaScript, to a recording or into a batch. A packet that two of them got counts once. */
  readonly delivered: number
  /** Captured bytes of the delivered packets. */
  readonly bytes: number
  /**
   * Packets lost because the ring was full: they came faster than blocks could be given back or copied out. With
   * `backend: 'pcap'`: what libpcap counts as dropped (pcap_stats(3PCAP), `ps_drop`).
   */
  readonly droppedByRing: number
  /**
   * Packets lost because the ring was full and the overflow memory was used up: chunks, or batches, are consumed too
   * slowly. Also those that waited for JavaScript and made room for a recording, while no iteration was in progress, and
   * those of batches that were not taken ({@link Capture.batches}).
   */
  readonly droppedByOverflow: number
  /**
   * Packets lost because the disk was slower than the traffic and the overflow memory was used up. Packets that
   * JavaScript got are not among them; all packets that a recording did not write are in its own
   * `Recording.stats().dropped`. Where only a flight recorder reads, those that it did not take in time.
   */
  readonly droppedByRecorder: number
  /** Packets of interfaces that are not selected, accepted before that was decided, and not delivered. */
  readonly unselected: number
  /**
   * Packets lost because the ring's record of them, or of one before them in the same block, contradicts itself. 0 on a
   * sound kernel; otherwise a `warning` is emitted too.
   */
  readonly malformed: number
  /**
   * With the option `dedupe`: sightings that the filter accepted, of packets that were delivered as another interface
   * saw them. Not part of `received`. If user space finds them (the classic form of the filter), a duplicate that was
   * lost in the ring counts as lost.
   */
  readonly duplicates: number
  /**
   * With the option `cutoff`: packets that the filter accepted and the kernel refused, because enough of their
   * connection had passed. Not part of `received`.
   */
  readonly beyondCutoff: number
  /**
   * With the option `sample`: packets that the filter accepted, of flows that the sampling leaves out. Not part of
   * `received`. `undefined` if the kernel's filter had its classic form while the capture sampled, which does not count
   * them ({@link CaptureStats.ring} `table`).
   */
  readonly sampledOut: number | undefined
  /** Delivered packets that were cut at the snapshot length, or behind their headers. */
  readonly truncated: number
  /**
   * Packets that were taken from the ring and wait for JavaScript. After {@link Capture.close}: those that nobody got,
   * because they waited then, or were still in the ring.
   */
  readonly queued: number
  /** Losses within the last `loss.window`, up to this call. */
  readonly loss: LossStats & {
    /** The level of the last `loss` event. */
    readonly level: LossLevel
  }
  /** How often the ring was full when a packet came; 0 with `backend: 'pcap'`, which does not report it. */
  readonly freezes: number
  /**
   * Blocks copied out of the ring because the kernel was about to need them; 0 with `backend: 'pcap'`, which copies all
   * packets.
   */
  readonly evicted: number
  /**
   * How often the kernel lost interface events and the list of interfaces was read anew. The differences are emitted as
   * events.
   */
  readonly interfaceResyncs: number
  /**
   * What the kernel's queues lost ahead of the ring since the capture was opened; not part of `received`. `undefined`
   * if it cannot be read (a container that masks /proc).
   */
  readonly softnet: SoftnetStats | undefined
  /** The ledger per interface: interfaces that are present, then the latest 1024 that were removed. */
  readonly interfaces: readonly InterfaceStats[]
  /** The sampling in force now: {@link CaptureOptions.sample}, {@link Capture.setSample}. `undefined`: every flow. */
  readonly sample: Required<SampleOptions> | undefined
  /** The slice in force now: {@link CaptureOptions.slice}, {@link Capture.setSlice}. `undefined`: none. */
  readonly slice: Slice | undefined
  /** The buffers that hold packets in the kernel. */
  readonly ring: {
    /**
     * Bytes that the kernel allocated, all rings together. With `backend: 'pcap'`: the buffers of the interfaces that
     * are open now.
     */
    readonly memory: number
    /** Number of rings. With `backend: 'pcap'`: of handles that are open now. */
    readonly count: number
    /** Bytes of one block. No chunk is larger. */
    readonly blockSize: number
    /**
     * Number of blocks, all rings together. 0 with `backend: 'pcap'`: chunks are copies and count as overflow memory.
     */
    readonly blockCount: number
    /** Milliseconds after which a part-filled block is handed over. */
    readonly retireTime: number
    /**
     * The form of the kernel's filter; `'none'` with `backend: 'pcap'`, where each interface has a handle of its own.
     * With the option `ring.table: 'auto'`, `'ebpf'` changes to `'classic'`, once and with a `warning`, when the filter
     * or the address sets are replaced after the process has given up CAP_BPF.
     */
    readonly table: 'ebpf' | 'classic' | 'none'
  }
  /** Memory for blocks that were copied out of the ring. */
  readonly overflow: {
    /** Bytes at most: the option `overflow.memory`. */
    readonly memory: number
    /** Bytes in use now. */
    readonly used: number
  }
}

/** @internal */
export function toStats(
  native: NativeCaptureStats,
  options: NativeCaptureOptions,
  loss: CaptureStats['loss'],
  reduction: Pick<CaptureStats, 'sample' | 'slice'>,
): CaptureStats {
  return {
    received: native.received,
    delivered: native.delivered,
    bytes: native.bytes,
    droppedByRing: native.droppedByRing,
    droppedByOverflow: native.droppedByOverflow,
    droppedByRecorder: native.droppedByRecorder,
    unselected: native.unselected,
    malformed: native.malformed,
    duplicates: native.duplicates,
    beyondCutoff: native.beyondCutoff,
    sampledOut: native.sampledOut,
    truncated: native.truncated,
    queued: native.queued,
    loss,
    freezes: native.freezes,
    evicted: native.evicted,
    interfaceResyncs: native.monitorOverflows,
    softnet: native.softnet,
    interfaces: unpackInterfaces(native.interfaces),
    ...reduction,
    ring: {
      memory: native.memory,
      count: native.count,
      blockSize: native.blockSize,
      blockCount: native.blockCount,
      retireTime: options.maxDelay,
      table: native.table,
    },
    overflow: { memory: options.overflowMemory, used: native.overflowUsed },
  }
}
