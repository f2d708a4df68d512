import type { DissectorFields } from './fields.js'
import { Layer, Malformed } from './layer.js'

/** The headers of a packet as a plain object, as `headers()` of a dissector makes it. What the packet lacks is left out. */
export interface Headers {
  /** Names of {@link Layer}. */
  readonly layers: readonly (keyof typeof Layer)[]
  /** The link layer: Ethernet, and others that carry addresses or an EtherType. */
  readonly link?: {
    /** The sender's address, such as `02:00:00:00:00:01`. */
    readonly source?: string
    /** The receiver's address. */
    readonly destination?: string
    /** As `etherType` of a {@link Dissector}: the EtherType behind the last VLAN tag, such as 0x0800 for IPv4. */
    readonly etherType?: number
  }
  /** The VLAN tags. */
  readonly vlan?: {
    /** The VLAN of the outermost tag, 0 to 4095. */
    readonly id: number
    /** The priority of the outermost tag, 0 to 7. */
    readonly priority: number
    /** Number of tags. */
    readonly count: number
    /** The VLAN of the innermost tag, if there are several. */
    readonly innerId?: number
  }
  /** The stack of MPLS labels. */
  readonly mpls?: {
    /** The outermost label. */
    readonly label: number
    /** The innermost label. */
    readonly innerLabel: number
    /** Number of labels. */
    readonly count: number
  }
  /** The tunnels around the packet. */
  readonly tunnel?: {
    /** How many tunnels were followed. */
    readonly depth: number
    /** As `tunnelId` of a {@link Dissector}: such as the network identifier of VXLAN, or the key of GRE. */
    readonly id?: number
  }
  /** ARP or RARP of IPv4 over Ethernet. */
  readonly arp?: {
    /** 1 request, 2 reply; 3 and 4 of RARP. */
    readonly operation: number
    /** The sender's hardware address. */
    readonly senderMac: string
    /** The sender's IPv4 address. */
    readonly senderIp: string
    /** The target's hardware address; of a request usually `00:00:00:00:00:00`. */
    readonly targetMac: string
    /** The target's IPv4 address. */
    readonly targetIp: string
  }
  /** The IP header; where tunnels are followed, the innermost. */
  readonly ip?: {
    /** The version of IP. */
    readonly version: 4 | 6
    /** The source address. */
    readonly source: string
    /** The destination address. */
    readonly destination: string
    /** The transport protocol, an IANA number: 6 TCP, 17 UDP. */
    readonly protocol: number
    /** IPv4's time to live, IPv6's hop limit. */
    readonly hopLimit: number
    /** IPv4's type of service, IPv6's traffic class: the differentiated services and the bits of ECN. */
    readonly trafficClass: number
    /** 16 bits of IPv4; 32 bits of IPv6's fragment header. */
    readonly identification?: number
    /** The flow label of IPv6. */
    readonly flowLabel?: number
    /** Only of a fragment. */
    readonly fragment?: {
      /** Where its data belong in the whole packet's, in bytes. */
      readonly offset: number
      /** Whether more fragments follow it. */
      readonly more: boolean
    }
  }
  /** The ports of TCP, UDP, SCTP or DCCP. */
  readonly ports?: {
    /** The sender's port. */
    readonly source: number
    /** The receiver's port. */
    readonly destination: number
  }
  /** The TCP header. */
  readonly tcp?: {
    /** The sequence number. */
    readonly sequence: number
    /** The acknowledgment number, whether or not ACK is set. */
    readonly acknowledgment: number
    /** Names of the flags that are set: `FIN`, `SYN`, `RST`, `PSH`, `ACK`, `URG`, `ECE`, `CWR`, `AE`. */
    readonly flags: readonly string[]
    /** The window as sent, without its scale. */
    readonly window: number
  }
  /** The header of ICMP, ICMPv6 or IGMP. */
  readonly icmp?: {
    /** The type of the message. */
    readonly type: number
    /** The code of the message. IGMP has none. */
    readonly code?: number
    /** Of echo messages, and of ICMP's other queries. */
    readonly identifier?: number
    /** Of the same messages. */
    readonly sequence?: number
  }
  /** The data behind the last header, see `payloadOffset` of a {@link Dissector}. */
  readonly payload: {
    /** Where they begin, in bytes from the start of the packet. */
    readonly offset: number
    /** Bytes, as the length fields say; what was captured of them may be less. */
    readonly length: number
  }
  /** The captured bytes end before the packet does, because of the snapshot length. */
  readonly truncated?: true
  /** A name of {@link Malformed}. */
  readonly malformed?: keyof typeof Malformed
}

