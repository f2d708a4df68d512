import { clear, type DissectorFields, Group } from './fields.js'
import { Layer, Malformed } from './layer.js'
import { tcpOptions } from './tcp-options.js'
import { mayBeTunnel } from './tunnels.js'

// V8 folds a module's own constants, and reads imported ones anew at each use.
const ipv4Tcp = Layer.Ethernet | Layer.IPv4 | Layer.Tcp
const ipv4Udp = Layer.Ethernet | Layer.IPv4 | Layer.Udp
const ipv6Tcp = Layer.Ethernet | Layer.IPv6 | Layer.Tcp
const ipv6Udp = Layer.Ethernet | Layer.IPv6 | Layer.Udp
const udpGroups = Group.NETWORK | Group.TRANSPORT | Group.PORTS
const tcpGroups = udpGroups | Group.TCP
const { IPv4, Tcp } = Layer
const networkLayers = Layer.IPv4 | Layer.IPv6
const sound = Malformed.None
const udpTunnels = Layer.Vxlan | Layer.Geneve | Layer.Gtpu
const linkSize = 14
const ipv4Type = 0x0800
const ipv6Type = 0x86dd
const tcpProtocol = 6
const udpProtocol = 17
const wireGuardPort = 51820

/**
 * Dissects a packet of the most common kind: TCP or UDP, directly in IPv4 or IPv6, directly in Ethernet, and without a fault
 * in its headers, which were captured. The fields are then as the functions that read one header each leave them. This one
 * takes half of their time: values stay in registers from one header to the next, a field is written once, and what is the
 * same in all packets of a kind only when the packet before was of another one.
 *
 * @param base where the packet begins in `view`
 * @param captured where the captured part of it ends
 * @param wire where the packet ended
 * @returns false, before anything is written, if the packet is of another kind.
 * @internal
 */
export function commonPacket(
  d: DissectorFields,
  view: DataView,
  base: number,
  captured: number,
  wire: number,
): boolean {
  // The longest headers of a fixed length: of IPv6, or of IPv4 and TCP.
  if (base + linkSize + 40 > captured) return false
  const type = view.getUint16(base + 12)
  if (type === ipv4Type) {
    if (!commonIpv4(d, view, base, captured, wire)) return false
  } else if (type !== ipv6Type || !commonIpv6(d, view, base, captured, wire)) return false
  const limit = d._limit
  const payload = d._at
  d.payloadOffset = payload - base
  d.payloadLength = limit - payload
  d.truncated = limit > captured ? 1 : 0
  d._base = base
  d._captured = captured
  d._wire = wire
  d._destinationMac = base
  d._sourceMac = base + 6
  return true
}

function commonIpv4(d: DissectorFields, view: DataView, base: number, captured: number, wire: number): boolean {
  const at = base + linkSize
  const first = view.getInt32(at)
  const second = view.getInt32(at + 4)
  const third = view.getUint16(at + 8)
  const header = (first >>> 22) & 0x3c
  const limit = at + (first & 0xffff)
  if (first >>> 28 !== 4 || header < 20 || (second & 0x3fff) !== 0 || limit > wire) return false
  const protocol = third & 0xff
  if (protocol === tcpProtocol) {
    if (!commonTcp(d, view, base, at + header, captured, limit, ipv4Tcp)) return false
  } else if (protocol !== udpProtocol || !commonUdp(d, view, base, at + header, captured, limit, ipv4Udp)) return false
  d.hopLimit = third >> 8
  d.trafficClass = (first >>> 16) & 0xff
  d.identification = second >>> 16
  return true
}

function commonIpv6(d: DissectorFields, view: DataView, base: number, captured: number, wire: number): boolean {
  const at = base + linkSize
  const first = view.getInt32(at)
  const second = view.getInt32(at + 4)
  const limit = at + 40 + (second >>> 16)
  if (first >>> 28 !== 6 || limit > wire) return false
  const protocol = (second >>> 8) & 0xff
  if (protocol === tcpProtocol) {
    if (!commonTcp(d, view, base, at + 40, captured, limit, ipv6Tcp)) return false
  } else if (protocol !== udpProtocol || !commonUdp(d, view, base, at + 40, captured, limit, ipv6Udp)) return false
  d.hopLimit = second & 0xff
  d.trafficClass = (first >>> 20) & 0xff
  d.flowLabel = first & 0xfffff
  return true
}

/** `at`: where the header begins. `limit`: where the packet ends as IP's length says. */
function commonTcp(
  d: DissectorFields,
  view: DataView,
  base: number,
  at: number,
  captured: number,
  limit: number,
  layers: number,
): boolean {
  if (at + 20 > captured) return false
  const fourth = view.getInt32(at + 12)
  const header = (fourth >>> 26) & 0x3c
  const payload = at + header
  if (header < 20 || payload > limit) return false
  if (d._common !== layers) writeShared(d, layers)
  const ports = view.getInt32(at)
  d.sourcePort = ports >>> 16
  d.destinationPort = ports & 0xffff
  d.tcpSequence = view.getUint32(at + 4)
  d.tcpAcknowledgment = view.getUint32(at + 8)
  d.tcpFlags = (fourth >>> 16) & 0x1ff
  d.tcpWindow = fourth & 0xffff
  d.transportOffset = at - base
  if (d._tcpOptions !== 0) {
    clear(d, Group.TCP_OPTIONS)
    tcpOptions(d, view, at + 20, Math.min(payload, captured))
  }
  d._at = payload
  d._limit = limit
  return true
}

/** As {@link commonTcp}. */
function commonUdp(
  d: DissectorFields,
  view: DataView,
  base: number,
  at: number,
  captured: number,
  limit: number,
  layers: number,
): boolean {
  if (at + 8 > captured) return false
  const ports = view.getInt32(at)
  const source = ports >>> 16
  const destination = ports & 0xffff
  const length = view.getUint16(at + 4)
  if (length < 8 || at + length > limit || source === wireGuardPort || destination === wireGuardPort) return false
  if ((d._tunnels & udpTunnels) !== 0 && mayBeTunnel(source, destination)) return false
  if (d._common !== layers) writeShared(d, layers)
  d.sourcePort = source
  d.destinationPort = destination
  d.transportOffset = at - base
  d._at = at + 8
  d._limit = at + length
  return true
}

/** Writes what is the same in all packets with these layers, and clears what they do not have. */
function writeShared(d: DissectorFields, layers: number): void {
  const isTcp = (layers & Tcp) !== 0
  const groups = isTcp ? tcpGroups : udpGroups
  const stale = d._groups & ~groups
  if (stale !== 0) clear(d, stale)
  if (((d._common ^ layers) & networkLayers) !== 0) writeSharedNetwork(d, (layers & IPv4) !== 0)
  d._common = layers
  d._groups = groups
  d.layers = layers
  d.protocol = isTcp ? tcpProtocol : udpProtocol
}

function writeSharedNetwork(d: DissectorFields, isFour: boolean): void {
  d.linkType = 1
  d.etherType = isFour ? ipv4Type : ipv6Type
  d.networkOffset = linkSize
  d.ipVersion = isFour ? 4 : 6
  d.identification = d.flowLabel = -1
  d.fragment = d.fragmentOffset = d.moreFragments = 0
  d.malformed = sound
  d._routed = false
  // Needed while headers are read one after another.
  d._inFragment = false
  d._end = 0
}
