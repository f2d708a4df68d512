import type { DissectorFields } from './fields.js'
import { Layer, Malformed } from './layer.js'

/** The headers of a packet as a plain object, as `headers()` of a dissector makes it. What the packet lacks is left out. */
export interface Headers {
  /** Names of {@link Layer}. */
  readonly layers: readonly (keyof typeof Layer)[]
  readonly link?: { readonly source?: string; readonly destination?: string; readonly etherType?: number }
  readonly vlan?: { readonly id: number; readonly priority: number; readonly count: number; readonly innerId?: number }
  readonly mpls?: { readonly label: number; readonly innerLabel: number; readonly count: number }
  readonly tunnel?: { readonly depth: number; readonly id?: number }
  readonly arp?: {
    readonly operation: number
    readonly senderMac: string
    readonly senderIp: string
    readonly targetMac: string
    readonly targetIp: string
  }
  readonly ip?: {
    readonly version: 4 | 6
    readonly source: string
    readonly destination: string
    readonly protocol: number
    readonly hopLimit: number
    readonly trafficClass: number
    readonly identification?: number
    readonly flowLabel?: number
    readonly fragment?: { readonly offset: number; readonly more: boolean }
  }
  readonly ports?: { readonly source: number; readonly destination: number }
  readonly tcp?: {
    readonly sequence: number
    readonly acknowledgment: number
    readonly flags: readonly string[]
    readonly window: number
  }
  readonly icmp?: {
    readonly type: number
    readonly code?: number
    readonly identifier?: number
    readonly sequence?: number
  }
  readonly payload: { readonly offset: number; readonly length: number }
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
