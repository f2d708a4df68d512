import { putDecimal, putField, putHex, putIpv4, putIpv6, putLength, putMac, putText } from './ascii.js'
import { i32, u16, u32 } from './bytes.js'
import type { DissectorFields } from './fields.js'
import { Layer, Malformed } from './layer.js'
import { hasExtensions, putExtensions } from './summary-extensions.js'
import { icmp, icmp6, igmp } from './summary-icmp.js'
import { tcp } from './summary-tcp.js'
import { Protocol } from './transport.js'

// V8 folds a module's own constants, and reads imported ones, and exported ones, anew at each use.
const { Arp, Tcp, Icmp, Icmp6, Igmp, Esp } = Layer
const lengthFault = Malformed.Length

/** No summary is longer: the most is written of eight routing headers and a TCP header with options. @internal */
export const longestSummary = 4096

/**
 * Writes a line as `tcpdump -n -t -S` writes it, of the innermost packet, to `out` at `to`; returns where it ends.
 *
 * @param bytes all of the view's memory
 * @internal
 */
export function putSummary(d: DissectorFields, view: DataView, bytes: Uint8Array, out: Uint8Array, to: number): number {
  if ((d.layers & Arp) !== 0) return arp(d, view, bytes, out, to)
  if (d.ipVersion === 0) return link(d, bytes, out, to)
  const at = d._base + d.networkOffset
  const extended = hasExtensions(d, view)
  const missing = d.malformed === lengthFault ? missingBytes(d, view, at) : 0
  if (d.ipVersion === 4) {
    to = putText(out, to, 'IP ')
    if (missing > 0) to = putText(out, putField(out, to, 'truncated-ip - ', missing), ' bytes missing! ')
    to = putIpv4(out, to, bytes, at + 12)
    if (!extended) to = port(out, to, d.sourcePort)
    to = putIpv4(out, putText(out, to, ' > '), bytes, at + 16)
  } else {
    to = putText(out, to, 'IP6 ')
    if (missing > 0) to = putText(out, putField(out, to, 'truncated-ip6 - ', missing), ' bytes missing!')
    to = putIpv6(out, to, bytes, at + 8)
    if (!extended) to = port(out, to, d.sourcePort)
    to = putIpv6(out, putText(out, to, ' > '), bytes, at + 24)
  }
  if (!extended) to = port(out, to, d.destinationPort)
  to = putText(out, to, ': ')
  if (extended) {
    to = putExtensions(d, view, bytes, out, to)
    if (d.ipVersion === 6 && d.fragmentOffset > 0) return to
    if (d.sourcePort >= 0) {
      to = putField(out, putField(out, to, '', d.sourcePort), ' > ', d.destinationPort)
      to = putText(out, to, ': ')
    }
  }
  return upper(d, view, bytes, missing, out, to)
}

/** Bytes that the packet lacks of what the length in its IP header says. */
function missingBytes(d: DissectorFields, view: DataView, at: number): number {
  const end = d.ipVersion === 4 ? at + u16(view, at + 2) : at + 40 + u16(view, at + 4)
  return Math.max(0, end - d._wire)
}

/** The transport header, and the length of what follows it as the IP header says: with the missing bytes. */
function upper(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  missing: number,
  out: Uint8Array,
  to: number,
): number {
  const { layers } = d
  if ((layers & Tcp) !== 0 && d.tcpFlags >= 0) return tcp(d, view, bytes, d.payloadLength + missing, out, to)
  if (isWholeUdp(d)) return putLength(out, putText(out, to, 'UDP'), datagramLength(d, view))
  const length = ipLength(d) + missing
  if ((layers & Icmp) !== 0 && d.icmpType >= 0) return icmp(d, view, bytes, length, out, to)
  if ((layers & Icmp6) !== 0 && d.icmpType >= 0) return icmp6(d, view, bytes, length, out, to)
  if ((layers & Igmp) !== 0 && d.icmpType >= 0) return igmp(d, view, bytes, length, out, to)
  if ((layers & Esp) !== 0 && d.transportOffset >= 0) return esp(d, view, out, to)
  return other(d, missing, out, to)
}

