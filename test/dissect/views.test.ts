// What is made of a dissected packet on demand: hashes, checksums, plain objects.
import { Dissector, internetChecksum, Packet } from 'ringtap'
import t from 'tap'
import { corpus } from '../helpers/corpus.js'
import * as make from '../helpers/layers.js'

const { ethernet, ipv4, ipv6, tcp, udp, u8 } = make
const data = make.counting(23)

t.test('the hash of a flow is that of both directions, and of no other', async (t) => {
  const d = new Dissector()
  const hashOf = (bytes: Buffer) => {
    d.dissect(bytes)
    return d.flowHash
  }
  const seen = new Map<number, string>()
  let flows = 0
  for (const protocol of [6, 17]) {
    const upper = (from: number, to: number) => (protocol === 6 ? tcp(u8(), { from, to }) : udp(u8(), from, to))
    for (let host = 0; host < 20; host++) {
      for (let port = 1000; port < 1250; port++) {
        const [a, b] = [`10.0.${host}.1`, `10.9.0.${host}`]
        const there = hashOf(ethernet(0x0800, ipv4(upper(port, 80), { protocol, from: a, to: b })))
        const back = hashOf(ethernet(0x0800, ipv4(upper(80, port), { protocol, from: b, to: a }), make.hereMac))
        if (there !== back || there >>> 0 !== there) t.fail(`${a} ${port}: ${there} and ${back}`)
        seen.set(there, `${protocol} ${a} ${port}`)
        // Ports that change ends are another flow.
        seen.set(hashOf(ethernet(0x0800, ipv4(upper(80, port), { protocol, from: a, to: b }))), 'crossed')
        flows += 2
      }
    }
  }
  // Of 20 000 random numbers of 32 bits, 0.05 pairs are expected to be equal.
  t.ok(seen.size >= flows - 2, `${seen.size} hashes of ${flows} flows`)
  const six = (from: string, to: string, a: number, b: number) =>
    hashOf(ethernet(0x86dd, ipv6(udp(u8(), a, b), { next: 17, from, to })))
  t.equal(six(make.here6, make.there6, 1, 2), six(make.there6, make.here6, 2, 1))
  t.not(six(make.here6, make.there6, 1, 2), six(make.here6, make.there6, 2, 1))
  t.equal(
    hashOf(ethernet(0x88b5, data, make.hereMac, make.thereMac)),
    hashOf(ethernet(0x88b5, data, make.thereMac, make.hereMac)),
  )
})

t.test('the upper bits of the hash are as good as the lower', async (t) => {
  const d = new Dissector()
  for (const shift of [0, 16, 24]) {
    const buckets = new Uint32Array(256)
    for (let port = 0; port < 25_600; port++) {
      d.dissect(ethernet(0x0800, ipv4(udp(u8(), port, 53), { protocol: 17 })))
      buckets[(d.flowHash >>> shift) & 255]!++
    }
    // 100 each; six standard deviations.
    t.ok(Math.min(...buckets) > 40 && Math.max(...buckets) < 160, `bits from ${shift}`)
  }
})

/** Writes the checksum of the pseudo-header and the rest, at `place` in the transport header. */
function summed(packet: Buffer, network: number, transport: number, place: number, protocol: number): Buffer {
  const copy = Buffer.from(packet)
  const upper = copy.subarray(transport)
  const addresses =
    transport - network === 20 ? copy.subarray(network + 12, network + 20) : copy.subarray(network + 8, network + 40)
  upper.writeUInt16BE(0, place)
  upper.writeUInt16BE(make.checksum(addresses, make.u16(0, protocol), make.u16(0, upper.length), upper), place)
  return copy
}

