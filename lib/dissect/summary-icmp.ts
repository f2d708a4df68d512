import { putField, putHex, putIpv4, putIpv6, putLength, putText } from './ascii.js'
import { u8, u16, u32 } from './bytes.js'
import { type DissectorFields, presentEnd } from './fields.js'

/** Where the packet begins that an error quotes, from the header of ICMP or ICMPv6. */
const quoted = 8

/** A text of which `%` stands for the destination of the quoted packet. */
const unreachable: readonly (string | undefined)[] = [
  'net % unreachable',
  'host % unreachable',
  undefined,
  undefined,
  '% unreachable - need to frag',
  '% unreachable - source route failed',
  'net % unreachable - unknown',
  'host % unreachable - unknown',
  '% unreachable - source host isolated',
  'net % unreachable - admin prohibited',
  'host % unreachable - admin prohibited',
  'net % unreachable - tos prohibited',
  'host % unreachable - tos prohibited',
  'host % unreachable - admin prohibited filter',
  'host % unreachable - host precedence violation',
  'host % unreachable - precedence cutoff',
]

const icmpNames: ReadonlyMap<number, string> = new Map([
  [4, 'source quench'],
  [10, 'router solicitation'],
  [15, 'information request'],
  [16, 'information reply'],
  [17, 'address mask request'],
])

/** @internal */
export function icmp(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
  to: number,
): number {
  to = putText(out, to, 'ICMP ')
  const at = d._base + d.transportOffset
  const name = icmpNames.get(d.icmpType)
  let end = 0
  if (d.icmpType === 8 || d.icmpType === 0) {
    end = putText(out, to, d.icmpType === 8 ? 'echo request' : 'echo reply')
    // Cut off in the first eight bytes it has neither.
    if (d.icmpIdentifier >= 0) {
      end = putField(out, putField(out, end, ', id ', d.icmpIdentifier), ', seq ', d.icmpSequence)
    }
  } else if (name !== undefined) end = putText(out, to, name)
  else if (d.icmpType === 3) end = icmpUnreachable(d, view, bytes, out, to)
  else if (d.icmpType === 5) end = redirect(d, bytes, at, out, to)
  else if (d.icmpType === 11) end = timeExceeded(d.icmpCode, out, to)
  else if (at + 12 <= presentEnd(d)) end = icmpWithFields(d, view, at, out, to)
  if (end === 0) end = putField(out, putField(out, to, 'type ', d.icmpType), ', code ', d.icmpCode)
  return putLength(out, end, length)
}

/** Returns 0 if too little of the quoted packet is there. */
function icmpUnreachable(d: DissectorFields, view: DataView, bytes: Uint8Array, out: Uint8Array, to: number): number {
  const { icmpCode } = d
  const at = d._base + d.transportOffset + quoted
  if (at + 20 > presentEnd(d)) return 0
  if (icmpCode === 2 || icmpCode === 3) {
    const protocol = u8(view, at + 9)
    const ports = at + ((u8(view, at) & 0x0f) << 2)
    if (icmpCode === 3 && ports + 4 > presentEnd(d)) return 0
    to = putIpv4(out, to, bytes, at + 16)
    if (icmpCode === 2) return putText(out, putField(out, to, ' protocol ', protocol), ' unreachable')
    return putText(out, quotedPort(protocol, u16(view, ports + 2), out, to), ' unreachable')
  }
  const text = unreachable[icmpCode] ?? '% unreachable - #'
  const place = text.indexOf('%')
  to = putIpv4(out, putText(out, to, text.slice(0, place)), bytes, at + 16)
  to = putText(out, to, text.slice(place + 1))
  if (icmpCode >= unreachable.length) return putField(out, to, '', icmpCode)
  const mtu = u16(view, at - 2)
  return icmpCode === 4 && mtu > 0 ? putText(out, putField(out, to, ' (mtu ', mtu), ')') : to
}

function quotedPort(protocol: number, port: number, out: Uint8Array, to: number): number {
  if (protocol === 6) return putField(out, to, ' tcp port ', port)
  if (protocol === 17) return putField(out, to, ' udp port ', port)
  return putField(out, putField(out, to, ' protocol ', protocol), ' port ', port)
}

function redirect(d: DissectorFields, bytes: Uint8Array, at: number, out: Uint8Array, to: number): number {
  if (d.icmpCode > 3 || at + quoted + 20 > presentEnd(d)) return 0
  to = putText(out, to, d.icmpCode < 2 ? 'redirect ' : 'redirect-tos ')
  to = putIpv4(out, to, bytes, at + quoted + 16)
  to = putText(out, to, (d.icmpCode & 1) === 0 ? ' to net ' : ' to host ')
  return putIpv4(out, to, bytes, at + 4)
}

