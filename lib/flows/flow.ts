import { checkInteger } from '../arguments.js'
import { parseIp } from '../dissect/address.js'
import { communityIdOf, hasPorts } from '../dissect/hash.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { type EcsEvent, ecsEvent, type ZeekConnection, zeekConnection } from './flow-formats.js'

/** The fields of a {@link Flow}. @internal */
export type FlowFields = Omit<Flow, 'duration' | 'communityId' | 'toJSON' | 'toZeek' | 'toEcs'>

/** Rounds a difference of times, which are exact to a quarter of a microsecond. @internal */
export function toMicrosecond(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

/** A flow as {@link Flow.toJSON} returns it. */
export type FlowJson = Omit<Flow, 'interfaces' | 'duration' | 'communityId' | 'toJSON' | 'toZeek' | 'toEcs'> & {
  /** The interfaces' names. */
  readonly interfaces: readonly string[]
  /** Milliseconds. */
  readonly duration: number
  /** With seed 0. */
  readonly communityId: string
}

/** Why a flow ended. */
export type FlowEnd =
  /** No packet for the idle timeout. */
  | 'idle'
  /** It has lasted as long as the active timeout: its next packet begins another flow. */
  | 'active'
  /** TCP: both ends have closed it, or one has reset it. */
  | 'closed'
  /** TCP: a new connection has begun between the same ports. */
  | 'reused'
  /** The table was full, and this was the flow that would have ended next. */
  | 'evicted'
  /** {@link FlowTable.end} was called. */
  | 'ended'

/** One direction of a flow. */
export interface FlowDirection {
  /** Packets; a super-frame counts as one. */
  readonly packets: number
  /** Bytes of these packets from the IP header on, as their length fields say: without link layer and padding. */
  readonly bytes: number
  /** Bytes behind the transport header. */
  readonly payloadBytes: number
  /** TCP: all flags seen, as in `Dissector.tcpFlags`. Otherwise 0. */
  readonly flags: number
  /** TCP: segments with data that had been seen before. */
  readonly retransmissions: number
  /** TCP: segments that arrived behind later ones. */
  readonly outOfOrder: number
  /** TCP: how often sequence numbers were skipped. */
  readonly gaps: number
  /** TCP: bytes that were skipped and not seen later. */
  readonly gapBytes: number
}

/** Times of TCP's handshake, in milliseconds, to the microsecond, as seen where the packets were captured. */
export interface FlowHandshake {
  /** From SYN to SYN-ACK: the way to the responder and back. */
  readonly responder: number
  /** From SYN-ACK to its acknowledgment: the way to the originator and back. */
  readonly originator: number
  /** Their sum: the round trip between the two. */
  readonly total: number
}

/**
 * Packets between two ends, in both directions: what a {@link FlowTable} has counted, as it was when this object was made.
 */
export class Flow {
  /** The originator: the sender of the first packet, of TCP the sender of the first SYN. */
  readonly sourceIp: string
  /** 0 if the protocol has no ports. ICMP: the type of the originator's message. */
  readonly sourcePort: number
  /** The responder: the other end. */
  readonly destinationIp: string
  /** 0 if the protocol has no ports. ICMP: the type of the answer, or the code if there is no answer to that type. */
  readonly destinationPort: number
  /** An IANA number: 6 TCP, 17 UDP. */
  readonly protocol: number
  /** The version of IP. */
  readonly ipVersion: 4 | 6
  /** The interfaces that the two directions were first seen on: one or two, or none of packets without one. */
  readonly interfaces: readonly NetworkInterface[]
  /** The outermost VLAN, if the table tells flows apart by it. -1: there is none, or it does not. */
  readonly vlan: number
  /** The number of the innermost tunnel, if the table tells flows apart by it. -1: there is none, or it does not. */
  readonly tunnelId: number
  /** Time of the first packet, milliseconds since 1970. */
  readonly first: number
  /** Time of the latest packet. */
  readonly last: number
  /** What the originator sent. */
  readonly originator: FlowDirection
  /** What the responder sent. */
  readonly responder: FlowDirection
  /**
   * What is known of the connection, in Zeek's words: `S0` only an attempt, `S1` established, `SF` closed by both, `REJ`
   * refused, `S2` and `S3` closed by the originator or the responder alone, `RSTO` and `RSTR` reset by one of them,
   * `RSTOS0`, `RSTRH`, `SH`, `SHR` ended after half a handshake, `OTH` the beginning was not seen. UDP: `SF` if both ends
   * sent something, otherwise `S0`. Other protocols: `OTH`.
   */
  readonly state: string
  /**
   * The events of the flow in their order, in Zeek's letters; those of the responder in lower case: S SYN, H SYN-ACK, A pure
   * acknowledgment, D data, F FIN, R RST, G gap, T retransmission, W window of zero, I inconsistent flags, Q several of SYN,
   * FIN and RST, ^ the responder's packet came first.
   */
  readonly history: string
  /** TCP, if the handshake was seen and nothing of it was sent twice. */
  readonly handshake?: FlowHandshake
  /** Why it ended; absent if it has not. */
  readonly end?: FlowEnd

  /** @internal */
  constructor(fields: FlowFields) {
    this.sourceIp = fields.sourceIp
    this.sourcePort = fields.sourcePort
    this.destinationIp = fields.destinationIp
    this.destinationPort = fields.destinationPort
    this.protocol = fields.protocol
    this.ipVersion = fields.ipVersion
    this.interfaces = fields.interfaces
    this.vlan = fields.vlan
    this.tunnelId = fields.tunnelId
    this.first = fields.first
    this.last = fields.last
    this.originator = fields.originator
    this.responder = fields.responder
    this.state = fields.state
    this.history = fields.history
    if (fields.handshake) this.handshake = fields.handshake
    if (fields.end) this.end = fields.end
  }

  /** Milliseconds from the first packet to the latest one, to the microsecond. */
  get duration(): number {
    return toMicrosecond(this.last - this.first)
  }

  /**
   * The flow's Community ID, version 1 (https://github.com/corelight/community-id-spec), such as
   * `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`: what other tools call the same flow. As `Dissector.communityId()`; ports that are both
   * 0 are taken for none, as fragments have them.
   *
   * @param seed 0 to 65535. Default 0.
   * @throws CaptureError `ERR_OPTION`.
   */
  communityId(seed = 0): string {
    checkInteger(seed, 'seed', 0, 65_535)
    const { protocol, sourcePort, destinationPort } = this
    const isIcmp = protocol === 1 || protocol === 58
    const known = (isIcmp || hasPorts(protocol)) && sourcePort + destinationPort > 0
    return communityIdOf({
      source: parseIp(this.sourceIp),
      destination: parseIp(this.destinationIp),
      protocol,
      from: known ? sourcePort : -1,
      to: known ? destinationPort : -1,
      seed,
    })
  }

  /** For JSON.stringify(): the fields, the interfaces by their names. */
  toJSON(): FlowJson {
    const { interfaces, ...fields } = this as Flow
    return {
      ...fields,
      interfaces: interfaces.map(({ name }) => name),
      duration: this.duration,
      communityId: this.communityId(),
    }
  }

  /** As a record of Zeek's conn.log. */
  toZeek(): ZeekConnection {
    return zeekConnection(this)
  }

  /** As an event of the Elastic Common Schema. */
  toEcs(): EcsEvent {
    return ecsEvent(this)
  }
}
