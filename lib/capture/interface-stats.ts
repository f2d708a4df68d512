/**
 * What a device counted as lost on the way in: packets that no capture on this host saw. Differences since the
 * interface was first captured.
 *
 * Source: struct rtnl_link_stats64 (linux/if_link.h; `ip -s -s link`), in the capture's network namespace. Drivers
 * differ in which counter they use, and some count one packet in two: watch each by itself, and do not add them up.
 * Losses on the way out are not included: a capture sees such packets before the device drops them.
 */
export interface DeviceLosses {
  /**
   * `rx_dropped`: received and dropped by the kernel: no room in a processor's backlog, no memory, longer than a
   * virtual device's MTU, or not wanted by the device. Some devices also count packets that were captured and that no
   * protocol wanted afterwards.
   */
  readonly dropped: number
  /** `rx_missed_errors`: the device had no free buffer, because the host did not keep up. Hardware only. */
  readonly missed: number
  /** `rx_errors`: bad packets: wrong length, checksum or alignment, and whatever else the driver finds wrong. */
  readonly errors: number
  /** `rx_over_errors`: packets that did not fit into the buffers that the host provides. */
  readonly overruns: number
  /**
   * `rx_fifo_errors`: the same on many drivers; on software devices, packets for which a queue of the device had no
   * room.
   */
  readonly fifoErrors: number
}

/** The ledger of one interface. */
export interface InterfaceStats {
  /** Its last known name; empty for a device that came and went before its name could be read. */
  readonly name: string
  /** Its interface index. */
  readonly index: number
  /** Distinguishes it from other devices with the same index, see {@link NetworkInterface.generation}. */
  readonly generation: number
  /** Whether it still exists in the namespace. */
  readonly present: boolean
  /** Whether it is selected. */
  readonly selected: boolean
  /**
   * Packets that the filter accepted. Counted in the kernel by the eBPF form of the filter or, with `backend: 'pcap'`,
   * by the interface's own handle; `undefined` in a ring if the process may not use eBPF (CAP_BPF), and from the moment
   * at which the filter takes its classic form ({@link CaptureStats.ring} `table`), except of interfaces that were
   * removed before.
   */
  readonly received: number | undefined
  /** Packets delivered to JavaScript, or to a recording. */
  readonly delivered: number
  /** Captured bytes of the delivered packets. */
  readonly bytes: number
  /** See {@link CaptureStats.droppedByRecorder}. */
  readonly droppedByRecorder: number
  /**
   * Packets lost, by `droppedByRing`, `droppedByOverflow` and `malformed` together: per interface the cause is not
   * known. `undefined` if `received` is; exact once nothing is in the ring or queued.
   */
  readonly dropped: number | undefined
  /** Packets accepted before it was decided that the interface is not selected, and not delivered. */
  readonly unselected: number
  /** With the option `dedupe`: packets not delivered on this interface, because another one saw them first. */
  readonly duplicates: number
  /** With the option `cutoff`: packets that were refused, because they were beyond the first ones of their connection. */
  readonly beyondCutoff: number
  /** See {@link CaptureStats.sampledOut}. */
  readonly sampledOut: number | undefined
  /** Delivered packets that were cut at the snapshot length, or behind their headers. */
  readonly truncated: number
  /**
   * Packets that were taken from the ring and wait for JavaScript, or for a recording. After {@link Capture.close}: those
   * that nobody got; if packets were lost, what was still in the ring is part of `dropped`.
   */
  readonly queued: number
  /**
   * What the device lost ahead of the ring; not part of `received`. For hardware and bonds it may be up to a second old
   * ({@link Capture.stats}), for other devices it is of the moment of the call. `undefined` if the interface was never captured, if
   * the kernel does not report it (before Linux 4.7), and if it went while interface events were lost.
   */
  readonly device: DeviceLosses | undefined
}
