import { Malformed } from './layer.js'

/** Groups of fields that are written, and cleared, together. @internal */
export const Group = {
  VLAN: 1 << 0,
  MPLS: 1 << 1,
  NETWORK: 1 << 2,
  TRANSPORT: 1 << 3,
  PORTS: 1 << 4,
  TCP: 1 << 5,
  TCP_OPTIONS: 1 << 6,
  ICMP: 1 << 7,
  ARP: 1 << 8,
  TUNNEL: 1 << 9,
  ALL: (1 << 10) - 1,
  /** Those that are added to while a packet is read: cleared before, where the others are cleared behind. */
  COUNTED: (1 << 0) | (1 << 1) | (1 << 6) | (1 << 9),
} as const

/**
 * For fields that hold numbers of 32 bits without sign. V8 chooses the representation of a field by the first values that
 * it sees; this one makes it a double from the start, which is then overwritten in place.
 */
const unsigned32 = 2 ** 32 - 1

/**
 * What a {@link Dissector} has read from a packet: integers, valid until its next `dissect()`.
 *
 * A field that the packet does not have is -1, except where its comment names another value. Offsets are in bytes from
 * the packet's first byte, as in `packet.data`. Where tunnels are followed, the fields are those of the innermost packet;
 * otherwise, and until there is a tunnel, those of the outermost.
 */
export class DissectorFields {
  /** The headers found: bits of {@link Layer}. 0: none. */
  layers = 0
  /** The link type, a LINKTYPE_ number. */
  linkType = -1
  /**
   * The EtherType behind the last VLAN tag, or from the header that stands for it (SLL, SNAP, GRE, GENEVE). For MPLS and
   * PPPoE theirs.
   */
  etherType = -1

  /** Number of VLAN tags, with the one that was removed from the bytes. 0: none. */
  vlanCount = 0
  /** Identifier in the outermost VLAN tag, 0 to 4095. The tag may have been removed from the bytes (`packet.vlan`). */
  vlanId = -1
  /** Priority code point of the outermost VLAN tag, 0 to 7. */
  vlanPriority = -1
  /** Identifier in the innermost VLAN tag if there are at least two. */
  innerVlanId = -1

  /** Number of MPLS labels. 0: none. */
  mplsCount = 0
  /** The outermost MPLS label. */
  mplsLabel = -1
  /** The innermost MPLS label: that of the bottom of the stack. The same as {@link mplsLabel} if there is one. */
  mplsInnerLabel = -1

  /** Where the IP header begins. */
  networkOffset = -1
  /** 4 or 6. 0: not IP. */
  ipVersion = 0
  /** The transport protocol, an IANA number: 6 TCP, 17 UDP; of IPv6 behind the extension headers, of both behind AH. */
  protocol = -1
  /** Time to live (IPv4) or hop limit (IPv6). */
  hopLimit = -1
  /** Type of service (IPv4) or traffic class (IPv6): the differentiated services and the two bits of ECN. */
  trafficClass = -1
  /** Identification, 16 bits in IPv4; of IPv6 that of its fragment header, 32 bits. */
  identification = unsigned32
  /** Flow label of IPv6, 20 bits. */
  flowLabel = -1
  /** 1: the packet is a fragment, the first, the last or one between. 0: it is whole. */
  fragment = 0
  /** Where the fragment's data belong in the whole packet's, in bytes. 0 for whole packets and first fragments. */
  fragmentOffset = 0
  /** 1: further fragments follow. 0: none. */
  moreFragments = 0

  /** Where the transport header begins; -1 also for a fragment that is not the first. */
  transportOffset = -1
  /** Source port of TCP, UDP, SCTP or DCCP, present if the first four bytes of the header are. */
  sourcePort = -1
  /** Destination port, as {@link sourcePort}. */
  destinationPort = -1

