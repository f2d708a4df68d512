import { createHash } from 'node:crypto'

/** What the formats need of a flow. */
interface Counted {
  readonly sourceIp: string
  readonly sourcePort: number
  readonly destinationIp: string
  readonly destinationPort: number
  readonly protocol: number
  readonly ipVersion: 4 | 6
  readonly interfaces: readonly { readonly name: string }[]
  readonly vlan: number
  readonly tunnelId: number
  readonly first: number
  readonly last: number
  readonly duration: number
  readonly originator: CountedDirection
  readonly responder: CountedDirection
  readonly state: string
  readonly history: string
  readonly end?: unknown
  communityId(): string
}

interface CountedDirection {
  readonly packets: number
  readonly bytes: number
  readonly payloadBytes: number
  readonly gapBytes: number
}

/** A record of Zeek's conn.log (Zeek documentation, base/protocols/conn): the fields that can be had from packets. */
export interface ZeekConnection {
  /** Seconds since 1970. */
  readonly ts: number
  /** `C` and 17 letters or digits: the same for the same flow. */
  readonly uid: string
  /** The originator's address. */
  readonly 'id.orig_h': string
  /** See {@link Flow.sourcePort}. */
  readonly 'id.orig_p': number
  /** The responder's address. */
  readonly 'id.resp_h': string
  /** See {@link Flow.destinationPort}. */
  readonly 'id.resp_p': number
  /** `tcp`, `udp`, `icmp` or `unknown_transport`. */
  readonly proto: string
  /** Seconds. Absent if there was one packet only. */
  readonly duration?: number
  /** Bytes of payload that the originator sent. */
  readonly orig_bytes: number
  /** Bytes of payload that the responder sent. */
  readonly resp_bytes: number
  /** The state of the connection, see {@link Flow.state}. */
  readonly conn_state: string
  /** Bytes of gaps in both directions. */
  readonly missed_bytes: number
  /** The events of the connection, see {@link Flow.history}. */
  readonly history: string
  /** Packets that the originator sent. */
  readonly orig_pkts: number
  /** Bytes that the originator sent, from the IP header on. */
  readonly orig_ip_bytes: number
  /** Packets that the responder sent. */
  readonly resp_pkts: number
  /** Bytes that the responder sent, from the IP header on. */
  readonly resp_ip_bytes: number
  /** The number of the protocol (IANA). */
  readonly ip_proto: number
  /** The Community ID, version 1, with seed 0. */
  readonly community_id: string
  /** The outermost VLAN, if the table tells flows apart by it. */
  readonly vlan?: number
}

/** A network event of the Elastic Common Schema, version 8. */
export interface EcsEvent {
  /** Time of the latest packet: ISO 8601, UTC. */
  readonly '@timestamp': string
  /** About the format. */
  readonly ecs: {
    /** The version of the schema. */
    readonly version: string
  }
  /** The flow as an event. */
  readonly event: {
    /** Always `event`. */
    readonly kind: 'event'
    /** Always `network`. */
    readonly category: readonly ['network']
    /** `connection`, and `end` if the flow has ended, otherwise `info`. */
    readonly type: readonly string[]
    /** Time of the first packet: ISO 8601, UTC. */
    readonly start: string
    /** Time of the latest packet: ISO 8601, UTC. */
    readonly end: string
    /** Nanoseconds. */
    readonly duration: number
  }
  /** The originator. */
  readonly source: EcsEnd
  /** The responder. */
  readonly destination: EcsEnd
  /** Both directions together. */
  readonly network: {
    /** The version of IP. */
    readonly type: 'ipv4' | 'ipv6'
    /** The name of the protocol, such as `tcp`, or its number in decimal digits. */
    readonly transport: string
    /** The number of the protocol (IANA), in decimal digits. */
    readonly iana_number: string
    /** The Community ID, version 1, with seed 0. */
    readonly community_id: string
    /** Bytes of both directions, from the IP header on. */
    readonly bytes: number
    /** Packets of both directions. */
    readonly packets: number
    /** The outermost VLAN, if the table tells flows apart by it. */
    readonly vlan?: {
      /** Its number, in decimal digits. */
      readonly id: string
    }
  }
  /** Where the flow was seen. Absent if no packet had an interface. */
  readonly observer?: {
    /** Where its packets came in. */
    readonly ingress: {
      /** The first of {@link Flow.interfaces}. */
      readonly interface: {
        /** Its name. */
        readonly name: string
      }
    }
  }
}

