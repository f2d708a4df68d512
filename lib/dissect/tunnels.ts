import { u8, u16, u24, u32 } from './bytes.js'
import { type DissectorFields, enterTunnel, fault, Group, limit, short } from './fields.js'
import { Layer, Malformed } from './layer.js'
import { hasHeader } from './link-layer.js'
import { Step } from './step.js'

/** An IP packet directly behind an IP header. @internal */
export function ipTunnel(d: DissectorFields): number {
  const step = d.protocol === 4 ? Step.IPV4 : Step.IPV6
  return enterTunnel(d, -1, false) ? step : Step.END
}

/** An Ethernet frame behind MPLS labels and a control word of four bytes. @internal */
export function mplsEthernet(d: DissectorFields): number {
  if (d._at + 4 > d._end) return short(d, d._at + 4)
  const label = d.mplsInnerLabel
  if (!enterTunnel(d, label, true)) return Step.END
  d._at += 4
  return Step.ETHERNET
}

const GreFlag = { CHECKSUM: 0x8000, ROUTING: 0x4000, KEY: 0x2000, SEQUENCE: 0x1000, ACKNOWLEDGMENT: 0x0080 } as const
const GreType = { ERSPAN_3: 0x22eb, ETHERNET: 0x6558, PPP: 0x880b, ERSPAN: 0x88be } as const

/** GRE (RFC 2784 and 2890) and that of PPTP (RFC 2637). @internal */
export function gre(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 4 > d._end) return short(d, at + 4)
  const flags = u16(view, at)
  const type = u16(view, at + 2)
  const version = flags & 7
  // Source routes are of variable length; nobody uses them.
  if (version > 1 || (flags & GreFlag.ROUTING) !== 0) return fault(d, Malformed.Header)
  let size = 4
  if ((flags & GreFlag.CHECKSUM) !== 0) size += 4
  const key = at + size
  if ((flags & GreFlag.KEY) !== 0) size += 4
  if ((flags & GreFlag.SEQUENCE) !== 0) size += 4
  if (version === 1 && (flags & GreFlag.ACKNOWLEDGMENT) !== 0) size += 4
  if (at + size > d._end) return short(d, at + size)
  d.layers |= Layer.Gre
  d._groups |= Group.TRANSPORT | Group.TUNNEL
  d.transportOffset = at - d._base
  // PPTP has the length of the payload in the upper half of the key, and the call in the lower.
  const id = (flags & GreFlag.KEY) === 0 ? -1 : version === 1 ? u16(view, key + 2) : u32(view, key)
  if (id >= 0) d.tunnelId = id
  d._at = at + size
  if (type === GreType.ERSPAN || type === GreType.ERSPAN_3) {
    return (d._tunnels & Layer.Erspan) === 0 ? Step.END : erspan(d, view, type, (flags & GreFlag.SEQUENCE) !== 0)
  }
  if ((d._tunnels & Layer.Gre) === 0) return Step.END
  if (type === GreType.PPP && version === 1) return enterTunnel(d, id, false) ? Step.PPP : Step.END
  return enter(d, type, id)
}

/** Enters a tunnel whose content an EtherType names, if it is one that can be read. */
function enter(d: DissectorFields, type: number, id: number): number {
  if (!hasHeader(type) || !enterTunnel(d, id, type === GreType.ETHERNET)) return Step.END
  if (type === GreType.ETHERNET) return Step.ETHERNET
  d.etherType = type
  return Step.ETHER_TYPE
}

/** ERSPAN: type I has no header of its own, and GRE no sequence number. */
function erspan(d: DissectorFields, view: DataView, type: number, numbered: boolean): number {
  const at = d._at
  let size = type === GreType.ERSPAN_3 ? 12 : numbered ? 8 : 0
  if (at + size > d._end) return short(d, at + size)
  // The last bit of type III's header says that a subheader of eight bytes follows.
  if (size === 12 && (u8(view, at + 11) & 1) !== 0) size += 8
  if (at + size > d._end) return short(d, at + size)
  const session = size === 0 ? -1 : u16(view, at + 2) & 0x3ff
  if (!enterTunnel(d, session, true)) return Step.END
  d.layers |= Layer.Erspan
  d._at = at + size
  return Step.ETHERNET
}

