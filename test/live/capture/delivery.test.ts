import { Capture } from 'ringtap'
import type { Test } from 'tap'
import { captureDuring, type Seen } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeths, link } from '../support/network.js'
import { expectedFrame, labelOf, send, sequenceOf } from '../support/send.js'
import { patience, within } from '../support/wait.js'
import { type Way, ways } from '../support/ways.js'
import { difference, packetKey, startTcpdump, tally, type Witness, type WitnessedPacket } from '../support/witness.js'

t.setTimeout(300_000 * patience)

const pairs = addVeths(4, 'near', 'far')
const near = pairs.map(({ name }) => name)
const far = pairs.map(({ peer }) => peer)
const nameOf = new Map([...near, ...far].map((name) => [link(name).ifindex, name]))
const ethernet = 14
const sizes = [60, 64, 577, 1514]
/** Frames of each size on each pair. */
const each = 1000

/** Frames of all sizes on all pairs, interleaved. */
async function traffic(): Promise<void> {
  await Promise.all(
    sizes.map((size, i) =>
      send({ interface: near, count: each * near.length, start: i * 1_000_000, size, rate: 8000, burst: 7 }),
    ),
  )
}

/**
 * Options with which nothing is lost while this process has to wait for a processor. A handle of libpcap has a share of
 * the memory, whose blocks the kernel hands over after 10 ms, however little is in them.
 */
const patient = ({ options }: Way) =>
  options.backend === 'pcap' ? { ...options, ring: { memory: 256 << 20 } } : options

type Told = (direction: string | undefined) => string

/**
 * Compares packets with those that tcpdump has captured on all interfaces: from the network layer on, where the packets
 * of "any" start.
 */
function compareWithAny(t: Test, packets: readonly Seen[], witnessed: readonly WitnessedPacket[], told: Told): void {
  const theirs = new Map<string, { timestampNs: bigint; originalLength: number; capturedLength: number }>()
  for (const packet of witnessed) {
    const name = nameOf.get(packet.interfaceIndex ?? 0) ?? '?'
    theirs.set(packetKey(name, told(packet.direction), packet.data), packet)
  }
  t.equal(witnessed.length, sizes.length * each * near.length * 2, 'tcpdump saw all that was sent')
  t.equal(theirs.size, witnessed.length, 'which differ')
  const ours = packets.map((packet) =>
    packetKey(packet.interface, told(packet.direction), packet.data.subarray(ethernet)),
  )
  t.same(difference(ours, theirs.keys()), { missing: [], surplus: [] }, 'the same packets on the same interfaces')

  let furthest = 0n
  let wrongLengths = 0
  packets.forEach((packet, i) => {
    const witness = theirs.get(ours[i] as string)
    if (!witness) return
    if (
      packet.capturedLength !== witness.capturedLength + ethernet ||
      packet.originalLength !== witness.originalLength + ethernet ||
      packet.data.length !== packet.capturedLength
    )
      wrongLengths++
    const apart = packet.timestamp - witness.timestampNs
    if ((apart < 0n ? -apart : apart) > furthest) furthest = apart < 0n ? -apart : apart
  })
  t.equal(wrongLengths, 0, 'captured and original length')
  // If any process on the machine has requested timestamps (SO_TIMESTAMP), the kernel stamps each packet once for
  // all taps; otherwise each tap reads the clock itself, one after the other.
  t.comment(`timestamps are at most ${furthest} ns apart`)
  t.ok(furthest < 1_000_000_000n, 'the time')
}

/** Compares packets with those that tcpdump has captured on one interface: all bytes from the link layer on. */
async function compareWithWhole(t: Test, packets: readonly Seen[], witness: Witness): Promise<void> {
  const seen = await witness.stop()
  const name = seen[0]?.interface
  t.same(
    difference(
      packets.filter((packet) => packet.interface === name).map(({ data }) => packetKey('', '', data)),
      seen.map(({ data }) => packetKey('', '', data)),
    ),
    { missing: [], surplus: [] },
    `all bytes on ${name}`,
  )
}

