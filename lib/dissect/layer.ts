/**
 * The headers that a {@link Dissector} recognises, one bit each. `dissect()` returns the bits of those that the packet
 * has, at any depth. All are below 2^31: the set is a small positive integer.
 *
 * A bit is set if the header's fixed part is within the captured bytes and its content is plausible.
 */
export const Layer = {
  /** Ethernet. */
  Ethernet: 1 << 0,
  /** A data frame of IEEE 802.11, with or without a radiotap, Prism or AVS header. */
  Ieee80211: 1 << 1,
  /** Linux's “cooked” header. */
  Sll: 1 << 2,
  /** The second version of Linux's “cooked” header. */
  Sll2: 1 << 3,
  /** The address family that precedes packets of BSD's loopback (NULL, LOOP) and of OpenBSD's enc devices. */
  Loopback: 1 << 4,
  /** PPP, also inside PPPoE. */
  Ppp: 1 << 5,
  /** PPPoE, discovery or session. */
  Pppoe: 1 << 6,
  /** IEEE 802.2 LLC, with or without SNAP. */
  Llc: 1 << 7,
  /** An 802.1Q or 802.1ad tag, also one that was removed from the bytes (`packet.vlan`). */
  Vlan: 1 << 8,
  /** An MPLS label. */
  Mpls: 1 << 9,
  /** ARP or RARP of IPv4 over Ethernet. */
  Arp: 1 << 10,
  /** IPv4. */
  IPv4: 1 << 11,
  /** IPv6. */
  IPv6: 1 << 12,
  /** A hop-by-hop, routing, fragment or destination options header of IPv6. */
  IPv6Extension: 1 << 13,
  /** The authentication header of IPsec. */
  Ah: 1 << 14,
  /** An encrypted payload of IPsec. */
  Esp: 1 << 15,
  /** TCP. */
  Tcp: 1 << 16,
  /** UDP, and UDP-Lite (`protocol` 136). */
  Udp: 1 << 17,
  /** SCTP. */
  Sctp: 1 << 18,
  /** DCCP. */
  Dccp: 1 << 19,
  /** ICMP of IPv4. */
  Icmp: 1 << 20,
  /** ICMPv6. */
  Icmp6: 1 << 21,
  /** IGMP. */
  Igmp: 1 << 22,
  /** GRE. */
  Gre: 1 << 23,
  /** ERSPAN type I, II or III, if it is followed. */
  Erspan: 1 << 24,
  /** VXLAN, if it is followed. */
  Vxlan: 1 << 25,
  /** GENEVE, if it is followed. */
  Geneve: 1 << 26,
  /** GTP-U version 1, if it is followed. */
  Gtpu: 1 << 27,
  /** A WireGuard message on UDP port 51820. Its content is encrypted. */
  WireGuard: 1 << 28,
  /** A radiotap header before IEEE 802.11. */
  Radiotap: 1 << 29,
} as const

/** A set of bits of {@link Layer}. */
export type Layer = number

/** Why dissection ended early or distrusts a header: the values of `malformed` of a {@link Dissector}. */
export const Malformed = {
  /** Nothing is wrong. */
  None: 0,
  /** The packet, or the data that a length field allows, ends inside a header. */
  Short: 1,
  /** The IP version is not that which the preceding header announces, or neither 4 nor 6. */
  IpVersion: 2,
  /** The header length of an IPv4 or TCP header is less than the fixed part. */
  HeaderLength: 3,
  /** A length field is less than its header, or more than the data. Dissection goes on with the data. */
  Length: 4,
  /** More than 8 extension headers of IPv6, 8 VLAN tags, 16 MPLS labels, or 8 tunnels in each other. */
  TooMany: 5,
  /** A version or a mandatory value of another header is wrong: radiotap, PPPoE, GRE, GENEVE, ARP. */
  Header: 6,
} as const

/** One of the numbers in {@link Malformed}. */
export type Malformed = (typeof Malformed)[keyof typeof Malformed]
