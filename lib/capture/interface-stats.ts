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
