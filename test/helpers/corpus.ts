// Packets of every kind that the dissector reads, made by the builders of layers.ts.
import * as make from './layers.js'

export interface CorpusPacket {
  name: string
  linkType: number
  bytes: Buffer
  /** tshark dissects more than the headers: packets quoted in errors, for example. Its first values count. */
  outermost?: boolean
}

const { counting, ethernet, ipv4, ipv6, join, tcp, udp, u8, u16 } = make

const data = counting(23)

/** Transport headers with the protocol number of each. */
function transports(): [string, number, Buffer][] {
  return [
    ['tcp', 6, tcp(data)],
    ['tcp without data', 6, tcp(u8(), { flags: 0x10 })],
    ['tcp syn', 6, tcp(u8(), { flags: 0x02, acknowledgment: 0, options: make.synOptions })],
    ['tcp sack', 6, tcp(u8(), { flags: 0x10, options: make.sackOptions })],
    ['tcp all flags', 6, tcp(data, { flags: 0x1ff, window: 65535 })],
    ['udp', 17, udp(data)],
    ['udp without data', 17, udp(u8())],
    ['sctp', 132, make.sctp(join(u8(0, 3), u16(20), Buffer.alloc(16)))],
    ['dccp', 33, make.dccp(data)],
    ['udp-lite', 136, udp(data)],
    ['esp', 50, make.esp(data)],
    ['unknown protocol', 253, data],
  ]
}

function network(): [string, number, Buffer][] {
  const found: [string, number, Buffer][] = []
  for (const [name, protocol, bytes] of transports()) {
    found.push([`ipv4 ${name}`, 0x0800, ipv4(bytes, { protocol })])
    found.push([`ipv6 ${name}`, 0x86dd, ipv6(bytes, { next: protocol })])
  }
  const upper = tcp(data)
  const record = join(u8(7, 7, 4), Buffer.alloc(4), u8(0))
  found.push(
    ['ipv4 fields', 0x0800, ipv4(upper, { protocol: 6, ttl: 1, tos: 0xb9, id: 0xffff, fragment: 0x4000 })],
    ['ipv4 options', 0x0800, ipv4(upper, { protocol: 6, options: record })],
    ['ipv4 40 bytes of options', 0x0800, ipv4(upper, { protocol: 6, options: Buffer.alloc(40, 1) })],
    ['ipv4 first fragment', 0x0800, ipv4(udp(data, 40002, 40003, 400), { protocol: 17, fragment: 0x2000 })],
    ['ipv4 middle fragment', 0x0800, ipv4(data, { protocol: 17, fragment: 0x2010 })],
    ['ipv4 last fragment', 0x0800, ipv4(data, { protocol: 17, fragment: 0x1fff })],
    ['ipv4 echo request', 0x0800, ipv4(make.echo(8), { protocol: 1 })],
    ['ipv4 echo reply', 0x0800, ipv4(make.echo(0, 0xffff, 0), { protocol: 1 })],
    ['ipv4 timestamp', 0x0800, ipv4(make.icmp(13, 0, u16(7, 8), Buffer.alloc(12)), { protocol: 1 })],
    ['ipv4 igmp', 0x0800, ipv4(make.igmp(), { protocol: 2, ttl: 1 })],
    ['ipv4 ah', 0x0800, ipv4(make.ah(6, upper), { protocol: 51 })],
    ['ipv6 fields', 0x86dd, ipv6(upper, { next: 6, hopLimit: 255, trafficClass: 0xb9, flow: 0xfedcb })],
    ['ipv6 echo request', 0x86dd, ipv6(make.echo(128), { next: 58 })],
    ['ipv6 echo reply', 0x86dd, ipv6(make.echo(129), { next: 58 })],
    [
      'ipv6 neighbour solicitation',
      0x86dd,
      ipv6(make.icmp(135, 0, Buffer.alloc(4), make.ip6(make.there6)), { next: 58 }),
    ],
    ['ipv6 hop by hop', 0x86dd, ipv6(make.options6(6, upper), { next: 0 })],
    ['ipv6 destination options', 0x86dd, ipv6(make.options6(17, udp(data), 3), { next: 60 })],
    ['ipv6 routing', 0x86dd, ipv6(make.routing6(6, upper), { next: 43 })],
    [
      'ipv6 first fragment',
      0x86dd,
      ipv6(make.fragment6(17, 0, 1, 0xfedcba98, udp(data, 1025, 1026, 900)), { next: 44 }),
    ],
    ['ipv6 later fragment', 0x86dd, ipv6(make.fragment6(17, 1448, 1, 7, data), { next: 44 })],
    ['ipv6 last fragment', 0x86dd, ipv6(make.fragment6(6, 0xfff8, 0, 7, data), { next: 44 })],
    ['ipv6 atomic fragment', 0x86dd, ipv6(make.fragment6(6, 0, 0, 7, upper), { next: 44 })],
    ['ipv6 ah', 0x86dd, ipv6(make.ah(6, upper), { next: 51 })],
    ['ipv6 ah, options', 0x86dd, ipv6(make.ah(60, make.options6(6, upper)), { next: 51 })],
    [
      'ipv6 chain',
      0x86dd,
      ipv6(make.options6(43, make.routing6(44, make.fragment6(60, 0, 1, 9, make.options6(6, upper)))), { next: 0 }),
    ],
    ['ipv6 nothing', 0x86dd, ipv6(u8(), { next: 59 })],
  )
  return found
}

