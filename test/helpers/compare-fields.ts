// The fields of a dissector beside tshark's.
import type { Dissector } from 'ringtap'
import type { FieldName, TsharkFields } from './tshark-fields.js'

/** Decimal text for numbers that tshark may show in hexadecimal, and for booleans. */
function plain(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (value === 'True' || value === 'False') return value === 'True' ? '1' : '0'
  return value.startsWith('0x') ? String(Number(value)) : value
}

const last = (values: readonly string[]) => plain(values.at(-1))

/** A field of a dissector: what tshark has for the innermost packet, and what the dissector has. */
interface Comparison {
  name: string
  tshark: string | undefined
  ringtap: string | undefined
}

const extensions = ['0', '43', '44', '51', '60']

/**
 * Compares all fields.
 *
 * @param f tshark's
 * @returns those with a value on at least one side
 */
export function compareFields(d: Dissector, f: TsharkFields): Comparison[] {
  const found: Comparison[] = []
  const is = (name: string, tshark: string | undefined, ringtap: string | number | undefined) => {
    const ours = ringtap === -1 || ringtap === undefined ? undefined : String(ringtap)
    if (tshark !== undefined || ours !== undefined) found.push({ name, tshark, ringtap: ours })
  }
  const any = (...fields: FieldName[]) => last(fields.flatMap((field) => f[field]))

  is('sourceMac', any('eth.src', 'sll.src.eth', 'wlan.sa'), d.sourceMac)
  is('destinationMac', any('eth.dst', 'wlan.da'), d.destinationMac)

  // What is behind the last Ethernet or 802.11 header, and the innermost IP header there, of either version.
  const all = (f['frame.protocols'][0] ?? '').split(':')
  const stack = all.slice(Math.max(all.lastIndexOf('eth'), 0))
  const version = stack.filter((name) => name === 'ip' || name === 'ipv6').at(-1)
  const upper = version ? stack.slice(stack.lastIndexOf(version)) : []
  is('ipVersion', version && (version === 'ip' ? '4' : '6'), d.ipVersion || undefined)
  const of = (in4: FieldName, in6: FieldName) => (version === 'ip' ? last(f[in4]) : version ? last(f[in6]) : undefined)
  is('sourceIp', of('ip.src', 'ipv6.src'), d.sourceIp)
  is('destinationIp', of('ip.dst', 'ipv6.dst'), d.destinationIp)
  is('hopLimit', of('ip.ttl', 'ipv6.hlim'), d.hopLimit)
  is('trafficClass', of('ip.dsfield', 'ipv6.tclass'), d.trafficClass)
  is('flowLabel', version === 'ipv6' ? last(f['ipv6.flow']) : undefined, d.flowLabel)
  is('identification', of('ip.id', 'ipv6.fraghdr.ident'), d.identification)
  if (d.ipVersion !== 0) {
    // tshark has it in units of eight bytes.
    is('fragmentOffset', String(8 * Number(of('ip.frag_offset', 'ipv6.fraghdr.offset') ?? 0)), d.fragmentOffset)
    is('moreFragments', of('ip.flags.mf', 'ipv6.fraghdr.more') ?? '0', d.moreFragments)
  }
  is('protocol', protocolOf(f, version), d.protocol)

  const protocol = (['tcp', 'udp', 'udplite', 'sctp', 'dccp'] as const).find((name) => upper.includes(name))
  const port = protocol === 'udplite' ? 'udp' : protocol
  is('sourcePort', port && last(f[`${port}.srcport`]), d.sourcePort)
  is('destinationPort', port && last(f[`${port}.dstport`]), d.destinationPort)
  is('tcpSequence', last(f['tcp.seq_raw']), d.tcpSequence)
  is('tcpAcknowledgment', last(f['tcp.ack_raw']), d.tcpAcknowledgment)
  is('tcpFlags', last(f['tcp.flags']), d.tcpFlags)
  is('tcpWindow', last(f['tcp.window_size_value']), d.tcpWindow)
  is('tcpMss', last(f['tcp.options.mss_val']), d.tcpMss)
  is('tcpWindowScale', last(f['tcp.options.wscale.shift']), d.tcpWindowScale)
  is('tcpSackPermitted', f['tcp.options.sack_perm'].length > 0 ? '1' : undefined, d.tcpSackPermitted || undefined)
  is('tcpSackCount', last(f['tcp.options.sack.count']), d.tcpSackCount || undefined)
  is('tcpTimestamp', last(f['tcp.options.timestamp.tsval']), d.tcpTimestamp)
  is('tcpTimestampEcho', last(f['tcp.options.timestamp.tsecr']), d.tcpTimestampEcho)

  is('icmpType', any('icmp.type', 'icmpv6.type', 'igmp.type'), d.icmpType)
  is('icmpCode', any('icmp.code', 'icmpv6.code'), d.icmpCode)
  is('icmpIdentifier', any('icmp.ident', 'icmpv6.echo.identifier'), d.icmpIdentifier)
  is('icmpSequence', any('icmp.seq', 'icmpv6.echo.sequence_number'), d.icmpSequence)
  is('arpOperation', last(f['arp.opcode']), d.arpOperation)

  is('vlanId', plain([...f['ieee8021ad.id'], ...f['vlan.id']][0]), d.vlanCount > 0 ? d.vlanId : undefined)
  is('mplsLabel', plain(f['mpls.label'][0]), d.mplsLabel)
  is('tunnelId', any('vxlan.vni', 'geneve.vni', 'gtp.teid', 'gre.key', 'erspan.spanid'), d.tunnelId)

  // Of a header that is cut tshark computes the length of the data as soon as it has the header's length.
  if (f['tcp.len'].length > 0 && d.tcpFlags >= 0) is('payloadLength', last(f['tcp.len']), d.payloadLength)
  return found
}

/** The last “next header” of the innermost IP header's chain. */
function protocolOf(f: TsharkFields, version: string | undefined): string | undefined {
  if (version === undefined) return undefined
  const first = version === 'ip' ? f['ip.proto'] : f['ipv6.nxt']
  const chain = [last(first)]
  if (extensions.includes(chain[0] ?? '')) {
    const further: FieldName[] = [
      'ipv6.hopopts.nxt',
      'ipv6.routing.nxt',
      'ipv6.fraghdr.nxt',
      'ipv6.dstopts.nxt',
      'ah.next_header',
    ]
    const named = further.flatMap((name) => f[name])
    // The one that is not another extension header ends the chain.
    chain.push(named.find((value) => !extensions.includes(value)) ?? last(named))
  }
  return chain.filter((value) => value !== undefined).at(-1)
}