  /** The flags of TCP: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128, AE 256. */
  tcpFlags = -1
  /** Sequence number. */
  tcpSequence = unsigned32
  /** Acknowledgment number, whether or not the flag ACK is set. */
  tcpAcknowledgment = unsigned32
  /** The window as in the header, not scaled. */
  tcpWindow = -1
  /** Maximum segment size. This and the following need the option `tcpOptions`. */
  tcpMss = -1
  /** Window scale, the shift count. */
  tcpWindowScale = -1
  /** 1: selective acknowledgments are permitted (in a SYN). 0: not. */
  tcpSackPermitted = 0
  /** Number of ranges in the SACK option; `tcpSackRanges` has them. 0: none. */
  tcpSackCount = 0
  /** The sender's timestamp (TSval). */
  tcpTimestamp = unsigned32
  /** The timestamp that is echoed (TSecr). */
  tcpTimestampEcho = unsigned32

  /** Type of ICMP, ICMPv6 or IGMP. */
  icmpType = -1
  /** Code of ICMP or ICMPv6. */
  icmpCode = -1
  /** Identifier of an echo, and of ICMP's other queries: timestamp, information, address mask. */
  icmpIdentifier = -1
  /** Sequence number, as {@link icmpIdentifier}. */
  icmpSequence = -1

  /** Operation of ARP: 1 request, 2 reply; 3 and 4 of RARP. */
  arpOperation = -1
  /** Where the ARP header begins. */
  arpOffset = -1

  /** How many tunnels were followed. 0: none. */
  tunnelDepth = 0
  /**
   * The number of the innermost tunnel that has one: VXLAN's or GENEVE's network identifier, GTP-U's endpoint identifier, the
   * key of GRE, the session of ERSPAN. Also that of GRE that was not followed. -1: there is none.
   */
  tunnelId = unsigned32
  /** Where the outermost IP header begins if a tunnel was followed. */
  outerNetworkOffset = -1

  /**
   * Where the data behind the last header begins, which may be beyond the captured bytes. If a header is malformed, or cut
   * so that its length is not known, where that header begins.
   */
  payloadOffset = 0
  /**
   * Bytes of data as the length fields say, without padding of the link layer; what was captured of them may be less. A
   * length beyond the packet's original length is reduced to that. If the IP length is 0, as in super-frames before
   * segmentation, the original length counts.
   */
  payloadLength = 0
  /** 1: TCP's or UDP's checksum is not filled in yet (`packet.checksumPending`). 0: it is, or that is not known. */
  checksumPending = 0
  /** 1: the captured bytes end before the packet does, as far as its length fields say, because of the snapshot length. */
  truncated = 0
  /** What is wrong with the packet: a number of {@link Malformed}; 0: nothing. The first fault found counts. */
  malformed: Malformed = Malformed.None

  /** The following are positions in the array of bytes: what the packet's offset 0 is. @internal */
  _base = 0
  /** End of the captured bytes. @internal */
  _captured = 0
  /** End of the packet by its original length. @internal */
  _wire = 0
  /** End of the data that the headers so far allow; at most the end by the original length. @internal */
  _limit = 0
  /** The lesser of `_captured` and `_limit`: headers are read up to here. @internal */
  _end = 0
  /** Where the next header, or the payload, begins. @internal */
  _at = 0
  /** Where the source MAC is, or -1. @internal */
  _sourceMac = -1
  /** Where the destination MAC is, or -1. @internal */
  _destinationMac = -1
  /** There is a routing header with segments left. @internal */
  _routed = false
  /** The packet is in a tunnel whose packet is a fragment: its end is in another fragment. @internal */
  _inFragment = false
  /**
   * The layers of the packet before if it was a common one (common-packet.ts), whose constant fields are written then; else 0.
   *
   * @internal
   */
  _common = 0
  /** Groups of fields written for this packet, bits of {@link Group}. @internal */
  _groups = 0
  /** Those of the packet before. @internal */
  _previous = 0
  /** Tunnels to follow, bits of Layer. @internal */
  _tunnels = 0
  /** 1: read the options of TCP. @internal */
  _tcpOptions = 0
}

