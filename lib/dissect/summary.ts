import { ipv4Text, ipv6Text, macText } from './address.js'
import { i32, u8, u16, u32 } from './bytes.js'
import type { DissectorFields } from './fields.js'
import { Layer } from './layer.js'
import { TcpOption, tcpOptionPlaces } from './tcp-options.js'

/**
 * A line as `tcpdump -n -t -S` writes it, of the innermost packet.
 *
 * @param bytes all of the view's memory
 * @internal
 */
export function summary(d: DissectorFields, view: DataView, bytes: Uint8Array): string {
  if ((d.layers & Layer.Arp) !== 0) return arp(d, view, bytes)
  if (d.ipVersion === 0) return link(d, bytes)
  const at = d._base + d.networkOffset
  const [name, from, to] =
    d.ipVersion === 4
      ? ['IP', ipv4Text(bytes, at + 12), ipv4Text(bytes, at + 16)]
      : ['IP6', ipv6Text(bytes, at + 8), ipv6Text(bytes, at + 24)]
  const ports = d.sourcePort >= 0
  const ends = ports ? `${from}.${d.sourcePort} > ${to}.${d.destinationPort}` : `${from} > ${to}`
  return `${name} ${ends}: ${upper(d, view, bytes)}`
}

function upper(d: DissectorFields, view: DataView, bytes: Uint8Array): string {
  const { layers } = d
  if ((layers & Layer.Tcp) !== 0) return tcp(d, view)
  if ((layers & Layer.Udp) !== 0 && d.sourcePort >= 0) return `UDP, length ${datagramLength(d, view)}`
  if ((layers & Layer.Icmp) !== 0 && d.icmpType >= 0) return icmp(d)
  if ((layers & Layer.Icmp6) !== 0 && d.icmpType >= 0) return icmp6(d, bytes)
  if ((layers & Layer.Esp) !== 0 && d.transportOffset >= 0) return esp(d, view)
  const length = d.transportOffset >= 0 ? ipLength(d) : d.payloadLength
  return d.fragmentOffset > 0 ? `ip-proto-${d.protocol}` : `ip-proto-${d.protocol} ${length}`
}

/** Bytes from the transport header on. */
const ipLength = (d: DissectorFields) => d.payloadOffset + d.payloadLength - d.transportOffset

/** As the header says, which for a first fragment is more than it has. */
function datagramLength(d: DissectorFields, view: DataView): number {
  const length = u16(view, d._base + d.transportOffset + 4)
  return length >= 8 ? length - 8 : d.payloadLength
}