for (const one of ways) {
  const { way, options, skip, directions } = one
  for (const copy of options.backend ? [false] : [false, true]) {
    t.test(`every packet that tcpdump sees is delivered, ${way}, chunk.copy ${copy}`, { skip }, async (t) => {
      const everywhere = await startTcpdump({ interface: 'any' })
      const whole = [await startTcpdump({ interface: 'near2' }), await startTcpdump({ interface: 'far2' })]
      const { packets, stats } = await captureDuring({ ...patient(one), chunk: { copy } }, traffic)
      const witnessed = await everywhere.stop()
      const told = (direction: string | undefined) => (directions ? String(direction) : '?')

      compareWithAny(t, packets, witnessed, told)
      for (const witness of whole) await compareWithWhole(t, packets, witness)

      // Compare with what was sent as well: witness and library might share an error.
      t.same(
        Object.fromEntries(tally(packets.map((packet) => `${packet.interface} ${told(packet.direction)}`))),
        Object.fromEntries([
          ...near.map((name) => [`${name} ${told('out')}`, each * sizes.length]),
          ...far.map((name) => [`${name} ${told('in')}`, each * sizes.length]),
        ]),
        'each frame leaves one end and comes to the other',
      )
      const spoilt = packets.filter(({ data, number, label }) => {
        const size = sizes[Math.floor((number ?? 0) / 1_000_000)] as number
        return Buffer.compare(data, expectedFrame(number ?? -1, { size, label: label ?? 0 })) !== 0
      })
      t.equal(spoilt.length, 0, 'the bytes that were sent')

      t.same(imbalances(stats), [], 'the ledger balances')
      t.equal(stats.received, witnessed.length)
      t.equal(stats.delivered, witnessed.length)
      t.equal(
        stats.bytes,
        packets.reduce((sum, { data }) => sum + data.length, 0),
      )
      for (const { name, delivered } of stats.interfaces.filter(({ selected }) => selected)) {
        t.equal(delivered, each * sizes.length, `${name} in the ledger`)
      }
    })
  }

  t.test(`at the rate of the sender every packet is delivered or counted as lost, ${way}`, { skip }, async (t) => {
    const count = 150_000
    await using capture = await Capture.open({ ...options, ring: { ...options.ring, memory: 128 << 20 } })
    const copies = new Map([...near, ...far].map((name) => [name, new Uint8Array(count)]))
    let wrongWay = 0
    let wrongLabel = 0
    const reading = (async () => {
      for await (const chunk of capture) {
        chunk.forEach((packet) => {
          const { name } = packet.interface
          const number = sequenceOf(packet.data) as number
          const seen = copies.get(name) as Uint8Array
          seen[number] = (seen[number] ?? 0) + 1
          if (directions && packet.direction !== (name.startsWith('near') ? 'out' : 'in')) wrongWay++
          if (labelOf(packet.data) !== Number(name.at(-1))) wrongLabel++
        })
      }
    })()
    // A veth drops a frame if the receiving CPU's backlog is full: such a frame is seen on one end only.
    const { sent, dropped, packetsPerSecond } = await send({ interface: near, count, mayDrop: true })
    await capture.stop()
    await within(reading, 'the iteration to end')
    const stats = capture.stats()
    await capture.close()
    t.comment(`${Math.round(packetsPerSecond)} packets/s, ${dropped} dropped by the veths`)
    t.equal(sent, count)
    t.equal(stats.droppedByRing, 0)
    t.equal(stats.delivered, 2 * count - dropped, 'every one')
    t.equal(wrongWay, 0)
    t.equal(wrongLabel, 0, 'the right interface')
    let lost = 0
    let multiplied = 0
    near.forEach((name, i) => {
      const out = copies.get(name) as Uint8Array
      const arrived = copies.get(far[i] as string) as Uint8Array
      for (let number = 0; number < count; number++) {
        const expected = number % near.length === i ? 1 : 0
        if (out[number] !== expected || (arrived[number] as number) > expected) multiplied++
        if ((arrived[number] as number) < expected) lost++
      }
    })
    t.equal(multiplied, 0, 'each once where it was sent, at most once where it arrived')
    t.equal(lost, dropped, 'what did not arrive was dropped by the veth')
    t.same(imbalances(stats), [], 'the ledger balances')
  })
}