t.test('checksums', async (t) => {
  const d = new Dissector()
  const states = (bytes: Buffer | Packet) => {
    if (bytes instanceof Packet) d.dissect(bytes)
    else d.dissect(bytes)
    const { network, transport } = d.checksums()
    return [network.state, transport.state]
  }
  const tcp4 = ethernet(0x0800, ipv4(tcp(data), { protocol: 6 }))
  const tcp6 = ethernet(0x86dd, ipv6(tcp(data), { next: 6 }))
  const udp4 = ethernet(0x0800, ipv4(udp(data), { protocol: 17 }))
  const right = summed(tcp4, 14, 34, 16, 6)
  t.strictSame(states(right), ['correct', 'correct'])
  const found = right.readUInt16BE(50)
  t.strictSame(d.checksums().transport, { state: 'correct', found, expected: found })
  t.strictSame(states(tcp4), ['correct', 'wrong'])
  t.strictSame(d.checksums().transport, { state: 'wrong', found: 0, expected: found })
  t.strictSame(states(Packet.from(tcp4, { checksumPending: true })), ['correct', 'pending'])
  t.equal(d.checksumPending, 1)
  t.strictSame(d.checksums().transport, { state: 'pending', found: 0, expected: found })
  t.strictSame(states(Packet.from(right)), ['correct', 'correct'])
  t.equal(d.checksumPending, 0)
  t.strictSame(states(summed(tcp6, 14, 54, 16, 6)), ['absent', 'correct'])
  t.strictSame(states(tcp6), ['absent', 'wrong'])
  t.strictSame(states(udp4), ['correct', 'absent'], 'UDP over IPv4 needs none')
  t.strictSame(states(summed(udp4, 14, 34, 6, 17)), ['correct', 'correct'])
  t.strictSame(states(ethernet(0x86dd, ipv6(udp(data), { next: 17 }))), ['absent', 'wrong'], 'over IPv6 it does')
  t.strictSame(states(ethernet(0x0800, ipv4(make.echo(8), { protocol: 1 }))), ['correct', 'correct'])
  const padded = Buffer.concat([
    summed(ethernet(0x0800, ipv4(tcp(u8()), { protocol: 6 })), 14, 34, 16, 6),
    Buffer.alloc(6, 9),
  ])
  t.strictSame(states(padded), ['correct', 'correct'], 'padding does not count')
  const damaged = Buffer.from(right)
  damaged[22]! ^= 1
  t.strictSame(states(damaged), ['wrong', 'correct'])
  t.strictSame(states(ethernet(0x0800, ipv4(data, { protocol: 17, fragment: 0x2000 }))), ['correct', 'unknown'])
  t.strictSame(states(ethernet(0x86dd, ipv6(make.routing6(6, tcp(data)), { next: 43 }))), ['absent', 'wrong'])
  const routed = ethernet(0x86dd, ipv6(make.routing6(6, tcp(data)), { next: 43 }))
  routed[14 + 40 + 3] = 1
  t.strictSame(states(routed), ['absent', 'unknown'])
  t.strictSame(states(ethernet(0x0806, make.arp())), ['absent', 'absent'])
  d.dissect(right.subarray(0, 60), 1, right.length)
  t.equal(d.checksums().transport.state, 'unknown', 'cut')
  const large = summed(
    ethernet(0x0800, ipv4(tcp(Buffer.alloc(150_000, 0xff)), { protocol: 6, totalLength: 0 })),
    14,
    34,
    16,
    6,
  )
  // The pseudo-header's length has 32 bits.
  large.writeUInt16BE(0, 50)
  d.dissect(large)
  const { expected } = d.checksums().transport
  large.writeUInt16BE(expected!, 50)
  t.equal(states(large)[1], 'correct')

  t.equal(internetChecksum(Uint8Array.of(0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7)), 0x220d, 'the example of RFC 1071')
  t.equal(internetChecksum(tcp4.subarray(14, 34)), 0)
  t.equal(internetChecksum(Uint8Array.of(1)), 0xfeff)
  t.throws(() => internetChecksum([1] as unknown as Uint8Array), { code: 'ERR_OPTION', option: 'bytes' })
})

