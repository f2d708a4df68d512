import type { NativeCaptureOptions, NativeCaptureStats } from './native.js'

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
   * Packets that its filter accepted. Counted in the kernel, by the eBPF form of the table: `undefined` where the
   * process may not use eBPF (CAP_BPF).
   */
  readonly received: number | undefined
  /** Packets handed to JavaScript. */
  readonly delivered: number
  /** Captured bytes of the delivered packets. */
  readonly bytes: number
  /**
   * Packets lost, by `droppedByRing` and `droppedByOverflow` together: the kernel does not know the cause per interface.
   * Absent where `received` is; exact in a quiet moment.
   */
  readonly dropped: number | undefined
  /** Packets accepted while it was not yet known that this interface is not wanted, and not delivered. */
  readonly unselected: number
  /** Delivered packets that were cut at the snapshot length. */
  readonly truncated: number
  /** Packets taken from the ring that wait for JavaScript. */
  readonly queued: number
}

/**
 * What became of every packet. In a quiet moment, with nothing `queued`,
 * `received = delivered + droppedByRing + droppedByOverflow + unselected`.
 *
 * Counts since the capture was opened; whole numbers, exact up to 2⁵³.
 */
export interface CaptureStats {
  /** Packets that the filter accepted, whether or not there was room for them. */
  readonly received: number
  /** Packets handed to JavaScript. */
  readonly delivered: number
  /** Captured bytes of the delivered packets. */
  readonly bytes: number
  /** Packets lost because the ring was full: they came faster than its blocks could be freed or copied out. */
  readonly droppedByRing: number
  /** Packets lost because the ring was full and the overflow memory used up: chunks are consumed too slowly. */
  readonly droppedByOverflow: number
  /** Packets of interfaces that turned out not to be wanted, accepted before that was known, and not delivered. */
  readonly unselected: number
  /** Delivered packets that were cut at the snapshot length. */
  readonly truncated: number
  /** Packets taken from the ring that wait for JavaScript. */
  readonly queued: number
  /** How often the ring was full when a packet came. */
  readonly freezes: number
  /** Blocks copied out of the ring because the kernel was about to need them. */
  readonly evicted: number
  /** How often news of interfaces was lost in the kernel, and the list read anew. No event is lost by it. */
  readonly interfaceResyncs: number
  /** Per interface: those present, then those that went (the latest 1024). */
  readonly interfaces: readonly InterfaceStats[]
  /** What holds packets. */
  readonly ring: {
    /** Bytes that the kernel gave, all rings together. */
    readonly memory: number
    /** Rings. */
    readonly count: number
    /** Bytes of one block. */
    readonly blockSize: number
    /** Blocks, of all rings together. */
    readonly blockCount: number
    /** Milliseconds after which a part-filled block is handed over. */
    readonly retireTime: number
    /** The form of the table of interfaces in the kernel's filter. */
    readonly table: 'ebpf' | 'classic'
  }
  readonly overflow: {
    /** Bytes at most. */
    readonly memory: number
    /** Bytes in use now. */
    readonly used: number
  }
}

/** @internal */
export function toStats(native: NativeCaptureStats, options: NativeCaptureOptions): CaptureStats {
  return {
    received: native.received,
    delivered: native.delivered,
    bytes: native.bytes,
    droppedByRing: native.droppedByRing,
    droppedByOverflow: native.droppedByOverflow,
    unselected: native.unselected,
    truncated: native.truncated,
    queued: native.queued,
    freezes: native.freezes,
    evicted: native.evicted,
    interfaceResyncs: native.monitorOverflows,
    interfaces: native.interfaces
      .map((one) => ({ ...one, received: one.received, dropped: one.dropped }))
      .sort((a, b) => Number(b.present) - Number(a.present) || a.index - b.index),
    ring: {
      memory: options.blockSize * native.blockCount,
      count: options.ringCount,
      blockSize: options.blockSize,
      blockCount: native.blockCount,
      retireTime: options.retireTime,
      table: native.table,
    },
    overflow: { memory: options.overflowMemory, used: native.overflowUsed },
  }
}
