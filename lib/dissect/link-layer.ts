import { u8, u16, u24 } from './bytes.js'
import { type DissectorFields, fault, Group, limit, short } from './fields.js'
import { avs, ieee80211, prism, radiotap } from './ieee80211.js'
import { Layer, Malformed } from './layer.js'
import { pppFrame, pppoe } from './ppp.js'
import { Step } from './step.js'

const maxTags = 8
const maxLabels = 16

/** EtherTypes, IEEE 802. @internal */
export const EtherType = {
  IPV4: 0x0800,
  ARP: 0x0806,
  RARP: 0x8035,
  ETHERNET: 0x6558,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  MPLS: 0x8847,
  MPLS_MULTICAST: 0x8848,
  PPPOE_DISCOVERY: 0x8863,
  PPPOE: 0x8864,
  SERVICE_VLAN: 0x88a8,
  OLD_SERVICE_VLAN: 0x9100,
} as const

/** Whether the header behind this EtherType is read. @internal */
export function hasHeader(type: number): boolean {
  return etherTypes.includes(type)
}

const etherTypes: readonly number[] = Object.values(EtherType)

/** Link types that need no function of their own, and those of libpcap's DLT_ numbers for raw IP. */
const Link = {
  NULL: 0,
  PPP: 9,
  DLT_RAW: 12,
  OPENBSD_RAW: 14,
  PPP_HDLC: 50,
  PPPOE: 51,
  C_HDLC: 104,
  LOOP: 108,
  ENC: 109,
}

/** Reads the first header of a packet. Link types that are not listed have nothing but a payload. @internal */
export function linkLayer(d: DissectorFields, view: DataView, linkType: number): number {
  switch (linkType) {
    case 1:
      return Step.ETHERNET
    case 101:
    case 228:
    case 229:
    case Link.DLT_RAW:
    case Link.OPENBSD_RAW:
      return Step.IP
    case 113:
      return sll(d, view)
    case 276:
      return sll2(d, view)
    case Link.NULL:
    case Link.LOOP:
      return loopback(d, view, 4)
    case Link.ENC:
      return loopback(d, view, 12)
    case 105:
      return ieee80211(d, view, false)
    case 119:
      return prism(d, view)
    case 127:
      return radiotap(d, view)
    case 163:
      return avs(d, view)
    case Link.PPP:
    case Link.PPP_HDLC:
      return pppFrame(d, view, d._at)
    case 204:
      // A byte with the direction precedes the frame (LINKTYPE_PPP_WITH_DIR).
      return pppFrame(d, view, d._at + 1)
    case Link.PPPOE:
      return pppoe(d, view)
    case Link.C_HDLC:
      return ciscoHdlc(d, view)
    default:
      return Step.END
  }
}

// V8 folds a module's own constants, and reads imported ones, and exported ones, anew at each use.
const { END, ETHER_TYPE, IPV4, IPV6, LLC } = Step
const ethernetLayer = Layer.Ethernet
const { IPV4: ipv4Type, IPV6: ipv6Type } = EtherType

/** @internal */
export function ethernet(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 14 > d._end) return short(d, at + 14)
  d.layers |= ethernetLayer
  d._destinationMac = at
  d._sourceMac = at + 6
  d._at = at + 14
  return typeOrLength(d, u16(view, at + 12))
}

/** The field that is an EtherType from 0x600 on, and the length of an LLC frame up to 1500. */
function typeOrLength(d: DissectorFields, value: number): number {
  if (value >= 0x600) {
    d.etherType = value
    return ETHER_TYPE
  }
  if (value > 1500) return END
  limit(d, d._at + value)
  return LLC
}

/** IEEE 802.2, with SNAP's EtherType behind it. @internal */
export function llc(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 3 > d._end) return short(d, at + 3)
  const control = u8(view, at + 2)
  const saps = u16(view, at)
  // Frames with a sequence number have a second byte of control.
  const header = (control & 3) === 3 ? 3 : 4
  if (at + header > d._end) return short(d, at + header)
  if (saps === 0xaaaa && control === 3) {
    if (at + 8 > d._end) return short(d, at + 8)
    d.layers |= Layer.Llc
    d._at = at + 8
    // The organisation that the type belongs to: 0 for EtherTypes, 0x0000f8 for those of old bridges.
    const organisation = u24(view, at + 3)
    if (organisation !== 0 && organisation !== 0xf8) return Step.END
    d.etherType = u16(view, at + 6)
    return Step.ETHER_TYPE
  }
  d.layers |= Layer.Llc
  d._at = at + header
  return saps === 0x0606 && control === 3 ? Step.IPV4 : Step.END
}

function sll(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 16 > d._end) return short(d, at + 16)
  d.layers |= Layer.Sll
  if (u16(view, at + 4) === 6) d._sourceMac = at + 6
  d._at = at + 16
  return cookedProtocol(d, u16(view, at + 14), u16(view, at + 2))
}

