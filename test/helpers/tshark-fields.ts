// The fields of packets as tshark dissects them: a witness that shares no code with the library.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type MadePacket, savefile } from './packets.js'
import { run } from './wireshark.js'

/** The fields that are read; each may occur several times in a packet. */
const names = [
  'eth.src',
  'eth.dst',
  'eth.type',
  'ieee8021ad.id',
  'vlan.id',
  'vlan.priority',
  'mpls.label',
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.ttl',
  'ip.dsfield',
  'ip.id',
  'ip.frag_offset',
  'ip.flags.mf',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.nxt',
  'ipv6.hlim',
  'ipv6.tclass',
  'ipv6.flow',
  'ipv6.hopopts.nxt',
  'ipv6.routing.nxt',
  'ipv6.fraghdr.nxt',
  'ipv6.dstopts.nxt',
  'ah.next_header',
  'ipv6.fraghdr.offset',
  'ipv6.fraghdr.more',
  'ipv6.fraghdr.ident',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.seq_raw',
  'tcp.ack_raw',
  'tcp.flags',
  'tcp.window_size_value',
  'tcp.len',
  'tcp.options.mss_val',
  'tcp.options.wscale.shift',
  'tcp.options.sack_perm',
  'tcp.options.sack.count',
  'tcp.options.timestamp.tsval',
  'tcp.options.timestamp.tsecr',
  'udp.srcport',
  'udp.dstport',
  'udp.length',
  'sctp.srcport',
  'sctp.dstport',
  'dccp.srcport',
  'dccp.dstport',
  'icmp.type',
  'icmp.code',
  'icmp.ident',
  'icmp.seq',
  'icmpv6.type',
  'icmpv6.code',
  'icmpv6.echo.identifier',
  'icmpv6.echo.sequence_number',
  'igmp.type',
  'arp.opcode',
  'arp.src.hw_mac',
  'arp.src.proto_ipv4',
  'arp.dst.hw_mac',
  'arp.dst.proto_ipv4',
  'sll.src.eth',
  'wlan.sa',
  'wlan.da',
  'vxlan.vni',
  'geneve.vni',
  'gtp.teid',
  'gre.key',
  'erspan.spanid',
  'communityid',
  'frame.protocols',
] as const
export type FieldName = (typeof names)[number]

/** The values of a packet's fields in the order of their headers; an empty list for a field that it does not have. */
export type TsharkFields = Readonly<Record<FieldName, readonly string[]>>

/** Settings that keep tshark to what one packet holds, without reassembly, and without analysis of payloads. */
const settings = [
  'ip.defragment:FALSE',
  'ipv6.defragment:FALSE',
  'tcp.desegment_tcp_streams:FALSE',
  'tcp.analyze_sequence_numbers:FALSE',
  'ip.tso_support:TRUE',
  'udp.try_heuristic_first:FALSE',
  'vxlan.udp.port:4789,8472',
]

/** tshark's fields of packets of one link type. */
export function tsharkFields(packets: readonly MadePacket[], linkType: number): TsharkFields[] {
  const dir = mkdtempSync(path.join(tmpdir(), 'ringtap-dissect-'))
  try {
    const file = path.join(dir, 'packets.pcap')
    writeFileSync(file, savefile(packets, linkType))
    return tsharkFieldsOf(file)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** tshark's fields of the packets in a file. */
export function tsharkFieldsOf(file: string): TsharkFields[] {
  const args = ['-n', '-r', file, '-T', 'fields', '-E', 'separator=/t', '-E', 'aggregator=|', '-E', 'occurrence=a']
  args.push(...settings.flatMap((setting) => ['-o', setting]), '--enable-protocol', 'communityid')
  // What the labels of the corpus stand for.
  args.push('-d', 'mpls.label==200,pwethcw')
  args.push(...names.flatMap((name) => ['-e', name]))
  const lines = run('tshark', args).toString().split('\n').slice(0, -1)
  return lines.map((line) => {
    const values = line.split('\t')
    const of = (i: number) => (values[i] ? (values[i] as string).split('|') : [])
    return Object.fromEntries(names.map((name, i) => [name, of(i)])) as Record<FieldName, string[]>
  })
}
