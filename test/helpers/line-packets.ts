// Packets of which tcpdump prints more than addresses and ports: errors of ICMP, multicast, extension headers, options.
import * as make from './layers.js'

const { ethernet, ipv4, ipv6, join, tcp, udp, u8, u16, u32 } = make

const quoted = (protocol: number, payload: Buffer) => ipv4(payload, { protocol, from: make.there4, to: make.here4 })
const quoted6 = (next: number, payload: Buffer) => ipv6(payload, { next, from: make.there6, to: make.here6 })
const over4 = (protocol: number, payload: Buffer) => ethernet(0x0800, ipv4(payload, { protocol }))
const over6 = (next: number, payload: Buffer) => ethernet(0x86dd, ipv6(payload, { next }))
const icmp = (type: number, code: number, rest: Buffer, payload: Buffer = u8()) =>
  over4(1, make.icmp(type, code, rest, payload))
const icmp6 = (type: number, code: number, rest: Buffer, payload: Buffer = u8()) =>
  over6(58, make.icmp(type, code, rest, payload))

function icmpMessages(): Buffer[] {
  const datagram = quoted(17, udp(make.counting(8)))
  const unreachable = Array.from({ length: 20 }, (_, code) => icmp(3, code, u16(0, 0), datagram))
  return [
    ...unreachable,
    icmp(3, 4, u16(0, 1492), datagram),
    icmp(3, 3, u16(0, 0), quoted(6, tcp(u8()))),
    icmp(3, 3, u16(0, 0), quoted(132, make.sctp(u8()))),
    icmp(4, 0, u32(0), datagram),
    ...[0, 1, 2, 3].map((code) => icmp(5, code, make.ip4('10.9.8.7'), datagram)),
    icmp(10, 0, u32(0)),
    ...[0, 1, 7].map((code) => icmp(11, code, u32(0), datagram)),
    icmp(12, 0, u8(20, 0, 0, 0), datagram),
    icmp(12, 2, u32(0), datagram),
    icmp(13, 0, u16(65535, 7), Buffer.alloc(12)),
    icmp(15, 0, u16(1, 2)),
    icmp(16, 0, u16(1, 2)),
    icmp(17, 0, u16(1, 2), u32(0)),
    icmp(18, 0, u16(1, 2), u32(0xffffff00)),
  ]
}

function icmp6Messages(): Buffer[] {
  const datagram = quoted6(17, udp(make.counting(8)))
  const group = make.ip6('ff02:0:0:0:0:1:ff00:7')
  return [
    ...[0, 1, 2, 3, 4].map((code) => icmp6(1, code, u32(0), datagram)),
    icmp6(1, 4, u32(0), quoted6(6, tcp(u8()))),
    icmp6(2, 0, u32(1280), datagram),
    ...[0, 1, 2].map((code) => icmp6(3, code, u32(0), datagram)),
    ...[0, 1, 2, 3, 4].map((code) => icmp6(4, code, u32(40), datagram)),
    icmp6(130, 0, u16(10_000, 0), Buffer.alloc(16)),
    icmp6(130, 0, u16(10_000, 0), join(group, u8(2, 125), u16(0))),
    icmp6(130, 0, u16(10_000, 0), join(group, u8(2, 125), u16(1), make.ip6(make.here6))),
    icmp6(131, 0, u32(0), group),
    icmp6(132, 0, u32(0), group),
    icmp6(133, 0, u32(0)),
    icmp6(135, 0, u32(0), make.ip6(make.there6)),
    icmp6(136, 0, u32(0x60000000), make.ip6(make.there6)),
    icmp6(137, 0, u32(0), join(make.ip6(make.there6), make.ip6(make.here6))),
    icmp6(143, 0, u16(0, 0)),
    icmp6(143, 0, u16(0, 1), join(u8(4, 0), u16(0), group)),
  ]
}

function igmpMessages(): Buffer[] {
  const group = make.ip4('239.1.2.3')
  const igmp = (type: number, code: number, ...rest: Buffer[]) => {
    const message = join(u8(type, code), u16(0), ...rest)
    message.writeUInt16BE(make.checksum(message), 2)
    return over4(2, message)
  }
  const none = u32(0)
  return [
    igmp(0x11, 0, none),
    igmp(0x11, 100, none),
    igmp(0x11, 10, group),
    igmp(0x11, 100, none, u8(2, 125), u16(0)),
    igmp(0x11, 24, group, u8(2, 125), u16(0)),
    igmp(0x11, 0xff, group, u8(2, 125), u16(1), make.ip4(make.here4)),
    igmp(0x11, 0xaf, none, u8(2, 125), u16(0)),
    igmp(0x11, 10, group, u8(1)),
    igmp(0x12, 0, group),
    igmp(0x12, 0, group, none),
    igmp(0x16, 0, group),
    igmp(0x16, 0, group, none),
    igmp(0x17, 0, group),
    igmp(0x17, 0, group, none),
    igmp(0x22, 0, u16(0, 1), u8(4, 0), u16(0), group),
    igmp(0x99, 0, group),
  ]
}

function extended(): Buffer[] {
  const routing = (type: number, left: number, addresses: number) =>
    join(
      u8(17, addresses * 2, type, left, 0, 0, 0, 0),
      ...Array.from({ length: addresses }, (_, i) => make.ip6(`2001:db8:0:0:0:0:0:${(i + 1).toString(16)}`)),
      udp(u8(1, 2, 3)),
    )
  const cut = over6(6, tcp(make.counting(30))).subarray(0, -7)
  return [
    over6(0, make.options6(58, make.icmp(143, 0, u16(0, 0), u8()))),
    over6(0, make.options6(60, make.options6(6, tcp(make.counting(5)), 2))),
    over6(43, routing(0, 1, 2)),
    over6(43, routing(2, 1, 1)),
    over6(44, make.fragment6(17, 0, 1, 5, udp(make.counting(8), 1, 2, 900))),
    over6(44, make.fragment6(17, 1448, 0, 5, make.counting(77))),
    over6(51, make.ah(6, tcp(make.counting(5)))),
    over4(51, make.ah(6, tcp(make.counting(5)))),
    over4(51, make.ah(50, make.esp(make.counting(32)))),
    over4(6, tcp(make.counting(30))).subarray(0, -7),
    over4(1, make.echo(8)).subarray(0, -5),
    cut,
  ]
}

function tcpOptions(): Buffer[] {
  const syn = (options: Buffer) => over4(6, tcp(u8(), { flags: 2, options }))
  return [
    syn(u8(34, 2, 1, 1)),
    syn(u8(34, 6, 0xde, 0xad, 0xbe, 0xef, 1, 1)),
    syn(u8(199, 4, 0xab, 0x01)),
    syn(u8(1, 1, 199, 2)),
    syn(u8(8, 10, 255, 255, 255, 255, 0, 0, 0, 1, 4, 2)),
  ]
}

/** Ethernet frames. */
export function linePackets(): Buffer[] {
  return [
    ...icmpMessages(),
    ...icmp6Messages(),
    ...igmpMessages(),
    ...extended(),
    ...tcpOptions(),
    ethernet(0x0806, make.arp({ targetMac: 'ff:ff:ff:ff:ff:ff' })),
  ]
}