function sll2(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 20 > d._end) return short(d, at + 20)
  d.layers |= Layer.Sll2
  if (u8(view, at + 11) === 6) d._sourceMac = at + 12
  d._at = at + 20
  return cookedProtocol(d, u16(view, at), u16(view, at + 8))
}

/** Devices whose protocol field is not an EtherType: netlink and Frame Relay (linux/if_arp.h). */
const foreignProtocols = [824, 770]
/** linux/if_ether.h: frames with an LLC header. */
const protocol802_2 = 4

function cookedProtocol(d: DissectorFields, protocol: number, hardwareType: number): number {
  if (foreignProtocols.includes(hardwareType)) return Step.END
  if (protocol === protocol802_2) return Step.LLC
  // Below 0x600 are the kernel's own numbers, such as 1 for Novell's raw frames and 12 for CAN.
  if (protocol < 0x600) return Step.END
  d.etherType = protocol
  return Step.ETHER_TYPE
}

/** The number of the address family is in the byte order of the machine that captured; one of both halves is 0. */
function loopback(d: DissectorFields, view: DataView, size: number): number {
  const at = d._at
  if (at + size > d._end) return short(d, at + size)
  d.layers |= Layer.Loopback
  d._at = at + size
  const high = u16(view, at)
  const family = high === 0 ? u16(view, at + 2) : u8(view, at) | (u8(view, at + 1) << 8)
  switch (family) {
    case 2:
      return Step.IPV4
    // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, and Darwin.
    case 10:
    case 24:
    case 28:
    case 30:
      return Step.IPV6
    default:
      return Step.END
  }
}

function ciscoHdlc(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  d.etherType = u16(view, at + 2)
  d._at = at + 4
  return Step.ETHER_TYPE
}

/** Reads VLAN tags and MPLS labels, up to the header of the network layer. @internal */
export function etherType(d: DissectorFields, view: DataView): number {
  switch (d.etherType) {
    case ipv4Type:
      return IPV4
    case ipv6Type:
      return IPV6
    case EtherType.ARP:
    case EtherType.RARP:
      return arp(d, view)
    case EtherType.VLAN:
    case EtherType.SERVICE_VLAN:
    case EtherType.OLD_SERVICE_VLAN:
      return vlan(d, view)
    case EtherType.MPLS:
    case EtherType.MPLS_MULTICAST:
      return mpls(d, view)
    case EtherType.PPPOE:
    case EtherType.PPPOE_DISCOVERY:
      return pppoe(d, view)
    default:
      return Step.END
  }
}

function vlan(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  const tag = u16(view, at)
  if (!addTag(d, tag)) return fault(d, Malformed.TooMany)
  d._at = at + 4
  return typeOrLength(d, u16(view, at + 2))
}

/** Adds a VLAN tag that is behind those so far. Returns false if there are too many. @internal */
export function addTag(d: DissectorFields, tag: number): boolean {
  if (d.vlanCount === maxTags) return false
  d._groups |= Group.VLAN
  d.layers |= Layer.Vlan
  if (d.vlanCount++ === 0) {
    d.vlanId = tag & 0xfff
    d.vlanPriority = tag >> 13
  } else {
    d.innerVlanId = tag & 0xfff
  }
  return true
}

function mpls(d: DissectorFields, view: DataView): number {
  d._groups |= Group.MPLS
  let at = d._at
  for (;;) {
    if (at + 4 > d._end) return short(d, at + 4)
    if (d.mplsCount === maxLabels) return fault(d, Malformed.TooMany)
    const label = u24(view, at) >> 4
    if (d.mplsCount++ === 0) d.mplsLabel = label
    d.mplsInnerLabel = label
    d.layers |= Layer.Mpls
    const bottom = (u8(view, at + 2) & 1) !== 0
    at += 4
    d._at = at
    if (bottom) break
  }
  if (at >= d._end) return Step.END
  // Nothing says what is behind the labels. By custom the first four bits tell: 4 and 6 are IP, 0 is the control word of
  // a pseudowire (RFC 4385).
  switch (u8(view, at) >> 4) {
    case 4:
      return Step.IPV4
    case 6:
      return Step.IPV6
    case 0:
      return (d._tunnels & Layer.Mpls) !== 0 ? Step.MPLS_ETHERNET : Step.END
    default:
      return Step.END
  }
}

function arp(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  // Anything but IPv4 addresses for hardware addresses of six bytes is left as payload.
  if (u16(view, at + 2) !== EtherType.IPV4 || u16(view, at + 4) !== 0x0604) return Step.END
  if (at + 28 > d._end) return short(d, at + 28)
  d.layers |= Layer.Arp
  d._groups |= Group.ARP
  d.arpOffset = at - d._base
  d.arpOperation = u16(view, at + 6)
  d._at = at + 28
  // What follows is padding.
  limit(d, at + 28)
  return Step.END
}
