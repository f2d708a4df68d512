/** Fields of {@link frame}: the layers that it has, each with its fields. */
export interface FrameLayers {
  /** The Ethernet header. Left out: the frame begins with the IP header, for devices without a link layer (tun). */
  readonly ethernet?: EthernetFields | undefined
  /** VLAN tags, the outermost first. */
  readonly vlan?: VlanFields | readonly VlanFields[] | undefined
  /** An ARP message. */
  readonly arp?: ArpFields | undefined
  /** The header of IPv4. */
  readonly ipv4?: Ipv4Fields | undefined
  /** The header of IPv6, with its extension headers. */
  readonly ipv6?: Ipv6Fields | undefined
  /** The header of TCP. */
  readonly tcp?: TcpFields | undefined
  /** The header of UDP. */
  readonly udp?: UdpFields | undefined
  /** ICMP; behind IPv6, ICMPv6. */
  readonly icmp?: IcmpFields | undefined
  /** What follows the last header. A string stands for its UTF-8. Default: nothing. */
  readonly payload?: Uint8Array | string | undefined
}

/** Ethernet. */
export interface EthernetFields {
  /** The sender's address, such as `02:00:00:00:00:01`. */
  readonly source: string
  /** The receiver's address. */
  readonly destination: string
  /** Of the tag, if there is one, and otherwise of what follows. Default: by the next layer; without one, 0x88b5. */
  readonly etherType?: number | undefined
}

/** A VLAN tag (IEEE 802.1Q). */
export interface VlanFields {
  /** 0 to 4095. */
  readonly id: number
  /** 0 to 7. Default 0. */
  readonly priority?: number | undefined
  /** Default false. */
  readonly dropEligible?: boolean | undefined
  /** The tag's own EtherType. Default 0x8100; 0x88a8 for a tag that is followed by another one. */
  readonly protocol?: number | undefined
  /** The EtherType of what follows. Default: by the next layer; without one, 0x88b5. */
  readonly etherType?: number | undefined
}

/** ARP for IPv4 over Ethernet (RFC 826). */
export interface ArpFields {
  /** Default `'request'`. */
  readonly operation?: 'request' | 'reply' | number | undefined
  /** The sender's hardware address, such as `02:00:00:00:00:01`. */
  readonly senderMac: string
  /** The sender's IPv4 address. */
  readonly senderIp: string
  /** Default `00:00:00:00:00:00`. */
  readonly targetMac?: string | undefined
  /** The IPv4 address that is asked for, or of the receiver of a reply. */
  readonly targetIp: string
}

/** IPv4 (RFC 791). */
export interface Ipv4Fields {
  /** The source address, such as `192.0.2.1`. */
  readonly source: string
  /** The destination address. */
  readonly destination: string
  /** Default 64. */
  readonly ttl?: number | undefined
  /** Type of service: the differentiated services and the bits of ECN. Default 0. */
  readonly tos?: number | undefined
  /** Default 0. */
  readonly identification?: number | undefined
  /** Default false. */
  readonly dontFragment?: boolean | undefined
  /** Default false. */
  readonly moreFragments?: boolean | undefined
  /** In bytes, a multiple of 8. Default 0. */
  readonly fragmentOffset?: number | undefined
  /** Options, which are padded with zeros to whole 32-bit words. At most 40 bytes. Default: none. */
  readonly options?: Uint8Array | undefined
  /** Default: by the next layer; without one, 253 (for experiments, RFC 3692). */
  readonly protocol?: number | undefined
  /** Default 4. */
  readonly version?: number | undefined
  /** In bytes, a multiple of 4. Default: the length that it has. */
  readonly headerLength?: number | undefined
  /** Default: the length that it has. */
  readonly totalLength?: number | undefined
  /** Default: the right one. */
  readonly checksum?: number | undefined
}

/** An extension header of IPv6 (RFC 8200, section 4). */
export interface Ipv6Extension {
  /** Its number: 0 hop-by-hop options, 43 routing, 44 fragment, 60 destination options. */
  readonly type: number
  /** What follows its first two bytes; padded with zeros to a multiple of 8 bytes in all. */
  readonly content: Uint8Array
}

/** IPv6 (RFC 8200). */
export interface Ipv6Fields {
  /** The source address, such as `2001:db8::1`. */
  readonly source: string
  /** The destination address. */
  readonly destination: string
  /** Default 64. */
  readonly hopLimit?: number | undefined
  /** Default 0. */
  readonly trafficClass?: number | undefined
  /** Default 0. */
  readonly flowLabel?: number | undefined
  /** Extension headers, in this order. Default: none. */
  readonly extensions?: readonly Ipv6Extension[] | undefined
  /**
   * What follows the last extension header. Default: by the next layer; without one, 59 (nothing), or 253 (for experiments,
   * RFC 3692) before a payload.
   */
  readonly nextHeader?: number | undefined
  /** Default 6. */
  readonly version?: number | undefined
  /** Default: the length that it has. */
  readonly payloadLength?: number | undefined
}

/** A flag of TCP (RFC 9293, RFC 3168). */
export type TcpFlag = 'FIN' | 'SYN' | 'RST' | 'PSH' | 'ACK' | 'URG' | 'ECE' | 'CWR'

/** TCP (RFC 9293). */
export interface TcpFields {
  /** 0 to 65535. */
  readonly sourcePort: number
  /** 0 to 65535. */
  readonly destinationPort: number
  /** Default 0. */
  readonly sequence?: number | undefined
  /** Default 0. */
  readonly acknowledgment?: number | undefined
  /** The flags by name, or their bits: FIN is 1. */
  readonly flags: readonly TcpFlag[] | number
  /** Default 65535. */
  readonly window?: number | undefined
  /** Default 0. */
  readonly urgent?: number | undefined
  /** Options, which are padded with zeros to whole 32-bit words. At most 40 bytes. Default: none. */
  readonly options?: Uint8Array | undefined
  /** In bytes, a multiple of 4. Default: the length that it has. */
  readonly headerLength?: number | undefined
  /** Default: the right one. */
  readonly checksum?: number | undefined
}

/** UDP (RFC 768). */
export interface UdpFields {
  /** 0 to 65535. */
  readonly sourcePort: number
  /** 0 to 65535. */
  readonly destinationPort: number
  /** Default: the length that it has. */
  readonly length?: number | undefined
  /** Default: the right one. 0: none, which IPv6 forbids. */
  readonly checksum?: number | undefined
}

/** ICMP (RFC 792) and ICMPv6 (RFC 4443). */
export interface IcmpFields {
  /** For an echo request 8 in ICMP, 128 in ICMPv6. */
  readonly type: number
  /** Default 0. */
  readonly code?: number | undefined
  /** The first two bytes behind the checksum, in echo messages the identifier. Default 0. */
  readonly identifier?: number | undefined
  /** The next two bytes, in echo messages the sequence number; in “packet too big” of ICMP the MTU. Default 0. */
  readonly sequence?: number | undefined
  /** Default: the right one. */
  readonly checksum?: number | undefined
}