function timeExceeded(code: number, out: Uint8Array, to: number): number {
  if (code === 0) return putText(out, to, 'time exceeded in-transit')
  if (code === 1) return putText(out, to, 'ip reassembly time exceeded')
  return putField(out, to, 'time exceeded-#', code)
}

function icmpWithFields(d: DissectorFields, view: DataView, at: number, out: Uint8Array, to: number): number {
  switch (d.icmpType) {
    case 12:
      if (d.icmpCode !== 0) return putField(out, to, 'parameter problem - code ', d.icmpCode)
      return putField(out, to, 'parameter problem - octet ', u8(view, at + 4))
    case 13:
      to = putField(out, to, 'time stamp query id ', d.icmpIdentifier)
      return putField(out, to, ' seq ', d.icmpSequence)
    case 18:
      return putHex(out, putText(out, to, 'address mask is 0x'), u32(view, at + 8), 8)
    default:
      return 0
  }
}

const icmp6Names: ReadonlyMap<number, string> = new Map([
  [1, 'destination unreachable'],
  [2, 'packet too big'],
  [3, 'time exceeded in-transit'],
  [4, 'parameter problem'],
  [128, 'echo request'],
  [129, 'echo reply'],
  [130, 'multicast listener query'],
  [131, 'multicast listener report'],
  [132, 'multicast listener done'],
  [133, 'router solicitation'],
  [134, 'router advertisement'],
  [135, 'neighbor solicitation'],
  [136, 'neighbor advertisement'],
  [137, 'redirect'],
  [143, 'multicast listener report v2'],
])

const unreachable6 = [
  'unreachable route',
  ' unreachable prohibited', // with two spaces in tcpdump's lines
  'beyond scope',
  'unreachable address',
  'unreachable port',
] as const
const problems6 = ['erroneous', 'next header', 'option', 'incomplete header chain'] as const

/** @internal */
export function icmp6(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
  to: number,
): number {
  const name = icmp6Names.get(d.icmpType)
  to = putText(out, to, 'ICMP6, ')
  if (name === undefined) to = putField(out, putField(out, to, 'type ', d.icmpType), ', code ', d.icmpCode)
  else to = icmp6Fields(d, view, bytes, length, out, putText(out, to, name))
  return putLength(out, to, length)
}

function icmp6Fields(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
  to: number,
): number {
  const at = d._base + d.transportOffset
  const present = presentEnd(d) - at
  if (d.icmpIdentifier >= 0) {
    return putField(out, putField(out, to, ', id ', d.icmpIdentifier), ', seq ', d.icmpSequence)
  }
  if (present < 8) return to
  switch (d.icmpType) {
    case 1:
      return present < 48 ? to : icmp6Unreachable(d, view, bytes, out, to)
    case 2:
      return putField(out, to, ', mtu ', u32(view, at + 4))
    case 3:
      if (d.icmpCode === 1) return putText(out, to, ' (reassembly)')
      if (d.icmpCode > 1) return putText(out, putField(out, to, ', unknown code (', d.icmpCode), ')')
      return present < 48 ? to : putIpv6(out, putText(out, to, ' for '), bytes, at + quoted + 24)
    case 4: {
      const problem = problems6[d.icmpCode]
      if (problem === undefined) return putField(out, to, ', code-#', d.icmpCode)
      return putField(out, putText(out, putText(out, to, ', '), problem), ' - octet ', u32(view, at + 4))
    }
    default:
      return present < 24 ? reports(d, view, out, to) : neighbours(d, view, bytes, length, out, to)
  }
}

/** The number of group records of a report, which may have none. */
function reports(d: DissectorFields, view: DataView, out: Uint8Array, to: number): number {
  if (d.icmpType !== 143) return to
  const records = u16(view, d._base + d.transportOffset + 6)
  return putText(out, putField(out, to, ', ', records), ' group record(s)')
}

/** Messages that have an address behind the fixed part. */
function neighbours(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
  to: number,
): number {
  const at = d._base + d.transportOffset
  switch (d.icmpType) {
    case 130:
      // 24 bytes are a query of MLD's first version, 28 and more one of the second (RFC 3810, 8.1).
      if (length < 28) return putIpv6(out, delay(view, at, out, to), bytes, at + 8)
      if (at + 28 > presentEnd(d)) return to
      to = putIpv6(out, putText(out, to, ' v2 [gaddr '), bytes, at + 8)
      if (u16(view, at + 26) > 0) to = putText(out, putField(out, to, ', ', u16(view, at + 26)), ' source(s)')
      return putText(out, to, ']')
    case 131:
    case 132:
      return putIpv6(out, delay(view, at, out, to), bytes, at + 8)
    case 135:
    case 136:
      return putIpv6(out, putText(out, to, d.icmpType === 135 ? ', who has ' : ', tgt is '), bytes, at + 8)
    case 137:
      if (at + 40 > presentEnd(d)) return to
      to = putIpv6(out, putText(out, to, ', '), bytes, at + 24)
      return putIpv6(out, putText(out, to, ' to '), bytes, at + 8)
    default:
      return reports(d, view, out, to)
  }
}