/** One end of an {@link EcsEvent}. */
export interface EcsEnd {
  /** Its address. */
  readonly ip: string
  /** Its port. Absent if the protocol has none, and of ICMP. */
  readonly port?: number
  /** Bytes that it sent, from the IP header on. */
  readonly bytes: number
  /** Packets that it sent. */
  readonly packets: number
}

const names: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [47, 'gre'],
  [50, 'esp'],
  [58, 'icmp'],
  [132, 'sctp'],
])
const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/**
 * Milliseconds as seconds, to the microsecond: the nearest number to that decimal, so that it is printed with six digits.
 * Divided by 1000, a third of all times would be the number beside it.
 */
const toSeconds = (milliseconds: number) => Math.round(milliseconds * 1000) / 1e6

/** @internal */
export function zeekConnection(flow: Counted): ZeekConnection {
  const { originator, responder, duration } = flow
  const zeekNames: Record<number, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' }
  return {
    ts: toSeconds(flow.first),
    uid: uidOf(flow),
    'id.orig_h': flow.sourceIp,
    'id.orig_p': flow.sourcePort,
    'id.resp_h': flow.destinationIp,
    'id.resp_p': flow.destinationPort,
    proto: zeekNames[flow.protocol] ?? 'unknown_transport',
    ...(originator.packets + responder.packets > 1 && { duration: toSeconds(duration) }),
    orig_bytes: originator.payloadBytes,
    resp_bytes: responder.payloadBytes,
    conn_state: flow.state,
    missed_bytes: originator.gapBytes + responder.gapBytes,
    history: flow.history,
    orig_pkts: originator.packets,
    orig_ip_bytes: originator.bytes,
    resp_pkts: responder.packets,
    resp_ip_bytes: responder.bytes,
    ip_proto: flow.protocol,
    community_id: flow.communityId(),
    ...(flow.vlan >= 0 && { vlan: flow.vlan }),
  }
}

function uidOf({
  sourceIp,
  sourcePort,
  destinationIp,
  destinationPort,
  protocol,
  first,
  vlan,
  tunnelId,
}: Counted): string {
  const key = [sourceIp, sourcePort, destinationIp, destinationPort, protocol, first, vlan, tunnelId].join(' ')
  const hash = createHash('sha256').update(key).digest()
  return `C${Array.from(hash.subarray(0, 17), (byte) => digits[byte % digits.length]).join('')}`
}

/** @internal */
export function ecsEvent(flow: Counted): EcsEvent {
  const { originator, responder, protocol } = flow
  const hasPorts = flow.sourcePort + flow.destinationPort > 0 && protocol !== 1 && protocol !== 58
  const [iface] = flow.interfaces
  const time = (milliseconds: number) => new Date(milliseconds).toISOString()
  return {
    '@timestamp': time(flow.last),
    ecs: { version: '8.17.0' },
    event: {
      kind: 'event',
      category: ['network'],
      type: flow.end === undefined ? ['connection', 'info'] : ['connection', 'end'],
      start: time(flow.first),
      end: time(flow.last),
      duration: Math.round(flow.duration * 1e6),
    },
    source: {
      ip: flow.sourceIp,
      ...(hasPorts && { port: flow.sourcePort }),
      bytes: originator.bytes,
      packets: originator.packets,
    },
    destination: {
      ip: flow.destinationIp,
      ...(hasPorts && { port: flow.destinationPort }),
      bytes: responder.bytes,
      packets: responder.packets,
    },
    network: {
      type: flow.ipVersion === 4 ? 'ipv4' : 'ipv6',
      transport: protocol === 58 ? 'ipv6-icmp' : (names.get(protocol) ?? String(protocol)),
      iana_number: String(protocol),
      community_id: flow.communityId(),
      bytes: originator.bytes + responder.bytes,
      packets: originator.packets + responder.packets,
      ...(flow.vlan >= 0 && { vlan: { id: String(flow.vlan) } }),
    },
    ...(iface && { observer: { ingress: { interface: { name: iface.name } } } }),
  }
}
