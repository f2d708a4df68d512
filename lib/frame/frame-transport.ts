import { checkGroup, checkList, checkWord } from '../arguments.js'
import { add, fold } from '../dissect/checksum.js'
import { FieldWriter, fits, paddedOptions } from './field-writer.js'
import { ipBytes } from './frame-network.js'
import type { IcmpFields, TcpFields, TcpFlag, UdpFields } from './frame-options.js'

/** What checksums take from the IP header (RFC 9293, section 3.1; RFC 8200, section 8.1). @internal */
export interface Pseudo {
  source: unknown
  destination: unknown
  protocol: number
  v6: boolean
}

/** The checksum of a header and what follows it. */
function checksum(header: Uint8Array, data: Uint8Array, pseudo: Pseudo | undefined): number {
  let sum = 0
  if (pseudo) {
    const { v6, source, destination, protocol } = pseudo
    const label = v6 ? 'ipv6' : 'ipv4'
    sum = addAll(sum, ipBytes(source, `${label}.source`, v6 ? 6 : 4))
    sum = addAll(sum, ipBytes(destination, `${label}.destination`, v6 ? 6 : 4))
    const length = header.length + data.length
    sum += (length >>> 16) + (length & 0xffff) + protocol
  }
  return fold(addAll(addAll(sum, header), data))
}

const addAll = (sum: number, bytes: Uint8Array) => add(bytes, 0, bytes.length, sum)

const flagNames: readonly TcpFlag[] = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR']
const tcpKeys = [
  'sourcePort',
  'destinationPort',
  'sequence',
  'acknowledgment',
  'flags',
  'window',
  'urgent',
  'options',
  'headerLength',
  'checksum',
] as const

/** @internal */
export function tcpHeader(fields: TcpFields, data: Uint8Array, pseudo: Pseudo): Uint8Array {
  const given = checkGroup(fields, 'tcp', tcpKeys)
  const options = paddedOptions(given.options, 'tcp.options')
  const header = new FieldWriter('tcp', 20 + options.length)
  header.u16(0, header.number('sourcePort', given.sourcePort, 16))
  header.u16(2, header.number('destinationPort', given.destinationPort, 16))
  header.u32(4, header.number('sequence', given.sequence, 32, 0))
  header.u32(8, header.number('acknowledgment', given.acknowledgment, 32, 0))
  const words = header.scaled('headerLength', given.headerLength, 4, 4, header.bytes.length)
  header.u16(12, (words << 12) | flagBits(header, given.flags))
  header.u16(14, header.number('window', given.window, 16, 65535))
  header.u16(18, header.number('urgent', given.urgent, 16, 0))
  header.set(20, options)
  header.u16(16, header.number('checksum', given.checksum, 16, checksum(header.bytes, data, pseudo)))
  return header.bytes
}

function flagBits(header: FieldWriter, flags: unknown): number {
  if (!Array.isArray(flags)) return header.number('flags', flags, 12)
  const names = checkList(flags, 'tcp.flags', 'a list of flags, or their bits', 8)
  return names.reduce<number>((bits, name, i) => {
    return bits | (1 << flagNames.indexOf(checkWord(name, `tcp.flags[${i}]`, flagNames)))
  }, 0)
}

/** @internal */
export function udpHeader(fields: UdpFields, data: Uint8Array, pseudo: Pseudo): Uint8Array {
  const given = checkGroup(fields, 'udp', ['sourcePort', 'destinationPort', 'length', 'checksum'])
  const header = new FieldWriter('udp', 8)
  header.u16(0, header.number('sourcePort', given.sourcePort, 16))
  header.u16(2, header.number('destinationPort', given.destinationPort, 16))
  const length = fits(8 + data.length, 65535, given.length, 'udp.length')
  header.u16(4, header.number('length', given.length, 16, Math.min(length, 65535)))
  // 0 means that there is no checksum; one that is 0 is sent as its other form.
  header.u16(6, header.number('checksum', given.checksum, 16, checksum(header.bytes, data, pseudo) || 0xffff))
  return header.bytes
}

/** `pseudo`: of ICMPv6. @internal */
export function icmpHeader(fields: IcmpFields, data: Uint8Array, pseudo: Pseudo | undefined): Uint8Array {
  const given = checkGroup(fields, 'icmp', ['type', 'code', 'identifier', 'sequence', 'checksum'])
  const header = new FieldWriter('icmp', 8)
  header.u8(0, header.number('type', given.type, 8))
  header.u8(1, header.number('code', given.code, 8, 0))
  header.u16(4, header.number('identifier', given.identifier, 16, 0))
  header.u16(6, header.number('sequence', given.sequence, 16, 0))
  header.u16(2, header.number('checksum', given.checksum, 16, checksum(header.bytes, data, pseudo)))
  return header.bytes
}
