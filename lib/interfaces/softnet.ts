/**
 * What the kernel's packet queues lost, ahead of every device's protocols: of the whole host, whatever the network
 * namespace, and of all processors together, since the capture was opened. Source: the second and third column of
 * `/proc/net/softnet_stat` (net/core/net-procfs.c).
 */
export interface SoftnetStats {
  /**
   * Packets dropped because a processor's backlog was full (sysctl net.core.netdev_max_backlog) or its flow limit
   * applied. Those of veths, tunnels and loopback go through it, and all under receive packet steering. The kernel counts
   * them as `rx_dropped` of their device too (`InterfaceStats.device.dropped`).
   */
  readonly dropped: number
  /**
   * How often a processor had to leave off with packets still waiting (sysctl net.core.netdev_budget and
   * netdev_budget_usecs). No loss, but the usual beginning of one.
   */
  readonly timeSqueezed: number
}