t.test('headers as a plain object', async (t) => {
  const d = new Dissector({ tunnels: true })
  d.dissect(ethernet(0x8100, make.tag(0x6005, 0x0800, ipv4(tcp(data, { flags: 0x12 }), { protocol: 6 }))))
  const expected = {
    layers: ['Ethernet', 'Vlan', 'IPv4', 'Tcp'],
    link: { source: make.hereMac, destination: make.thereMac, etherType: 0x0800 },
    vlan: { id: 5, priority: 3, count: 1 },
    ip: {
      version: 4,
      source: make.here4,
      destination: make.there4,
      protocol: 6,
      hopLimit: 64,
      trafficClass: 0,
      identification: 0x1234,
    },
    ports: { source: 40000, destination: 40001 },
    tcp: { sequence: 0xfedcba98, acknowledgment: 0x80000001, flags: ['SYN', 'ACK'], window: 501 },
    payload: { offset: 58, length: 23 },
  }
  t.strictSame(d.headers(), expected)
  t.strictSame(JSON.parse(JSON.stringify(d)), expected)
  d.dissect(ethernet(0x0806, make.arp()))
  t.strictSame(d.headers().arp, {
    operation: 1,
    senderMac: make.hereMac,
    senderIp: make.here4,
    targetMac: '00:00:00:00:00:00',
    targetIp: make.there4,
  })
  d.dissect(ethernet(0x86dd, ipv6(make.fragment6(17, 1448, 1, 9, data), { next: 44 })).subarray(0, 70), 1, 200)
  t.match(d.headers(), { ip: { identification: 9, fragment: { offset: 1448, more: true } } })
  d.dissect(
    ethernet(0x0800, ipv4(make.vxlan(5, ethernet(0x0800, ipv4(make.echo(8), { protocol: 1 }))), { protocol: 17 })),
  )
  t.match(d.headers(), { tunnel: { depth: 1, id: 5 }, icmp: { type: 8, code: 0, identifier: 77, sequence: 5 } })
  d.dissect(ethernet(0x0800, ipv4(tcp(data), { protocol: 6 })).subarray(0, 50))
  t.match(d.headers(), { malformed: 'Length', payload: { offset: 34, length: 16 } })
  t.strictSame(new Dissector().headers(), { layers: [], payload: { offset: 0, length: 0 } })
  // Nothing of them throws, whatever the packet.
  for (const { bytes, linkType } of corpus()) {
    for (const length of bytes.keys()) {
      d.dissect(bytes.subarray(0, length), linkType, bytes.length)
      d.headers()
      d.summary()
      d.checksums()
      d.communityId()
      d.tcpSackRanges
      d.flowHash
    }
  }
})

t.test('ranges of SACK', async (t) => {
  const d = new Dissector()
  d.dissect(ethernet(0x0800, ipv4(tcp(data, { options: make.sackOptions }), { protocol: 6 })))
  t.strictSame(d.tcpSackRanges, [
    [1, 2],
    [3, 4],
  ])
  d.dissect(ethernet(0x0800, ipv4(tcp(data), { protocol: 6 })))
  t.strictSame(d.tcpSackRanges, [])
})

t.test('the line of a cut packet in a tunnel is made from its own bytes', async (t) => {
  const d = new Dissector({ tunnels: true })
  // The datagram outside is whole; of the one inside, the ports alone are captured.
  const inner = make.ethernet(0x0800, make.ipv4(make.udp(make.counting(9)), { protocol: 17 }))
  const frame = make.ethernet(0x0800, make.ipv4(make.vxlan(7, inner), { protocol: 17 }))
  const cut = frame.length - 9 - 4
  for (const filler of [0, 255]) {
    const bytes = new Uint8Array(cut + 8).fill(filler)
    bytes.set(frame.subarray(0, cut))
    d.dissect(bytes.subarray(0, cut), 1, frame.length)
    t.equal(d.summary(), `IP ${make.here4}.40002 > ${make.there4}.40003: ip-proto-17 17`)
  }
  const exact = Uint8Array.from(frame.subarray(0, cut))
  d.dissect(exact, 1, frame.length)
  t.equal(d.summary(), `IP ${make.here4}.40002 > ${make.there4}.40003: ip-proto-17 17`)
})

t.test('a summary has no number for what was not read', async (t) => {
  const d = new Dissector()
  t.equal(d.summary(), 'unknown link type, length 0', 'of no packet')
  // A timestamp request that ends behind its checksum, with the padding of a short frame.
  const cut = ethernet(0x0800, ipv4(u8(13, 0, 0, 0), { protocol: 1 }))
  const padded = (frame: Buffer) => make.join(frame, Buffer.alloc(60 - frame.length))
  d.dissect(padded(cut))
  t.equal(d.summary(), `IP ${make.here4} > ${make.there4}: ICMP type 13, code 0, length 4`)
  // An error that ends where the packet that it quotes should begin.
  d.dissect(padded(ethernet(0x0800, ipv4(u8(3, 3, 0, 0, 0, 0, 0, 0), { protocol: 1 }))))
  t.equal(d.summary(), `IP ${make.here4} > ${make.there4}: ICMP type 3, code 3, length 8`)
})
