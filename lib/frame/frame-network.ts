import { checkBoolean, checkBytes, checkGroup, checkList } from '../arguments.js'
import { parseIp } from '../dissect/address.js'
import { internetChecksum } from '../dissect/checksum.js'
import { optionError } from '../errors.js'
import { FieldWriter, fits, macBytes, paddedOptions } from './field-writer.js'
import type { ArpFields, EthernetFields, Ipv4Fields, Ipv6Fields, VlanFields } from './frame-options.js'

/** @internal */
export const etherTypes = {
  IPV4: 0x0800,
  ARP: 0x0806,
  IPV6: 0x86dd,
  VLAN: 0x8100,
  SERVICE_VLAN: 0x88a8,
  EXPERIMENT: 0x88b5,
}
/** @internal */
export const protocols = { ICMP: 1, TCP: 6, UDP: 17, ICMP6: 58, NONE: 59, EXPERIMENT: 253 }

/** The address's bytes; of the given version if there is one. @internal */
export function ipBytes(value: unknown, label: string, version: 4 | 6): Uint8Array {
  let bytes: Uint8Array | undefined
  try {
    bytes = parseIp(value as string)
  } catch {
    // The error names this function's own option.
  }
  if (bytes?.length !== (version === 4 ? 4 : 16)) throw optionError(label, `an IPv${version} address`, value)
  return bytes
}

/** Ethernet and VLAN tags. `etherType`: of what follows. @internal */
export function linkHeader(fields: EthernetFields, vlan: unknown, etherType: number): Uint8Array {
  const { source, destination, ...rest } = checkGroup(fields, 'ethernet', ['source', 'destination', 'etherType'])
  const tags = checkTags(vlan)
  const header = new FieldWriter('ethernet', 14 + 4 * tags.length)
  header.set(0, macBytes(destination, 'ethernet.destination'))
  header.set(6, macBytes(source, 'ethernet.source'))
  /** The type that the preceding header gives for what follows it. */
  let given = rest.etherType === undefined ? undefined : header.number('etherType', rest.etherType, 16)
  tags.forEach(({ protocol, control, etherType: own }, i) => {
    header.u16(12 + 4 * i, given ?? protocol)
    header.u16(14 + 4 * i, control)
    given = own
  })
  header.u16(12 + 4 * tags.length, given ?? etherType)
  return header.bytes
}

interface Tag {
  protocol: number
  /** Priority, drop eligibility and identifier. */
  control: number
  etherType: number | undefined
}

function checkTags(vlan: unknown): Tag[] {
  if (vlan === undefined) return []
  const list = Array.isArray(vlan) ? checkList(vlan, 'vlan', 'a VLAN tag, or a list of at most 16', 16) : [vlan]
  return list.map((tag, i) => {
    const label = Array.isArray(vlan) ? `vlan[${i}]` : 'vlan'
    if (typeof tag !== 'object' || tag === null) throw optionError(label, 'an object', tag)
    const keys = ['id', 'priority', 'dropEligible', 'protocol', 'etherType'] as const
    const { id, priority, dropEligible = false, protocol, etherType } = checkGroup(tag as VlanFields, label, keys)
    const fields = new FieldWriter(label, 0)
    const eligible = checkBoolean(dropEligible, `${label}.dropEligible`) ? 0x1000 : 0
    const fallback = i === list.length - 1 ? etherTypes.VLAN : etherTypes.SERVICE_VLAN
    return {
      protocol: fields.number('protocol', protocol, 16, fallback),
      control: (fields.number('priority', priority, 3, 0) << 13) | eligible | fields.number('id', id, 12),
      etherType: etherType === undefined ? undefined : fields.number('etherType', etherType, 16),
    }
  })
}

/** @internal */
export function arpPacket(fields: ArpFields): Uint8Array {
  const keys = ['operation', 'senderMac', 'senderIp', 'targetMac', 'targetIp'] as const
  const { operation = 'request', targetMac = '00:00:00:00:00:00', ...given } = checkGroup(fields, 'arp', keys)
  const packet = new FieldWriter('arp', 28)
  packet.u16(0, 1)
  packet.u16(2, etherTypes.IPV4)
  packet.u8(4, 6)
  packet.u8(5, 4)
  const names: Record<string, number> = { request: 1, reply: 2 }
  const named = typeof operation === 'string' ? names[operation] : operation
  if (named === undefined) throw optionError('arp.operation', "'request', 'reply' or a number", operation)
  packet.u16(6, packet.number('operation', named, 16))
  packet.set(8, macBytes(given.senderMac, 'arp.senderMac'))
  packet.set(14, ipBytes(given.senderIp, 'arp.senderIp', 4))
  packet.set(18, macBytes(targetMac, 'arp.targetMac'))
  packet.set(24, ipBytes(given.targetIp, 'arp.targetIp', 4))
  return packet.bytes
}

