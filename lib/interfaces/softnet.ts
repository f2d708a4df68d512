/**
 * What the kernel's packet queues lost, ahead of every device's protocols: on the whole host, in all network
 * namespaces, on all processors together, since the capture was opened. Source: the second and third column of
 * `/proc/net/softnet_stat` (net/core/net-procfs.c).
 */
export interface SoftnetStats {
  /**
   * Packets dropped because a processor's backlog was full (sysctl net.core.netdev_max_backlog) or its flow limit
   * applied. Packets of veths, tunnels and loopback pass through the backlog, with receive packet steering all packets
   * do. The kernel also counts them as `rx_dropped` of their device ({@link DeviceLosses.dropped}).
   */
  readonly dropped: number
  /**
   * How often a processor had to stop with packets still waiting (sysctl net.core.netdev_budget and
   * netdev_budget_usecs). Not a loss, but often the beginning of one.
   */
  readonly timeSqueezed: number
}
