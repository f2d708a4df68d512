// Alone: it sends as fast as the kernel goes, and counts every frame.
import { Capture, type CaptureOptions, type Chunk, Injector, type Packet } from 'ringtap'
import { range } from '../../helpers/range.js'
import { sendInSteps, sendInStepsSync } from '../support/in-steps.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { expectedFrame, send, sendSync, sequenceOf } from '../support/send.js'
import { block, patience, waitUntil } from '../support/wait.js'

t.setTimeout(120_000 * patience)
addVeth('eth0', 'far0')

const KiB = 1024
const MiB = 1024 * KiB
const small = { memory: 2 * MiB, blockSize: 256 * KiB }
/** For sending in steps: each step fits one of the ring's 16 blocks; the capture thread keeps 6 blocks free. */
const stepwise = { interfaces: 'eth0', ring: { memory: 4 * MiB, blockSize: 256 * KiB, maxStall: 300 } }
const step = 1500

/** The numbers of the packets in a chunk, in order. */
function numbers(chunk: Chunk): number[] {
  const found: number[] = []
  chunk.forEach((packet) => found.push(sequenceOf(packet.data) as number))
  return found
}

/** Reads all packets until the capture ends. */
async function drain(capture: Capture): Promise<number[]> {
  const all: number[] = []
  for await (const chunk of capture) all.push(...numbers(chunk))
  return all
}

for (const copy of [false, true]) {
  t.test(`a chunk that is never released costs no packet${copy ? ', with copies' : ''}`, async (t) => {
    await using capture = await Capture.open({ ...stepwise, chunk: { copy } })
    sendSync({ interface: 'eth0', count: 1000 })
    const iterator = capture[Symbol.asyncIterator]()
    const held = (await iterator.next()).value as Chunk
    const kept = [...held]
    const views = kept.map((packet) => packet.data)
    const bytes = views.map((view) => Buffer.from(view))
    const seen = numbers(held)
    const reading = (async () => {
      // A new iteration, so that the first chunk stays lent.
      for await (const chunk of capture) {
        seen.push(...numbers(chunk))
        if (seen.at(-1) === 60_999) break
      }
    })()
    // Enough to fill the ring twice.
    await sendInSteps(capture, { interface: 'eth0', count: 60_000, start: 1000 }, step)
    await reading
    t.same(seen, range(0, 61_000), 'every packet once, in order')
    t.equal(held.released, false)
    t.ok(
      views.every((view, i) => Buffer.compare(view, bytes[i] as Buffer) === 0),
      'the held chunk is untouched',
    )
    t.same(numbers(held), range(0, kept.length))
    if (!copy) t.ok(capture.stats().evicted > 0, 'by eviction')
    t.ok(capture.stats().droppedByRing + capture.stats().droppedByOverflow === 0)
    held.release()
    t.ok(views.every((view) => view.length === 0))
    t.equal(capture.stats().overflow.used, 0, 'and its memory comes back')
    t.equal((kept[0] as Packet).data.length, 0)
  })
}

t.test('a slow loop body loses nothing as long as the overflow memory lasts', async (t) => {
  await using capture = await Capture.open(stepwise)
  const seen: number[] = []
  sendSync({ interface: 'eth0', count: 1 })
  for await (const chunk of capture) {
    // About 12 MiB in the ring's format.
    if (seen.length === 0) await sendInSteps(capture, { interface: 'eth0', count: 80_000, start: 1 }, step)
    seen.push(...numbers(chunk))
    if (seen.length === 80_001) break
  }
  t.same(seen, range(0, 80_001))
  const stats = capture.stats()
  t.equal(stats.received, 80_001)
  t.equal(stats.delivered, 80_001)
  t.ok(stats.evicted > 10)
})

t.test('an event loop that is blocked while it holds a chunk loses nothing', async (t) => {
  await using capture = await Capture.open(stepwise)
  sendSync({ interface: 'eth0', count: 10 })
  const held = (await capture[Symbol.asyncIterator]().next()).value as Chunk
  const view = [...held][3]?.data as Uint8Array
  sendInStepsSync(capture, { interface: 'eth0', count: 50_000, start: 10 }, step)
  t.equal(sequenceOf(view), 3)
  await capture.stop()
  t.same(await drain(capture), range(10, 50_010))
  t.equal(sequenceOf(view), 3)
})

t.test('a block with one packet takes no more overflow memory than that packet needs', async (t) => {
  await using capture = await Capture.open({
    interfaces: 'eth0',
    ring: { ...small, maxStall: 5 },
    chunk: { maxDelay: 2 },
    overflow: { memory: MiB },
  })
  // Without a reader, 8 blocks stay in the ring and hundreds are copied. Each packet is sent once the block of the
  // previous one has been taken.
  await using injector = await Injector.open('eth0')
  for (const number of range(0, 300)) {
    await injector.send(expectedFrame(number))
    await waitUntil(() => capture.stats().queued === number + 1, 'the packet to be queued')
  }
  const { evicted, overflow } = capture.stats()
  t.ok(evicted >= 300 - 8, `${evicted} blocks`)
  t.ok(overflow.used < evicted * KiB, `${overflow.used} bytes`)
  await capture.stop()
  t.same(await drain(capture), range(0, 300))
})