const flagNames = [
  [0x01, 'F'],
  [0x02, 'S'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x10, '.'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
] as const

/** The text of each combination of flags: looked up, because it is needed for every segment. */
const flagTexts = Array.from(
  { length: 256 },
  (_, flags) => flagNames.map(([bit, name]) => ((flags & bit) !== 0 ? name : '')).join('') || 'none',
)

function tcp(d: DissectorFields, view: DataView): string {
  const at = d._base + d.transportOffset
  const length = d.payloadLength
  let text = `Flags [${flagTexts[d.tcpFlags & 0xff]}]`
  // SYN, FIN and RST have a sequence number of interest even without data.
  if (length > 0) text += `, seq ${d.tcpSequence}:${(d.tcpSequence + length) >>> 0}`
  else if ((d.tcpFlags & 0x07) !== 0) text += `, seq ${d.tcpSequence}`
  if ((d.tcpFlags & 0x10) !== 0) text += `, ack ${d.tcpAcknowledgment}`
  text += `, win ${d.tcpWindow}`
  if ((d.tcpFlags & 0x20) !== 0 && at + 20 <= d._captured) text += `, urg ${u16(view, at + 18)}`
  const options = u8(view, at + 12) >> 4 > 5 ? tcpOptions(d, view, at) : ''
  if (options) text += `, options [${options}]`
  return `${text}, length ${length}`
}

function tcpOptions(d: DissectorFields, view: DataView, start: number): string {
  return tcpOptionPlaces(view, start, d._captured)
    .map(({ kind, at, length }) => {
      switch (kind) {
        case TcpOption.END:
          return 'eol'
        case TcpOption.NOP:
          return 'nop'
        case TcpOption.MSS:
          return length === 2 ? `mss ${u16(view, at)}` : 'mss'
        case TcpOption.WINDOW_SCALE:
          return length === 1 ? `wscale ${u8(view, at)}` : 'wscale'
        case TcpOption.SACK_PERMITTED:
          return 'sackOK'
        case TcpOption.SACK:
          return sack(view, at, length)
        case TcpOption.TIMESTAMPS:
          return length === 8 ? `TS val ${u32(view, at)} ecr ${u32(view, at + 4)}` : 'TS'
        default:
          return `unknown-${kind}`
      }
    })
    .join(',')
}

function sack(view: DataView, at: number, length: number): string {
  const ranges = sackRanges(view, at, length).map(([from, to]) => `{${from}:${to}}`)
  return `sack ${ranges.length} ${ranges.join('')}`
}

/** The ranges of a SACK option. @internal */
export function sackRanges(view: DataView, at: number, length: number): [number, number][] {
  return Array.from({ length: length >> 3 }, (_, i) => [u32(view, at + 8 * i), u32(view, at + 8 * i + 4)])
}

function icmp(d: DissectorFields): string {
  const length = `length ${ipLength(d)}`
  if (d.icmpType === 8 || d.icmpType === 0) {
    const name = d.icmpType === 8 ? 'request' : 'reply'
    return `ICMP echo ${name}, id ${d.icmpIdentifier}, seq ${d.icmpSequence}, ${length}`
  }
  return `ICMP type ${d.icmpType}, code ${d.icmpCode}, ${length}`
}

const icmp6Names: ReadonlyMap<number, string> = new Map([
  [128, 'echo request'],
  [129, 'echo reply'],
  [133, 'router solicitation'],
  [134, 'router advertisement'],
  [135, 'neighbor solicitation'],
  [136, 'neighbor advertisement'],
])

function icmp6(d: DissectorFields, bytes: Uint8Array): string {
  const length = `length ${ipLength(d)}`
  const name = icmp6Names.get(d.icmpType)
  if (name === undefined) return `ICMP6, type ${d.icmpType}, code ${d.icmpCode}, ${length}`
  const at = d._base + d.transportOffset
  if (d.icmpIdentifier >= 0) return `ICMP6, ${name}, id ${d.icmpIdentifier}, seq ${d.icmpSequence}, ${length}`
  if (at + 24 <= d._captured && (d.icmpType === 135 || d.icmpType === 136)) {
    const about = d.icmpType === 135 ? 'who has' : 'tgt is'
    return `ICMP6, ${name}, ${about} ${ipv6Text(bytes, at + 8)}, ${length}`
  }
  return `ICMP6, ${name}, ${length}`
}

function esp(d: DissectorFields, view: DataView): string {
  const at = d._base + d.transportOffset
  const spi = (i32(view, at) >>> 0).toString(16).padStart(8, '0')
  return `ESP(spi=0x${spi},seq=0x${u32(view, at + 4).toString(16)}), length ${ipLength(d)}`
}

function arp(d: DissectorFields, view: DataView, bytes: Uint8Array): string {
  const at = d._base + d.arpOffset
  const senderMac = macText(bytes, at + 8)
  const sender = ipv4Text(bytes, at + 14)
  const targetMac = macText(bytes, at + 18)
  const target = ipv4Text(bytes, at + 24)
  const length = `length ${d._wire - at}`
  switch (u16(view, at + 6)) {
    case 1: {
      const known = targetMac === '00:00:00:00:00:00' || targetMac === 'ff:ff:ff:ff:ff:ff' ? '' : ` (${targetMac})`
      return `ARP, Request who-has ${target}${known} tell ${sender}, ${length}`
    }
    case 2:
      return `ARP, Reply ${sender} is-at ${senderMac}, ${length}`
    case 3:
      return `ARP, Reverse Request who-is ${targetMac} tell ${senderMac}, ${length}`
    case 4:
      return `ARP, Reverse Reply ${targetMac} at ${target}, ${length}`
    default:
      return `ARP, operation ${d.arpOperation}, ${length}`
  }
}

function link(d: DissectorFields, bytes: Uint8Array): string {
  const length = `length ${d._wire - d._base}`
  const type = d.etherType < 0 ? '' : `, ethertype 0x${d.etherType.toString(16).padStart(4, '0')}`
  if (d._sourceMac < 0) return `link type ${d.linkType}${type}, ${length}`
  const to = d._destinationMac < 0 ? '' : ` > ${macText(bytes, d._destinationMac)}`
  return `${macText(bytes, d._sourceMac)}${to}${type}, ${length}`
}
