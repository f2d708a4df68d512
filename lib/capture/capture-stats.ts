import type { SoftnetStats } from '../interfaces/softnet.js'
import type { InterfaceStats } from './interface-stats.js'
import type { LossLevel, LossStats } from './loss-stats.js'
import type { NativeCaptureOptions, NativeCaptureStats } from './native.js'
import { unpackInterfaces } from './packed-interfaces.js'

/**
 * What became of every packet. In a quiet moment, with nothing `queued`,
 * `received = delivered + droppedByRing + droppedByOverflow + droppedByRecorder + unselected + malformed`.
 *
 * Counts since the capture was opened; whole numbers, exact up to 2⁵³.
 */
export interface CaptureStats {
  /** Packets that the filter accepted, whether or not there was room for them. */
  readonly received: number
  /** Packets handed out: to JavaScript, or to a recording; to both they count once. */
  readonly delivered: number
  /** Captured bytes of the delivered packets. */
  readonly bytes: number
  /**
   * Packets lost because the ring was full: they came faster than its blocks could be freed or copied out. With
   * `backend: 'pcap'`: what libpcap counts as dropped (pcap_stats(3PCAP), `ps_drop`).
   */
  readonly droppedByRing: number
  /** Packets lost because the ring was full and the overflow memory used up: chunks are consumed too slowly. */
  readonly droppedByOverflow: number
  /**
   * Packets lost because the disk was slower than the traffic and the overflow memory used up. Those that JavaScript was
   * given too are not among them: all that a recording did not write is in its own `Recording.stats().dropped`.
   */
  readonly droppedByRecorder: number
  /** Packets of interfaces that turned out not to be wanted, accepted before that was known, and not delivered. */
  readonly unselected: number
  /**
   * Packets lost because the ring's record of them could not be read: it contradicts itself, and so what follows it in
   * the same block cannot be found either. 0 on a sound kernel; each time there is a `warning` too.
   */
  readonly malformed: number
  /**
   * Sightings that the filter accepted, of packets that were delivered as another interface saw them, with the option
   * `dedupe`. No part of `received`. Where user space finds them (the classic form of the table), a duplicate that was
   * lost in the ring counts as lost.
   */
  readonly duplicates: number
  /** Delivered packets that were cut at the snapshot length. */
  readonly truncated: number
  /** Packets taken from the ring that wait for JavaScript. */
  readonly queued: number
  /** What was lost within the last `loss.window`, up to this call. */
  readonly loss: LossStats & {
    /** As the last `loss` event said. */
    readonly level: LossLevel
  }
  /** How often the ring was full when a packet came; 0 with `backend: 'pcap'`, which does not tell. */
  readonly freezes: number
  /** Blocks copied out of the ring because the kernel was about to need them; 0 with `backend: 'pcap'`, which copies all. */
  readonly evicted: number
  /** How often news of interfaces was lost in the kernel, and the list read anew. No event is lost by it. */
  readonly interfaceResyncs: number
  /**
   * What the kernel's queues lost ahead of the ring since the capture was opened, no part of `received`; `undefined` where
   * it cannot be read (a container that masks /proc).
   */
  readonly softnet: SoftnetStats | undefined
  /** Per interface: those present, then those that went (the latest 1024). */
  readonly interfaces: readonly InterfaceStats[]
  /** What holds packets. */
  readonly ring: {
    /** Bytes that the kernel gave, all rings together. With `backend: 'pcap'`: the buffers of the interfaces now open. */
    readonly memory: number
    /** Rings. With `backend: 'pcap'`: the handles now open. */
    readonly count: number
    /** Bytes of one block; no chunk is larger. */
    readonly blockSize: number
    /** Blocks, of all rings together. 0 with `backend: 'pcap'`: chunks are copies, and count as overflow memory. */
    readonly blockCount: number
    /** Milliseconds after which a part-filled block is handed over. */
    readonly retireTime: number
    /**
     * The form of the table of interfaces in the kernel's filter; `'none'` with `backend: 'pcap'`, where each interface
     * has a handle of its own.
     */
    readonly table: 'ebpf' | 'classic' | 'none'
  }
  readonly overflow: {
    /** Bytes at most. */
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
    truncated: native.truncated,
    queued: native.queued,
    loss,
    freezes: native.freezes,
    evicted: native.evicted,
    interfaceResyncs: native.monitorOverflows,
    softnet: native.softnet,
    interfaces: unpackInterfaces(native.interfaces),
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
