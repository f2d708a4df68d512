import {
  Dissector,
  type FrameLayers,
  frame,
  LinkType,
  type NetworkInterface,
  Packet,
  type PacketKind,
  type PacketOptions,
} from 'ringtap'
import t from 'tap'
import { resetFrame, resetsFor } from '../../src/response/reset.js'

const [macA, macB, macOwn] = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:aa']
const ethernet = { source: macA, destination: macB }
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2' }
const ipv6 = { source: 'fd00::1', destination: 'fd00::2' }
const tcp = { sourcePort: 1000, destinationPort: 80, sequence: 100, acknowledgment: 500, flags: ['ACK'] } as const
const iface = { index: 7, name: 'a0', address: macOwn, hardwareType: 1, loopback: false, addresses: [] }

/** The frames that answer a packet, in hexadecimal; undefined for a reset that cannot be made into one. */
function answers(layers: FrameLayers, options: PacketOptions = {}): (string | undefined)[] {
  const packet = Packet.from(frame(layers), { interface: iface as unknown as NetworkInterface, ...options })
  const headers = new Dissector()
  headers.dissect(packet)
  return resetsFor(packet, headers).map((reset) => hex(resetFrame(packet, headers, reset)))
}

const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')

/** The expected reset in the direction of the packet, and the one against it. */
const forth = (sequence: number, acknowledgment: number) => ({
  ipv4: { ...ipv4, dontFragment: true },
  tcp: { sourcePort: 1000, destinationPort: 80, sequence, acknowledgment, flags: ['RST', 'ACK'], window: 0 } as const,
})
const back = (sequence: number, acknowledgment: number) => ({
  ipv4: { source: ipv4.destination, destination: ipv4.source, dontFragment: true },
  tcp: { sourcePort: 80, destinationPort: 1000, sequence, acknowledgment, flags: ['RST', 'ACK'], window: 0 } as const,
})
const toB = { source: macOwn, destination: macB }
const toA = { source: macOwn, destination: macA }

t.test('both ends: each gets the number that it expects, and our hardware address', (t) => {
  t.strictSame(answers({ ethernet, ipv4, tcp, payload: 'hello' }), [
    hex(frame({ ethernet: toB, ...forth(105, 500) })),
    hex(frame({ ethernet: toA, ...back(500, 105) })),
  ])
  t.end()
})

t.test('SYN and FIN count, and sequence numbers wrap', (t) => {
  const syn = { ...tcp, flags: ['SYN'], acknowledgment: 77 } as const
  t.strictSame(answers({ ethernet, ipv4, tcp: syn }), [
    hex(frame({ ethernet: toB, ...forth(101, 0) })),
    hex(frame({ ethernet: toA, ...back(0, 101) })),
  ])
  const last = { ...tcp, sequence: 2 ** 32 - 1, flags: ['FIN', 'ACK'] } as const
  t.strictSame(answers({ ethernet, ipv4, tcp: last, payload: 'ab' }), [
    hex(frame({ ethernet: toB, ...forth(2, 500) })),
    hex(frame({ ethernet: toA, ...back(500, 2) })),
  ])
  t.end()
})

t.test('a cut packet counts with its whole length', (t) => {
  const whole = frame({ ethernet, ipv4, tcp, payload: new Uint8Array(1000) })
  const packet = Packet.from(whole.subarray(0, 60), { originalLength: whole.length })
  const headers = new Dissector()
  headers.dissect(packet)
  t.match(resetsFor(packet, headers)[0], { to: 'receiver', sequence: 1100 })
  t.end()
})

t.test('the padding of a short frame does not count', (t) => {
  const padded = Buffer.concat([frame({ ethernet, ipv4, tcp }), Buffer.alloc(6)])
  const packet = Packet.from(padded)
  const headers = new Dissector()
  headers.dissect(packet)
  t.match(resetsFor(packet, headers)[0], { to: 'receiver', sequence: 100 })
  t.end()
})

t.test('only the end that is on the other side of the interface', (t) => {
  t.strictSame(answers({ ethernet, ipv4, tcp }, { direction: 'out' }), [
    hex(frame({ ethernet: toB, ...forth(100, 500) })),
  ])
  const headers = new Dissector()
  headers.dissect(frame({ ethernet, ipv4, tcp }))
  const targets = (kind: PacketKind, loopback = false) =>
    resetsFor({ kind, interface: { ...iface, loopback } as unknown as NetworkInterface }, headers).map(({ to }) => to)
  t.strictSame(targets('host'), ['sender'])
  t.strictSame(targets('other-host'), ['receiver', 'sender'])
  t.strictSame(targets('host', true), ['receiver', 'sender'], 'on loopback both are there')
  t.end()
})

t.test('VLAN tags: the one that was taken out, and those in the packet', (t) => {
  const tag = { id: 5, priority: 3, dropEligible: true, protocol: 0x8100 }
  t.equal(
    answers({ ethernet, ipv4, tcp }, { vlan: tag })[0],
    hex(frame({ ethernet: toB, vlan: tag, ...forth(100, 500) })),
  )
  const inner = { id: 9 }
  const both = [{ ...tag, protocol: 0x88a8 }, inner]
  t.equal(
    answers({ ethernet, vlan: inner, ipv4, tcp }, { vlan: both[0] as typeof tag })[0],
    hex(frame({ ethernet: toB, vlan: both, ...forth(100, 500) })),
  )
  t.end()
})

t.test('IPv6, and IP without a link layer', (t) => {
  t.equal(answers({ ethernet, ipv6, tcp })[0], hex(frame({ ethernet: toB, ipv6, tcp: forth(100, 500).tcp })))
  t.equal(answers({ ipv6, tcp }, { linkType: LinkType.RAW })[0], hex(frame({ ipv6, tcp: forth(100, 500).tcp })))
  t.end()
})

t.test('nothing for a reset, a fragment, and what is no TCP', (t) => {
  t.strictSame(answers({ ethernet, ipv4, tcp: { ...tcp, flags: ['RST', 'ACK'] } }), [])
  t.strictSame(answers({ ethernet, ipv4: { ...ipv4, moreFragments: true }, tcp }), [])
  t.strictSame(answers({ ethernet, ipv4, udp: { sourcePort: 1000, destinationPort: 80 } }), [])
  t.end()
})

t.test('no frame on a device with another link layer', (t) => {
  const cooked = Buffer.concat([
    Buffer.from('0000000100060200000000010000', 'hex'),
    Buffer.from([8, 0]),
    frame({ ipv4, tcp }),
  ])
  const packet = Packet.from(cooked, { linkType: LinkType.LINUX_SLL, interface: iface as unknown as NetworkInterface })
  const headers = new Dissector()
  headers.dissect(packet)
  const [reset] = resetsFor(packet, headers)
  t.ok(reset)
  t.equal(resetFrame(packet, headers, reset!), undefined)
  t.end()
})