/** tcpdump leaves out the space ahead of it. */
function delay(view: DataView, at: number, out: Uint8Array, to: number): number {
  return putText(out, putField(out, to, 'max resp delay: ', u16(view, at + 4)), ' addr: ')
}

function icmp6Unreachable(d: DissectorFields, view: DataView, bytes: Uint8Array, out: Uint8Array, to: number): number {
  const at = d._base + d.transportOffset + quoted
  const reason = unreachable6[d.icmpCode]
  if (reason === undefined) return putText(out, putField(out, to, ', unknown unreach code (', d.icmpCode), ')')
  to = putText(out, putText(out, to, ', '), reason)
  if (d.icmpCode !== 4) {
    to = putIpv6(out, putText(out, to, ' '), bytes, at + 24)
    return d.icmpCode === 2 ? putIpv6(out, putText(out, to, ', source address '), bytes, at + 8) : to
  }
  const protocol = u8(view, at + 6)
  // Behind extension headers the port is not looked for.
  if (at + 44 > presentEnd(d) || (protocol !== 6 && protocol !== 17)) return to
  to = putIpv6(out, putText(out, to, ', '), bytes, at + 24)
  return quotedPort(protocol, u16(view, at + 42), out, to)
}

/** @internal */
export function igmp(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
  to: number,
): number {
  const at = d._base + d.transportOffset
  const group = at + 4
  switch (d.icmpType) {
    case 0x11:
      return igmpQuery(d, view, bytes, length, out, putText(out, to, 'igmp query'))
    case 0x12:
      return strange(length, out, putIpv4(out, putText(out, to, 'igmp v1 report '), bytes, group))
    case 0x16:
      return putIpv4(out, putText(out, to, 'igmp v2 report '), bytes, group)
    case 0x17:
      return putIpv4(out, putText(out, to, 'igmp leave '), bytes, group)
    case 0x22:
      return putText(out, putField(out, to, 'igmp v3 report, ', u16(view, at + 6)), ' group record(s)')
    default:
      return putField(out, to, 'igmp-', d.icmpType)
  }
}

function strange(length: number, out: Uint8Array, to: number): number {
  return length === 8 ? to : putText(out, putField(out, to, ' [len ', length), ']')
}

function igmpQuery(
  d: DissectorFields,
  view: DataView,
  bytes: Uint8Array,
  length: number,
  out: Uint8Array,
  to: number,
): number {
  const at = d._base + d.transportOffset
  const time = u8(view, at + 1)
  const hasGroup = u32(view, at + 4) !== 0
  if (length >= 12 && at + 12 <= presentEnd(d)) {
    to = putText(out, to, ' v3')
    if (time !== 100) to = responseTime(time, out, to)
    if (!hasGroup) return to
    to = putIpv4(out, putText(out, to, ' [gaddr '), bytes, at + 4)
    if (u16(view, at + 10) > 0) to = putText(out, putField(out, to, ', ', u16(view, at + 10)), ' source(s)')
    return putText(out, to, ']')
  }
  to = putText(out, to, time === 0 ? ' v1' : ' v2')
  if (time !== 0 && time !== 100) to = putText(out, putField(out, to, ' [max resp time ', time), ']')
  if (hasGroup) to = putText(out, putIpv4(out, putText(out, to, ' [gaddr '), bytes, at + 4), ']')
  return strange(length, out, to)
}

/** From 128 on the code is a floating-point number (RFC 3376, 4.1.1). Tenths of a second. */
function responseTime(code: number, out: Uint8Array, to: number): number {
  let tenths = code < 128 ? code : ((code & 0x0f) | 0x10) << (((code >> 4) & 7) + 3)
  to = putText(out, to, ' [max resp time ')
  const long = tenths >= 600
  if (long) {
    to = putText(out, putField(out, to, '', Math.trunc(tenths / 600)), 'm')
    tenths %= 600
    if (tenths === 0) return putText(out, to, ']')
  }
  to = putField(out, to, '', Math.trunc(tenths / 10))
  // After minutes the seconds are whole.
  if (!long) to = putField(out, to, '.', tenths % 10)
  return putText(out, to, 's]')
}