function onEthernet(): [string, Buffer][] {
  const frames: [string, Buffer][] = network().map(([name, type, bytes]) => [name, ethernet(type, bytes)])
  const packet = ipv4(tcp(data), { protocol: 6 })
  const packet6 = ipv6(udp(data), { next: 17 })
  frames.push(
    ['padded', join(ethernet(0x0800, ipv4(tcp(u8()), { protocol: 6 })), Buffer.alloc(6, 0x99))],
    ['padded ipv6', join(ethernet(0x86dd, ipv6(udp(u8(1)), { next: 17 })), Buffer.alloc(9, 0x99))],
    ['arp request', join(ethernet(0x0806, make.arp(), 'ff:ff:ff:ff:ff:ff'), Buffer.alloc(18))],
    ['arp reply', ethernet(0x0806, make.arp({ operation: 2, targetMac: make.thereMac }))],
    ['rarp', ethernet(0x8035, make.arp({ operation: 3 }))],
    ['vlan', ethernet(0x8100, make.tag(0xa005, 0x0800, packet))],
    ['vlan arp', ethernet(0x8100, make.tag(0x0fff, 0x0806, make.arp()))],
    ['vlan in vlan', ethernet(0x88a8, make.tag(7, 0x8100, make.tag(5, 0x86dd, packet6)))],
    ['three vlans', ethernet(0x8100, make.tag(1, 0x8100, make.tag(2, 0x8100, make.tag(3, 0x0800, packet))))],
    ['mpls', ethernet(0x8847, make.mpls([1000], packet))],
    ['mpls stack', ethernet(0x8847, make.mpls([0xfffff, 17, 16], packet6))],
    ['vlan mpls', ethernet(0x8100, make.tag(9, 0x8847, make.mpls([2000], packet)))],
    ['pppoe ipv4', ethernet(0x8864, make.pppoe(make.ppp(0x21, packet)))],
    ['pppoe ipv6', ethernet(0x8864, make.pppoe(make.ppp(0x57, packet6)))],
    ['pppoe lcp', ethernet(0x8864, make.pppoe(make.ppp(0xc021, u8(9, 1, 0, 8, 1, 2, 3, 4))))],
    ['pppoe discovery', ethernet(0x8863, make.pppoe(u8(1, 1, 0, 0), 9))],
    ['snap', make.ieee8023(make.snap(0x0800, packet))],
    ['llc', make.ieee8023(make.llc(0x42, 0x42, Buffer.alloc(35)))],
    ['unknown type', ethernet(0x88b5, data)],
    ['gre, not followed', ethernet(0x0800, ipv4(make.gre(0x88b5, data, { key: 0xfedcba98 }), { protocol: 47 }))],
  )
  return frames
}

