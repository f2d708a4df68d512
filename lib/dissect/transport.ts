import { i32, u8, u16, u32 } from './bytes.js'
import { type DissectorFields, fault, Group, limit, short } from './fields.js'
import { Layer, Malformed } from './layer.js'
import { Step } from './step.js'
import { tcpOptions } from './tcp-options.js'

/** Protocol numbers of IANA. @internal */
export const Protocol = {
  ICMP: 1,
  IGMP: 2,
  IPV4: 4,
  TCP: 6,
  UDP: 17,
  DCCP: 33,
  IPV6: 41,
  GRE: 47,
  ESP: 50,
  AH: 51,
  ICMP6: 58,
  SCTP: 132,
  UDP_LITE: 136,
} as const

// V8 folds a module's own constants, and reads imported ones, and exported ones, anew at each use.
const { END, GRE, UDP_TUNNEL } = Step
const { TRANSPORT, PORTS, TCP } = Group
const { Tcp, Udp } = Layer
const { TCP: tcpProtocol, UDP: udpProtocol } = Protocol
const udpTunnels = Layer.Vxlan | Layer.Geneve | Layer.Gtpu

/** Reads the header that `protocol` names. @internal */
export function transport(d: DissectorFields, view: DataView): number {
  switch (d.protocol) {
    case tcpProtocol:
      return tcp(d, view)
    case udpProtocol:
      return udp(d, view)
    case Protocol.ICMP:
      return icmp(d, view, Layer.Icmp, icmpQueries)
    case Protocol.ICMP6:
      return icmp(d, view, Layer.Icmp6, icmp6Queries)
    case Protocol.IPV4:
      return (d._tunnels & Layer.IPv4) !== 0 ? Step.IP_TUNNEL : END
    case Protocol.IPV6:
      return (d._tunnels & Layer.IPv6) !== 0 ? Step.IP_TUNNEL : END
    case Protocol.GRE:
      return GRE
    default:
      return other(d, view)
  }
}

function other(d: DissectorFields, view: DataView): number {
  switch (d.protocol) {
    case Protocol.UDP_LITE:
      return udp(d, view)
    case Protocol.SCTP:
      return withPorts(d, view, Layer.Sctp, 12)
    case Protocol.DCCP:
      return dccp(d, view)
    case Protocol.IGMP:
      return igmp(d, view)
    case Protocol.AH:
      return authentication(d, view)
    case Protocol.ESP:
      return encrypted(d)
    default:
      return END
  }
}

/** The ports, which are there even if the rest of the header was cut. */
function ports(d: DissectorFields, view: DataView): void {
  const at = d._at
  d.transportOffset = at - d._base
  d._groups |= TRANSPORT | PORTS
  const both = i32(view, at)
  d.sourcePort = both >>> 16
  d.destinationPort = both & 0xffff
}

/** @internal */
export function tcp(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  ports(d, view)
  if (at + 20 > d._end) return short(d, at + 20)
  const fourth = i32(view, at + 12)
  const header = (fourth >>> 26) & 0x3c
  d.layers |= Tcp
  d._groups |= TCP
  d.tcpSequence = u32(view, at + 4)
  d.tcpAcknowledgment = u32(view, at + 8)
  d.tcpFlags = (fourth >>> 16) & 0x1ff
  d.tcpWindow = fourth & 0xffff
  if (header < 20) return fault(d, Malformed.HeaderLength)
  if (d._tcpOptions !== 0) tcpOptions(d, view, at + 20, Math.min(at + header, d._end))
  if (at + header > d._limit) return short(d, at + header)
  // The payload begins there even if the options were cut.
  d._at = at + header
  return END
}

function udp(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  ports(d, view)
  if (at + 8 > d._end) return short(d, at + 8)
  d.layers |= Udp
  d._at = at + 8
  if (d.protocol === udpProtocol) {
    const length = u16(view, at + 4)
    // The length of a jumbogram or super-frame is 0. That of a first fragment is the whole datagram's.
    if (length >= 8) {
      if (at + length <= d._limit) limit(d, at + length)
      else if (d.fragment === 0) fault(d, Malformed.Length)
    } else if (length !== 0) fault(d, Malformed.Length)
  }
  if (d.destinationPort === wireGuardPort || d.sourcePort === wireGuardPort) wireGuard(d, view)
  return (d._tunnels & udpTunnels) !== 0 ? UDP_TUNNEL : END
}

const wireGuardPort = 51820

/** A message of WireGuard begins with its type, 1 to 4, and three bytes of 0. */
function wireGuard(d: DissectorFields, view: DataView): void {
  const at = d._at
  if (at + 4 > d._end) return
  const type = i32(view, at) >>> 24
  if (type >= 1 && type <= 4 && (i32(view, at) & 0xffffff) === 0) d.layers |= Layer.WireGuard
}

function withPorts(d: DissectorFields, view: DataView, layer: number, size: number): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  ports(d, view)
  if (at + size > d._end) return short(d, at + size)
  d.layers |= layer
  d._at = at + size
  return END
}

/** The data offset counts words of four bytes from the header's start (RFC 4340, 5.1). */
function dccp(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  ports(d, view)
  if (at + 12 > d._end) return short(d, at + 12)
  const size = u8(view, at + 4) << 2
  if (size < 12) return fault(d, Malformed.HeaderLength)
  return withPorts(d, view, Layer.Dccp, size)
}

/**
 * Types of messages with an identifier and a sequence number, by their lower five bits: echo (0, 8), timestamp (13, 14),
 * information (15, 16) and address mask (17, 18) of ICMP; echo (128, 129) of ICMPv6.
 */
const icmpQueries = 0x0007_e101
const icmp6Queries = 0x0000_0003

function icmp(d: DissectorFields, view: DataView, layer: number, queries: number): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  d.layers |= layer
  d._groups |= Group.ICMP | TRANSPORT
  d.transportOffset = at - d._base
  const type = u8(view, at)
  d.icmpType = type
  d.icmpCode = u8(view, at + 1)
  d.icmpIdentifier = d.icmpSequence = -1
  d._at = at + 4
  if (at + 8 > d._end) return short(d, at + 8)
  if (type >> 5 === (layer === Layer.Icmp6 ? 4 : 0) && ((queries >> (type & 31)) & 1) !== 0) {
    d.icmpIdentifier = u16(view, at + 4)
    d.icmpSequence = u16(view, at + 6)
  }
  d._at = at + 8
  return END
}

function igmp(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  d.layers |= Layer.Igmp
  d._groups |= Group.ICMP | TRANSPORT
  d.transportOffset = at - d._base
  d.icmpType = u8(view, at)
  d.icmpCode = d.icmpIdentifier = d.icmpSequence = -1
  d._at = at + 8
  return END
}

/** Its length counts words of four bytes, less two (RFC 4302, 2.2). */
function authentication(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 12 > d._end) return short(d, at + 12)
  const size = (u8(view, at + 1) + 2) << 2
  if (size < 12) return fault(d, Malformed.HeaderLength)
  if (at + size > d._end) return short(d, at + size)
  d.layers |= Layer.Ah
  d.protocol = u8(view, at)
  d._at = at + size
  return d.ipVersion === 6 ? Step.EXTENSIONS : Step.TRANSPORT
}

function encrypted(d: DissectorFields): number {
  const at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  d.layers |= Layer.Esp
  d._groups |= TRANSPORT
  d.transportOffset = at - d._base
  d._at = at + 8
  return END
}
