/**
 * What comes next in a packet. Each header's function returns one of these, and leaves the place in `_at`; so the
 * functions need not call each other, and tunnels in tunnels are a loop.
 *
 * @internal
 */
export const Step = {
  END: 0,
  ETHERNET: 1,
  /** What `etherType` says. */
  ETHER_TYPE: 2,
  /** IPv4 or IPv6, by the version in the header. */
  IP: 3,
  IPV4: 4,
  IPV6: 5,
  /** What `protocol` says. */
  TRANSPORT: 6,
  /** PPP from its protocol field on. */
  PPP: 7,
  LLC: 8,
  /** GRE, and what it carries. */
  GRE: 9,
  /** VXLAN, GENEVE and GTP-U: the payload of UDP, if its port is one of theirs. */
  UDP_TUNNEL: 10,
  /** An Ethernet frame behind MPLS labels. */
  MPLS_ETHERNET: 11,
  /** IP behind IP: `protocol` is 4 or 41. */
  IP_TUNNEL: 12,
  /** What `protocol` says, which may be an extension header of IPv6. */
  EXTENSIONS: 13,
} as const