/** What the headers are made from: a dissector. */
type Source = DissectorFields & {
  readonly sourceMac: string | undefined
  readonly destinationMac: string | undefined
  readonly sourceIp: string | undefined
  readonly destinationIp: string | undefined
  readonly arp: Headers['arp']
}

const flagNames = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'AE']
const layerNames = Object.keys(Layer) as (keyof typeof Layer)[]
const malformedNames = Object.keys(Malformed) as (keyof typeof Malformed)[]

/** An object with the value if it is there. */
function some<K extends string, V>(name: K, value: V | undefined, absent?: V): { [key in K]?: V } {
  return (value === undefined || value === absent ? {} : { [name]: value }) as { [key in K]?: V }
}

/** @internal */
export function headers(d: Source): Headers {
  const { sourceMac, destinationMac } = d
  return {
    layers: layerNames.filter((name) => (d.layers & Layer[name]) !== 0),
    ...((sourceMac !== undefined || d.etherType >= 0) && {
      link: {
        ...some('source', sourceMac),
        ...some('destination', destinationMac),
        ...some('etherType', d.etherType, -1),
      },
    }),
    ...(d.vlanCount > 0 && {
      vlan: { id: d.vlanId, priority: d.vlanPriority, count: d.vlanCount, ...some('innerId', d.innerVlanId, -1) },
    }),
    ...(d.mplsCount > 0 && { mpls: { label: d.mplsLabel, innerLabel: d.mplsInnerLabel, count: d.mplsCount } }),
    ...((d.tunnelDepth > 0 || d.tunnelId >= 0) && { tunnel: { depth: d.tunnelDepth, ...some('id', d.tunnelId, -1) } }),
    ...some('arp', d.arp),
    ...(d.ipVersion !== 0 && { ip: ip(d) }),
    ...(d.sourcePort >= 0 && { ports: { source: d.sourcePort, destination: d.destinationPort } }),
    ...(d.tcpFlags >= 0 && {
      tcp: {
        sequence: d.tcpSequence,
        acknowledgment: d.tcpAcknowledgment,
        flags: flagNames.filter((_, i) => (d.tcpFlags & (1 << i)) !== 0),
        window: d.tcpWindow,
      },
    }),
    ...(d.icmpType >= 0 && {
      icmp: {
        type: d.icmpType,
        ...some('code', d.icmpCode, -1),
        ...some('identifier', d.icmpIdentifier, -1),
        ...some('sequence', d.icmpSequence, -1),
      },
    }),
    payload: { offset: d.payloadOffset, length: d.payloadLength },
    ...(d.truncated !== 0 && { truncated: true }),
    ...(d.malformed !== 0 && { malformed: malformedNames.find((name) => Malformed[name] === d.malformed) as 'Short' }),
  }
}

function ip(d: Source): NonNullable<Headers['ip']> {
  return {
    version: d.ipVersion as 4 | 6,
    source: d.sourceIp as string,
    destination: d.destinationIp as string,
    protocol: d.protocol,
    hopLimit: d.hopLimit,
    trafficClass: d.trafficClass,
    ...some('identification', d.identification, -1),
    ...some('flowLabel', d.flowLabel, -1),
    ...(d.fragment !== 0 && { fragment: { offset: d.fragmentOffset, more: d.moreFragments !== 0 } }),
  }
}