const Port = { GTPU: 2152, VXLAN: 4789, GENEVE: 6081, LINUX_VXLAN: 8472 } as const

/** Whether a datagram between these ports may carry a packet. @internal */
export function mayBeTunnel(source: number, destination: number): boolean {
  return source === Port.GTPU || tunnelPorts.includes(destination)
}

const tunnelPorts: readonly number[] = Object.values(Port)

/** VXLAN and GENEVE by the destination port, GTP-U by either. @internal */
export function udpTunnel(d: DissectorFields, view: DataView): number {
  const port = d.destinationPort
  const wanted = d._tunnels
  if (port === Port.VXLAN || port === Port.LINUX_VXLAN) return (wanted & Layer.Vxlan) !== 0 ? vxlan(d, view) : Step.END
  if (port === Port.GENEVE) return (wanted & Layer.Geneve) !== 0 ? geneve(d, view) : Step.END
  if (port === Port.GTPU || d.sourcePort === Port.GTPU) return (wanted & Layer.Gtpu) !== 0 ? gtpu(d, view) : Step.END
  return Step.END
}

/** RFC 7348. */
function vxlan(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  const id = (u8(view, at) & 0x08) !== 0 ? u24(view, at + 4) : -1
  if (!enterTunnel(d, id, true)) return Step.END
  d.layers |= Layer.Vxlan
  d._at = at + 8
  return Step.ETHERNET
}

/** RFC 8926. */
function geneve(d: DissectorFields, view: DataView): number {
  const at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  const first = u8(view, at)
  if (first >> 6 !== 0) return fault(d, Malformed.Header)
  const size = 8 + ((first & 0x3f) << 2)
  if (at + size > d._end) return short(d, at + size)
  const type = u16(view, at + 2)
  d.layers |= Layer.Geneve
  d._at = at + size
  return enter(d, type, u24(view, at + 4))
}

const GtpFlag = { EXTENSION: 4, OPTIONAL: 7, PROTOCOL: 0x10 } as const
/** The type of a message that carries a user's packet. */
const gtpPacket = 255
const maxGtpExtensions = 8

/** 3GPP TS 29.281. */
function gtpu(d: DissectorFields, view: DataView): number {
  let at = d._at
  if (at + 8 > d._end) return short(d, at + 8)
  const flags = u8(view, at)
  if (flags >> 5 !== 1 || (flags & GtpFlag.PROTOCOL) === 0) return Step.END
  const isPacket = u8(view, at + 1) === gtpPacket
  const id = u32(view, at + 4)
  const end = at + 8 + u16(view, at + 2)
  if (end > d._limit) fault(d, Malformed.Length)
  limit(d, end)
  at += 8
  if ((flags & GtpFlag.OPTIONAL) !== 0) {
    if (at + 4 > d._end) return short(d, at + 4)
    let next = (flags & GtpFlag.EXTENSION) !== 0 ? u8(view, at + 3) : 0
    at += 4
    for (let count = 0; next !== 0; count++) {
      if (count === maxGtpExtensions) return fault(d, Malformed.TooMany)
      if (at + 4 > d._end) return short(d, at + 4)
      const size = u8(view, at) << 2
      if (size === 0) return fault(d, Malformed.Header)
      if (at + size > d._end) return short(d, at + size)
      next = u8(view, at + size - 1)
      at += size
    }
  }
  d.layers |= Layer.Gtpu
  d._at = at
  if (!isPacket) {
    d._groups |= Group.TUNNEL
    d.tunnelId = id
    return Step.END
  }
  return enterTunnel(d, id, false) ? Step.IP : Step.END
}
