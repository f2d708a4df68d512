/**
 * Link types, as numbers of the public registry (https://www.tcpdump.org/linktypes.html): the common ones on Linux. Any
 * other number of the registry may be used where one of these is expected.
 *
 * These are LINKTYPE_ values, as savefiles have them. libpcap's DLT_ values are the same except for raw IP, where DLT_RAW
 * is 12.
 */
export const LinkType = {
  /** Ethernet, and Linux's loopback. */
  ETHERNET: 1,
  /** An IPv4 or IPv6 packet without a link-layer header: tun, WireGuard and other tunnels. */
  RAW: 101,
  /** A Wi-Fi frame (IEEE 802.11). */
  IEEE802_11: 105,
  /** Linux's “cooked” header, as of captures on libpcap's `any` device. */
  LINUX_SLL: 113,
  /** A Wi-Fi frame after a Prism header. */
  IEEE802_11_PRISM: 119,
  /** A Wi-Fi frame after a radiotap header. */
  IEEE802_11_RADIOTAP: 127,
  /** An IPv4 packet. */
  IPV4: 228,
  /** An IPv6 packet. */
  IPV6: 229,
  /** The second version of Linux's “cooked” header, which names the interface. */
  LINUX_SLL2: 276,
} as const

/** One of the numbers in {@link LinkType}. */
export type LinkType = (typeof LinkType)[keyof typeof LinkType]