function port(out: Uint8Array, to: number, value: number): number {
  if (value < 0) return to
  out[to] = 0x2e
  return putDecimal(out, to + 1, value)
}

function other(d: DissectorFields, missing: number, out: Uint8Array, to: number): number {
  const end = putField(out, to, 'ip-proto-', d.protocol)
  if (d.fragmentOffset > 0) return end
  return putField(out, end, ' ', (d.transportOffset >= 0 ? ipLength(d) : d.payloadLength) + missing)
}

/** The layer alone does not say it: the bit may be that of a tunnel outside. */
function isWholeUdp({ protocol, transportOffset, payloadOffset }: DissectorFields): boolean {
  if (protocol !== Protocol.UDP && protocol !== Protocol.UDP_LITE) return false
  return transportOffset >= 0 && payloadOffset >= transportOffset + 8
}

/** Bytes from the transport header on. */
const ipLength = (d: DissectorFields) => d.payloadOffset + d.payloadLength - d.transportOffset

/** As the header says, which for a first fragment is more than it has. */
function datagramLength(d: DissectorFields, view: DataView): number {
  const stated = u16(view, d._base + d.transportOffset + 4)
  return stated >= 8 ? stated - 8 : d.payloadLength
}

function esp(d: DissectorFields, view: DataView, out: Uint8Array, to: number): number {
  const at = d._base + d.transportOffset
  to = putHex(out, putText(out, to, 'ESP(spi=0x'), i32(view, at), 8)
  to = putHex(out, putText(out, to, ',seq=0x'), i32(view, at + 4))
  return putLength(out, putText(out, to, ')'), ipLength(d))
}

/** Where the fields of ARP for IPv4 over Ethernet are. */
const ArpField = { OPERATION: 6, SENDER_MAC: 8, SENDER: 14, TARGET_MAC: 18, TARGET: 24 } as const

function arp(d: DissectorFields, view: DataView, bytes: Uint8Array, out: Uint8Array, to: number): number {
  const at = d._base + d.arpOffset
  const { SENDER_MAC, SENDER, TARGET_MAC, TARGET } = ArpField
  switch (u16(view, at + ArpField.OPERATION)) {
    case 1:
      to = putIpv4(out, putText(out, to, 'ARP, Request who-has '), bytes, at + TARGET)
      if (!isUnknown(view, at + TARGET_MAC)) {
        to = putText(out, putMac(out, putText(out, to, ' ('), bytes, at + TARGET_MAC), ')')
      }
      to = putIpv4(out, putText(out, to, ' tell '), bytes, at + SENDER)
      break
    case 2:
      to = putIpv4(out, putText(out, to, 'ARP, Reply '), bytes, at + SENDER)
      to = putMac(out, putText(out, to, ' is-at '), bytes, at + SENDER_MAC)
      break
    case 3:
      to = putMac(out, putText(out, to, 'ARP, Reverse Request who-is '), bytes, at + TARGET_MAC)
      to = putMac(out, putText(out, to, ' tell '), bytes, at + SENDER_MAC)
      break
    case 4:
      to = putMac(out, putText(out, to, 'ARP, Reverse Reply '), bytes, at + TARGET_MAC)
      to = putIpv4(out, putText(out, to, ' at '), bytes, at + TARGET)
      break
    default:
      to = putField(out, to, 'ARP, operation ', d.arpOperation)
  }
  return putLength(out, to, d._wire - at)
}

/** A hardware address that is not known yet. */
function isUnknown(view: DataView, at: number): boolean {
  return u32(view, at) === 0 && u16(view, at + 4) === 0
}

function link(d: DissectorFields, bytes: Uint8Array, out: Uint8Array, to: number): number {
  if (d._sourceMac >= 0) {
    to = putMac(out, to, bytes, d._sourceMac)
    if (d._destinationMac >= 0) to = putMac(out, putText(out, to, ' > '), bytes, d._destinationMac)
  } else if (d.linkType >= 0) to = putField(out, to, 'link type ', d.linkType)
  else to = putText(out, to, 'unknown link type')
  if (d.etherType >= 0) to = putHex(out, putText(out, to, ', ethertype 0x'), d.etherType, 4)
  return putLength(out, to, d._wire - d._base)
}