const ipv4Keys = [
  'source',
  'destination',
  'ttl',
  'tos',
  'identification',
  'dontFragment',
  'moreFragments',
  'fragmentOffset',
  'options',
  'protocol',
  'version',
  'headerLength',
  'totalLength',
  'checksum',
] as const

/** `length`: of what follows; `protocol`: of what follows, if that is known. @internal */
export function ipv4Header(fields: Ipv4Fields, length: number, protocol: number | undefined): Uint8Array {
  const given = checkGroup(fields, 'ipv4', ipv4Keys)
  const options = paddedOptions(given.options, 'ipv4.options')
  const size = 20 + options.length
  const header = new FieldWriter('ipv4', size)
  const words = header.scaled('headerLength', given.headerLength, 4, 4, size)
  header.u8(0, (header.number('version', given.version, 4, 4) << 4) | words)
  header.u8(1, header.number('tos', given.tos, 8, 0))
  const total = fits(size + length, 65535, given.totalLength, 'ipv4.totalLength')
  header.u16(2, header.number('totalLength', given.totalLength, 16, Math.min(total, 65535)))
  header.u16(4, header.number('identification', given.identification, 16, 0))
  const { dontFragment = false, moreFragments = false } = given
  const flags =
    (checkBoolean(dontFragment, 'ipv4.dontFragment') ? 0x4000 : 0) |
    (checkBoolean(moreFragments, 'ipv4.moreFragments') ? 0x2000 : 0)
  header.u16(6, flags | header.scaled('fragmentOffset', given.fragmentOffset, 13, 8, 0))
  header.u8(8, header.number('ttl', given.ttl, 8, 64))
  header.u8(9, header.number('protocol', given.protocol, 8, protocol ?? protocols.EXPERIMENT))
  header.set(12, ipBytes(given.source, 'ipv4.source', 4))
  header.set(16, ipBytes(given.destination, 'ipv4.destination', 4))
  header.set(20, options)
  header.u16(10, header.number('checksum', given.checksum, 16, internetChecksum(header.bytes)))
  return header.bytes
}

const ipv6Keys = [
  'source',
  'destination',
  'hopLimit',
  'trafficClass',
  'flowLabel',
  'extensions',
  'nextHeader',
  'version',
  'payloadLength',
] as const

/** As {@link ipv4Header}, with the extension headers. @internal */
export function ipv6Header(fields: Ipv6Fields, length: number, protocol: number | undefined): Uint8Array {
  const given = checkGroup(fields, 'ipv6', ipv6Keys)
  const extensions = checkExtensions(given.extensions)
  const size = extensions.reduce((sum, { bytes }) => sum + bytes.length, 40)
  const header = new FieldWriter('ipv6', size)
  const traffic = header.number('trafficClass', given.trafficClass, 8, 0)
  const version = header.number('version', given.version, 4, 6)
  header.u32(0, (version * 2 ** 28 + traffic * 2 ** 20 + header.number('flowLabel', given.flowLabel, 20, 0)) >>> 0)
  const payload = fits(size - 40 + length, 65535, given.payloadLength, 'ipv6.payloadLength')
  header.u16(4, header.number('payloadLength', given.payloadLength, 16, Math.min(payload, 65535)))
  header.u8(7, header.number('hopLimit', given.hopLimit, 8, 64))
  header.set(8, ipBytes(given.source, 'ipv6.source', 6))
  header.set(24, ipBytes(given.destination, 'ipv6.destination', 6))
  const unknown = length > 0 ? protocols.EXPERIMENT : protocols.NONE
  const last = header.number('nextHeader', given.nextHeader, 8, protocol ?? unknown)
  let at = 40
  let typeAt = 6
  for (const { type, bytes } of extensions) {
    header.u8(typeAt, type)
    header.set(at, bytes)
    typeAt = at
    at += bytes.length
  }
  header.u8(typeAt, last)
  return header.bytes
}

/** The fragment header has a reserved byte where the others have their length (RFC 8200, section 4.5). */
const fragmentHeader = 44

function checkExtensions(value: unknown): { type: number; bytes: Uint8Array }[] {
  if (value === undefined) return []
  const list = checkList(value, 'ipv6.extensions', 'a list of at most 64 extension headers', 64)
  return list.map((extension, i) => {
    const label = `ipv6.extensions[${i}]`
    if (typeof extension !== 'object' || extension === null) throw optionError(label, 'an object', extension)
    const { type, content } = checkGroup(extension as { type?: unknown; content?: unknown }, label, ['type', 'content'])
    const given = checkBytes(content, `${label}.content`)
    if (given.length > 2046) throw optionError(`${label}.content`, 'at most 2046 bytes', content)
    const header = new FieldWriter(label, (2 + given.length + 7) & ~7)
    const number = header.number('type', type, 8)
    header.u8(1, number === fragmentHeader ? 0 : header.bytes.length / 8 - 1)
    header.set(2, given)
    return { type: number, bytes: header.bytes }
  })
}
