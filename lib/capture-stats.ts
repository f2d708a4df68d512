import { unpackInterfaces } from './interface-stats.js'
import type { LossFigures, LossLevel } from './loss-figures.js'
import type { NativeCaptureOptions, NativeCaptureStats } from './native.js'
import type { SoftnetStats } from './softnet.js'

/**
 * What a device counted as lost on the way in: packets that no capture on this host ever saw. Differences since the
 * interface was first captured.
 *
 * Source: struct rtnl_link_stats64 (linux/if_link.h, "man 8 ip-link" with `-s -s`), in the capture's network namespace.
 * Drivers differ in what they count where, and some count one packet twice: these are to be watched each for itself,
 * not added up. What is lost on the way out is not here: a capture has seen it before the device drops it.
 */
export interface DeviceLosses {
  /**
   * `rx_dropped`: received, and thrown away by the kernel: no room in a processor's backlog, no memory, longer than a
   * virtual device's MTU, or unwanted by the device. On some devices it also counts packets that were captured and that
   * no protocol wanted after that.
   */
  readonly dropped: number
  /** `rx_missed_errors`: the device had no buffer left, because the host did not keep up. Hardware only. */
  readonly missed: number
  /** `rx_errors`: bad packets: wrong length, checksum or alignment, and what else the driver finds wrong. */
  readonly errors: number
  /** `rx_over_errors`: did not fit into the buffers that the host provides. */
  readonly overruns: number
  /** `rx_fifo_errors`: the same on many drivers; on software devices, a queue of their own that was full. */
  readonly fifoErrors: number
}

/** The ledger of one interface. */
export interface InterfaceStats {
  /** Its name, as last known; empty for a device that came and went before its name could be read. */
  readonly name: string
  /** Its index. */
  readonly index: number
  /** Tells it from other devices with the same index; see `NetworkInterface.generation`. */
  readonly generation: number
  /** It is still there. */
  readonly present: boolean
  /** It is selected. */
  readonly selected: boolean
  /**
   * Packets that its filter accepted. Counted in the kernel, by the eBPF form of the table, or by its own handle with
   * `backend: 'pcap'`: `undefined` in a ring where the process may not use eBPF (CAP_BPF).
   */
  readonly received: number | undefined
  /** Packets handed out: to JavaScript, or to a recording. */
  readonly delivered: number
  /** Captured bytes of the delivered packets. */
  readonly bytes: number
  /** See {@link CaptureStats.droppedByRecorder}. */
  readonly droppedByRecorder: number
  /**
   * Packets lost, by `droppedByRing`, `droppedByOverflow` and `malformed` together: the cause is not known per interface.
   * Absent where `received` is; exact in a quiet moment.
   */
  readonly dropped: number | undefined
  /** Packets accepted while it was not yet known that this interface is not wanted, and not delivered. */
  readonly unselected: number
  /** Packets not delivered on this interface because they were on another, with the option `dedupe`. */
  readonly duplicates: number
  /** Delivered packets that were cut at the snapshot length. */
  readonly truncated: number
  /** Packets taken from the ring that wait for JavaScript, or for a recording. */
  readonly queued: number
  /**
   * What the device lost ahead of the ring, no part of `received`. `undefined` where the interface was never captured,
   * where the kernel does not tell (before Linux 4.7), and where it went while news of interfaces were lost.
   */
  readonly device: DeviceLosses | undefined
}

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
  readonly loss: LossFigures & {
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
      retireTime: options.retireTime,
      table: native.table,
    },
    overflow: { memory: options.overflowMemory, used: native.overflowUsed },
  }
}