const overflows: { what: string; options: CaptureOptions; cause: 'droppedByRing' | 'droppedByOverflow' }[] = [
  { what: 'without overflow memory', options: { ring: small, overflow: { memory: 0 } }, cause: 'droppedByRing' },
  { what: 'with some', options: { ring: small, overflow: { memory: 4 * MiB } }, cause: 'droppedByOverflow' },
]
for (const { what, options, cause } of overflows) {
  t.test(`when the overflow memory is used up every loss is counted, ${what}`, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', ...options })
    const sent = 100_000
    // Paced, so that the ring holds the packets that arrive while no blocks can be copied.
    await send({ interface: 'eth0', count: sent, rate: 40_000 })
    await waitUntil(() => capture.stats()[cause] > 0, 'the loss')
    await capture.stop()
    const seen = await drain(capture)
    const stats = capture.stats()
    const lost = stats.droppedByRing + stats.droppedByOverflow
    t.equal(stats.received, sent)
    t.equal(seen.length, stats.delivered)
    t.equal(new Set(seen).size, seen.length, 'nothing twice')
    t.equal(sent - seen.length, lost, 'the gaps are what was counted')
    t.equal(stats.received, stats.delivered + lost + stats.unselected)
    t.ok(stats[cause] >= lost * 0.9, `almost all by ${cause}: ${stats.droppedByRing} and ${stats.droppedByOverflow}`)
    t.ok(stats.freezes > 0)
  })
}

t.test('after a loss the capture goes on', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0', ring: small, overflow: { memory: 0 } })
  sendSync({ interface: 'eth0', count: 30_000 })
  let last = -1
  for await (const chunk of capture) {
    last = numbers(chunk).at(-1) as number
    if (capture.stats().queued === 0) break
  }
  t.ok(last < 29_999)
  sendSync({ interface: 'eth0', count: 100, start: 30_000 })
  await capture.stop()
  const seen = await drain(capture)
  t.same(
    seen.filter((number) => number >= 30_000),
    range(30_000, 30_100),
  )
})

for (const ringCount of [2, 4]) {
  t.test(`${ringCount} rings share the traffic, each packet in exactly one`, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', ring: { count: ringCount, memory: 32 * MiB } })
    await send({ interface: 'eth0', count: 60_000, flows: 64, rate: 60_000 })
    await capture.stop()
    const seen = await drain(capture)
    t.same(
      seen.sort((a, b) => a - b),
      range(0, 60_000),
    )
    const stats = capture.stats()
    t.equal(stats.received, 60_000)
    t.equal(stats.ring.count, ringCount)
    t.equal(stats.ring.memory, 32 * MiB)
  })
}

t.test('several rings lose nothing while interfaces appear and the filter is changed', async (t) => {
  const filters = ['udp', 'ip', 'udp port 9', undefined, 'greater 10', 'udp or vlan 5']
  await using capture = await Capture.open({
    interfaces: { include: '^(eth|plug)', hotplug: true },
    ring: { count: 2, memory: 32 * MiB },
  })
  const found = new Map<string, number[]>()
  const reading = (async () => {
    for await (const chunk of capture) {
      chunk.forEach((packet) => {
        const { name } = packet.interface
        const list = found.get(name) ?? []
        found.set(name, list)
        list.push(sequenceOf(packet.data) as number)
      })
    }
  })()
  const traffic = send({ interface: 'eth0', count: 90_000, flows: 64, rate: 30_000 })
  for (let i = 0; i < 12; i++) {
    addVeth(`plug${i}`, `end${i}`)
    sendSync({ interface: `plug${i}`, count: 5, flows: 5 })
    await capture.setFilter(filters[i % filters.length])
  }
  await traffic
  const stats = await capture.stop()
  await reading
  t.same(
    Object.fromEntries([...found].map(([name, list]) => [name, list.sort((a, b) => a - b)])),
    Object.fromEntries([
      ['eth0', range(0, 90_000)],
      ...Array.from({ length: 12 }, (_, i) => [`plug${i}`, range(0, 5)]),
    ]),
    'every packet once, under its interface',
  )
  t.equal(stats.delivered, 90_060)
  // Packets of the far ends arrive before these interfaces are deselected.
  t.equal(stats.received, stats.delivered + stats.unselected)
})

t.test('a ring opened with ring.maxStall loses nothing during such a stall', async (t) => {
  const options = { interfaces: 'eth0', overflow: { memory: 0 }, ring: { memory: 4 * MiB, maxStall: 1000 } }
  {
    await using capture = await Capture.open(options)
    const reading = drain(capture)
    const sending = send({ interface: 'eth0', count: 200, rate: 100 })
    await waitUntil(() => capture.stats().received > 0, 'the first packet')
    // The remaining 150 ms are a margin for the scheduler to wake this process.
    block(850)
    await sending
    await capture.stop()
    t.same(await reading, range(0, 200), 'blocked for that long at 100 packets/s')
  }
  {
    await using capture = await Capture.open(options)
    const sending = send({ interface: 'eth0', count: 10_000 })
    block(1000)
    await sending
    await capture.stop()
    t.same(await drain(capture), range(0, 10_000), 'blocked in a burst that fits the ring')
  }
  {
    await using capture = await Capture.open(options)
    const sending = send({ interface: 'eth0', count: 300, rate: 100 })
    await waitUntil(() => capture.stats().received > 0, 'the first packet')
    block(2600)
    await sending
    await capture.stop()
    const seen = await drain(capture)
    const stats = capture.stats()
    t.ok(seen.length < 300, `at a multiple of it there is loss: ${300 - seen.length} of 300`)
    t.equal(300 - seen.length, stats.droppedByRing, 'exactly counted')
  }
})