// V8 folds a module's own constants, and reads exported ones anew at each use.
const { VLAN, MPLS, NETWORK, TRANSPORT, PORTS, TCP, TCP_OPTIONS, ICMP, ARP, TUNNEL } = Group

/** Sets the fields of groups to their values for “absent”. @internal */
export function clear(d: DissectorFields, groups: number): void {
  if (groups & VLAN) {
    d.vlanCount = 0
    d.vlanId = d.vlanPriority = d.innerVlanId = -1
  }
  if (groups & MPLS) {
    d.mplsCount = 0
    d.mplsLabel = d.mplsInnerLabel = -1
  }
  if (groups & NETWORK) {
    d.networkOffset = d.protocol = d.hopLimit = d.trafficClass = d.identification = d.flowLabel = -1
    d.ipVersion = d.fragment = d.fragmentOffset = d.moreFragments = 0
  }
  if (groups & TRANSPORT) d.transportOffset = -1
  if (groups & PORTS) d.sourcePort = d.destinationPort = -1
  if (groups & TCP) d.tcpFlags = d.tcpSequence = d.tcpAcknowledgment = d.tcpWindow = -1
  if (groups & TCP_OPTIONS) {
    d.tcpMss = d.tcpWindowScale = d.tcpTimestamp = d.tcpTimestampEcho = -1
    d.tcpSackPermitted = d.tcpSackCount = 0
  }
  if (groups & ICMP) d.icmpType = d.icmpCode = d.icmpIdentifier = d.icmpSequence = -1
  if (groups & ARP) d.arpOperation = d.arpOffset = -1
  if (groups & TUNNEL) {
    d.tunnelDepth = 0
    d.tunnelId = d.outerNetworkOffset = -1
  }
}

/**
 * Ends dissection at a fault; the first one counts. That data are missing is none if they are in another fragment.
 * Returns Step.END.
 *
 * @internal
 */
export function fault(d: DissectorFields, code: Malformed): 0 {
  const isElsewhere = d._inFragment && (code === Malformed.Short || code === Malformed.Length)
  if (d.malformed === Malformed.None && !isElsewhere) d.malformed = code
  return 0
}

/**
 * Ends dissection at a header that needs bytes up to `end` but is not captured in full. It is malformed if the packet
 * itself ends before. Returns Step.END.
 *
 * @internal
 */
export function short(d: DissectorFields, end: number): 0 {
  return end > d._limit ? fault(d, Malformed.Short) : 0
}

/** Ends the data at `end`, as a length field says. @internal */
export function limit(d: DissectorFields, end: number): void {
  if (end >= d._limit) return
  d._limit = end
  if (end < d._end) d._end = end
}

/** Where the bytes end that were captured and belong to the packet: padding of the link layer does not. @internal */
export const presentEnd = (d: DissectorFields): number => Math.min(d._captured, d._limit)

const maxTunnels = 8

/**
 * Enters a tunnel: the fields of the packet outside it are cleared.
 *
 * @param withLink the tunnel carries frames with a link-layer header of their own
 * @returns false if there are too many tunnels
 * @internal
 */
export function enterTunnel(d: DissectorFields, id: number, withLink: boolean): boolean {
  if (d.tunnelDepth === maxTunnels) {
    fault(d, Malformed.TooMany)
    return false
  }
  const depth = d.tunnelDepth + 1
  // Without an IP header outside, the field is still that of the packet before.
  const network = (d._groups & Group.NETWORK) !== 0 ? d.networkOffset : -1
  const outer = depth === 1 ? network : d.outerNetworkOffset
  if (network >= 0 && d.fragment !== 0) d._inFragment = true
  const link = withLink ? Group.VLAN | Group.MPLS : 0
  clear(d, link | (Group.ALL & ~(Group.VLAN | Group.MPLS | Group.TUNNEL)))
  if (withLink) d._sourceMac = d._destinationMac = d.etherType = -1
  d.tunnelDepth = depth
  if (id >= 0) d.tunnelId = id
  d.outerNetworkOffset = outer
  d._groups |= Group.TUNNEL
  return true
}