function tunnelled(): [string, Buffer][] {
  const inside = { from: '172.16.0.1', to: '172.16.0.2', id: 0x4321, ttl: 9 }
  const inner = ipv4(tcp(data, { from: 1111, to: 2222 }), { protocol: 6, ...inside })
  const inner6 = ipv6(udp(data, 3333, 4444), { next: 17, from: 'fd00:0:0:2:0:0:0:1', to: 'fd00:0:0:2:0:0:0:2' })
  const frame = ethernet(0x0800, inner, '02:00:00:00:0a:02', '02:00:00:00:0a:01')
  const tagged = ethernet(0x8100, make.tag(33, 0x86dd, inner6), '02:00:00:00:0a:02', '02:00:00:00:0a:01')
  const over4 = (protocol: number, bytes: Buffer) => ethernet(0x0800, ipv4(bytes, { protocol }))
  const over6 = (next: number, bytes: Buffer) => ethernet(0x86dd, ipv6(bytes, { next }))
  return [
    ['ipip', over4(4, inner)],
    ['6in4', over4(41, inner6)],
    ['4in6', over6(4, inner)],
    ['6in6', over6(41, inner6)],
    ['gre', over4(47, make.gre(0x0800, inner))],
    ['gre all options', over4(47, make.gre(0x86dd, inner6, { key: 0xfedcba98, sequence: 3, checksum: true }))],
    ['gre ethernet', over6(47, make.gre(0x6558, frame, { key: 5 }))],
    ['gre mpls', over4(47, make.gre(0x8847, make.mpls([77], inner)))],
    ['erspan II', over4(47, make.erspan2(301, frame))],
    ['erspan III', over4(47, make.erspan3(302, tagged))],
    ['vxlan', over4(17, make.vxlan(0xfedcba, frame))],
    ['vxlan over ipv6', over6(17, make.vxlan(5, tagged))],
    ['vxlan in vlan', ethernet(0x8100, make.tag(44, 0x0800, ipv4(make.vxlan(6, frame), { protocol: 17 })))],
    ['vxlan arp', over4(17, make.vxlan(7, ethernet(0x0806, make.arp())))],
    ['geneve', over4(17, make.geneve(0xabcdef, 0x6558, frame))],
    ['geneve options', over4(17, make.geneve(8, 0x6558, tagged, join(u16(0x0102), u8(3, 1), u16(0, 0))))],
    ['geneve ip', over6(17, make.geneve(9, 0x0800, inner))],
    ['gtpu', over4(17, make.gtpu(0xfedcba98, inner))],
    ['gtpu extended', over4(17, make.gtpu(0x1000, inner6, true))],
    ['vxlan in vxlan', over4(17, make.vxlan(1, ethernet(0x0800, ipv4(make.vxlan(2, frame), { protocol: 17 }))))],
    ['ipip in gre in vxlan', over4(17, make.vxlan(3, over4(47, make.gre(0x0800, ipv4(inner, { protocol: 4 })))))],
    ['pseudowire', ethernet(0x8847, make.mpls([100, 200], join(u8(0, 0, 0, 0), frame)))],
  ]
}

function onOtherLinks(): CorpusPacket[] {
  const packet = ipv4(tcp(data), { protocol: 6 })
  const packet6 = ipv6(udp(data), { next: 17 })
  const found: CorpusPacket[] = []
  const add = (linkType: number, name: string, bytes: Buffer) => found.push({ linkType, name, bytes })
  for (const [name, , bytes] of network()) add(101, `raw ${name}`, bytes)
  add(228, 'ipv4', packet)
  add(229, 'ipv6', packet6)
  for (const [cooked, linkType] of [
    [make.sll, 113],
    [make.sll2, 276],
  ] as const) {
    add(linkType, 'ipv4', cooked(0x0800, packet))
    add(linkType, 'ipv6', cooked(0x86dd, packet6))
    add(linkType, 'arp', cooked(0x0806, make.arp()))
    add(linkType, 'vlan', cooked(0x8100, make.tag(12, 0x0800, packet)))
    add(linkType, 'llc', cooked(4, make.llc(0x42, 0x42, Buffer.alloc(35))))
  }
  for (const family of [24, 28, 30]) add(0, `null ${family}`, join(u8(family, 0, 0, 0), packet6))
  add(0, 'null 2', join(u8(2, 0, 0, 0), packet))
  add(0, 'null 2, big-endian', join(u8(0, 0, 0, 2), packet))
  add(108, 'loop 2', join(u8(0, 0, 0, 2), packet))
  add(108, 'loop 24', join(u8(0, 0, 0, 24), packet6))
  add(9, 'ppp', make.ppp(0x21, packet))
  add(9, 'ppp framed', join(u8(0xff, 3), make.ppp(0x57, packet6)))
  add(50, 'ppp hdlc', join(u8(0xff, 3), make.ppp(0x21, packet)))
  add(51, 'pppoe', make.pppoe(make.ppp(0x21, packet)))
  add(104, 'cisco hdlc', join(u8(0x0f, 0), u16(0x0800), packet))
  const llc4 = make.snap(0x0800, packet)
  const llc6 = make.snap(0x86dd, packet6)
  add(105, 'adhoc', make.wifi(llc4))
  add(105, 'to ds', make.wifi(llc6, { toDs: true }))
  add(105, 'from ds', make.wifi(llc4, { fromDs: true, qos: true }))
  add(105, 'wds', make.wifi(llc4, { toDs: true, fromDs: true, qos: true }))
  add(127, 'radiotap', make.radiotap(make.wifi(llc4, { toDs: true, qos: true })))
  add(127, 'radiotap fcs', make.radiotap(make.wifi(llc6, { fromDs: true }), true))
  return found
}

/** Each packet has a name of its own. */
export function corpus(): CorpusPacket[] {
  const frames = [...onEthernet(), ...tunnelled()].map(([name, bytes]) => ({ name, linkType: 1, bytes }))
  return [...frames, ...onOtherLinks().map((packet) => ({ ...packet, name: `${packet.linkType}: ${packet.name}` }))]
}
