// Packets at random and mutated: dissection does not throw, reads nothing outside the packet, and allocates nothing.
import { Dissector, type DissectorFields, Packet } from 'ringtap'
import t from 'tap'
import { corpus } from '../helpers/corpus.js'
import { derived } from '../helpers/derived.js'
import { random } from '../helpers/random.js'

/** Packets in all; RINGTAP_DISSECT_PACKETS sets another number. */
const count = Number(process.env.RINGTAP_DISSECT_PACKETS ?? 200_000)
const seed = Number(process.env.RINGTAP_DISSECT_SEED ?? Date.now() % 0x7fffffff)

const linkTypes = [0, 1, 9, 12, 50, 51, 101, 104, 105, 108, 109, 113, 119, 127, 147, 163, 204, 228, 229, 276]
const maxLength = 300
/** Bytes on either side of the packet that must not be read. */
const margin = 64

const fields = Object.keys(new Dissector() as DissectorFields).filter(
  (name) => !name.startsWith('_'),
) as (keyof Dissector)[]

t.test(`${count} packets, RINGTAP_DISSECT_SEED=${seed}`, async (t) => {
  const next = random(seed)
  const packets = corpus().filter(({ bytes }) => bytes.length <= maxLength)
  // The same packet in two places with other bytes around it: a read outside shows as a difference.
  const low = new Uint8Array(margin + maxLength + margin)
  const high = new Uint8Array(margin + maxLength + margin)
  const first = new Dissector({ tunnels: true, tcpOptions: true })
  const second = new Dissector({ tunnels: true, tcpOptions: true })
  for (let i = 0; i < count; i++) {
    let length = next(maxLength)
    let linkType = linkTypes[next(linkTypes.length)] as number
    const content = low.subarray(margin, margin + maxLength)
    if (i % 8 === 0) {
      for (let j = 0; j < length; j++) content[j] = next(256)
    } else {
      const packet = packets[next(packets.length)]!
      content.set(packet.bytes)
      length = packet.bytes.length
      linkType = packet.linkType
      for (let j = next(6); j > 0; j--) content[next(length)] = next(3) === 0 ? 255 * next(2) : next(256)
      if (next(3) === 0) length = next(length + 1)
    }
    low.fill(0, 0, margin)
    low.fill(0, margin + length)
    high.fill(255)
    high.set(low.subarray(margin, margin + length), margin)
    const original = next(4) === 0 ? length + next(2000) : length
    const layers = first.dissect(low.subarray(margin, margin + length), linkType, original)
    second.dissect(high.subarray(margin, margin + length), linkType, original)
    const { payloadOffset, payloadLength, truncated, malformed } = first
    const sane =
      layers >= 0 &&
      payloadOffset >= 0 &&
      payloadOffset <= Math.max(original, length) &&
      payloadLength >= 0 &&
      payloadOffset + payloadLength <= original &&
      (truncated === 0 || original > length) &&
      malformed >= 0 &&
      malformed <= 6
    const different = fields.filter((name) => first[name] !== second[name])
    const isRead = i % 4 !== 0 || derived(first) === derived(second)
    if (sane && isRead && different.length === 0) continue
    t.fail(`packet ${i}: ${different.join(', ') || `${derived(first)} and ${derived(second)}`}`, {
      bytes: Buffer.from(low.subarray(margin, margin + length)).toString('hex'),
      linkType,
      original,
    })
    return
  }
  t.pass()
})

t.test('deep packets take bounded time', async (t) => {
  const d = new Dissector({ tunnels: true, tcpOptions: true })
  // 250 000 bytes of headers in each other, of every kind that can follow itself.
  const fill = (unit: number[]) =>
    Buffer.from(Array.from({ length: 250_000 }, (_, i) => unit[i % unit.length] as number))
  const vlan = Buffer.concat([Buffer.alloc(12), fill([0x81, 0x00, 0x00, 0x01])])
  const labels = Buffer.concat([Buffer.alloc(12), Buffer.from([0x88, 0x47]), fill([0, 0, 0, 0])])
  d.dissect(vlan)
  t.match(d, { vlanCount: 8, malformed: 5 })
  d.dissect(labels)
  t.match(d, { mplsCount: 16, malformed: 5 })
  const ip = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
  d.dissect(fill(ip), 101)
  t.match(d, { tunnelDepth: 8, malformed: 5 })
  const ah = Buffer.concat([
    Buffer.from([...ip.slice(0, 9), 51, ...ip.slice(10)]),
    fill([51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  ])
  d.dissect(ah, 101)
  t.match(d, { malformed: 5, protocol: 51 })
})

t.test('nothing is allocated', async (t) => {
  const packets = corpus().map(({ bytes, linkType }) => Packet.from(bytes, { linkType }))
  const d = new Dissector({ tunnels: true, tcpOptions: true })
  let sum = 0
  const round = (rounds: number) => {
    for (let i = 0; i < rounds; i++) {
      for (const packet of packets) sum = (sum + d.dissect(packet) + d.destinationPort + d.payloadLength) & 0xffffff
    }
  }
  // Until the compiler is done: what it allocates is on the heap, too.
  round(500)
  const perPacket: number[] = []
  for (let trial = 0; trial < 10; trial++) {
    await new Promise((resolve) => setImmediate(resolve))
    const before = process.memoryUsage().heapUsed
    round(200)
    perPacket.push((process.memoryUsage().heapUsed - before) / (200 * packets.length))
  }
  // One number of 64 bits on the heap has 16 bytes. A collection in a trial makes it negative, hence the median.
  const median = perPacket.sort((a, b) => a - b)[5] as number
  t.ok(Math.abs(median) < 8, `${median} bytes a packet; all: ${perPacket.map((value) => value.toFixed(1))}`)
  t.ok(sum > 0)
})
