import { Capture, type CaptureOptions } from 'ringtap'
import { range } from '../../helpers/range.js'
import { captureDuring, type Seen, seen } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, addVeths, del } from '../support/network.js'
import { send, sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

const MiB = 1 << 20
const names = addVeths(4, 'eth', 'far').map(({ name }) => name)
/** Far more than any of the rings here can hold. */
const flood = { count: 40_000, size: 256 }

/** The numbers of an interface's packets, in the order of delivery. */
function numbersOn(packets: readonly Seen[], name: string): (number | undefined)[] {
  return packets.filter((packet) => packet.interface === name).map(({ number }) => number)
}

/**
 * Floods `flooded` and sends 100 packets on `other` while the JavaScript thread is blocked. Returns the loss and the
 * numbers delivered from `other`.
 */
async function underFlood(capture: Capture, flooded: string, other: string) {
  sendSync({ interface: flooded, ...flood })
  sendSync({ interface: other, count: 100 })
  const lost = () => capture.stats().droppedByRing
  const packets: Seen[] = []
  for await (const chunk of capture) {
    for (const packet of chunk) packets.push(seen(packet))
    if (packets.length + lost() === flood.count + 100) break
  }
  return { lost: lost(), numbers: numbersOn(packets, other), stats: capture.stats() }
}

for (const { table, skip } of tables) {
  const options = (ring: CaptureOptions['ring']): CaptureOptions => ({
    interfaces: { include: '^eth', hotplug: true },
    direction: 'out',
    ring: { table, ...ring },
    overflow: { memory: 0 },
  })

  t.test(`a flood takes no room from an interface with a ring of its own, ${table}`, { skip }, async (t) => {
    await using own = await Capture.open(options({ perInterface: 2, memory: 6 * MiB }))
    t.equal(own.stats().ring.count, 3)
    t.equal(own.stats().ring.memory, 6 * MiB)
    const { lost, numbers, stats } = await underFlood(own, 'eth0', 'eth1')
    t.ok(lost > 0, `${lost} lost`)
    t.same(numbers, range(0, 100))
    if (table === 'ebpf') {
      t.same(
        names.map((name) => stats.interfaces.find((one) => one.name === name)?.dropped),
        [lost, 0, 0, 0],
      )
    }
    await own.stop()
    t.same(imbalances(own.stats()), [])

    await using shared = await Capture.open(options({ memory: 6 * MiB }))
    t.ok((await underFlood(shared, 'eth0', 'eth1')).numbers.length < 100, 'while in a shared ring it does')
  })

  t.test(`interfaces beyond the number share a ring until one is free, ${table}`, { skip }, async (t) => {
    addVeth('eth00', 'far00') // the highest index: the last to get a ring
    addVeth('eth01', 'far01')
    const last = ['eth00', 'eth01'] as const
    await using capture = await Capture.open(options({ perInterface: names.length, memory: 10 * MiB }))
    t.equal(capture.stats().ring.count, names.length + 1)
    const before = await underFlood(capture, ...last)
    t.ok(before.lost > 0)
    t.ok(before.numbers.length < 100, `${before.numbers.length} of 100 beside the flood`)

    del('eth3')
    await waitUntil(() => !capture.interfaces.some(({ name }) => name === 'eth3'), 'the removal to be known')
    // eth00 has waited longest and has got the ring that became free, so its flood no longer affects eth01.
    sendSync({ interface: last[0], ...flood })
    sendSync({ interface: last[1], count: 100 })
    await capture.stop()
    const packets: Seen[] = []
    for await (const chunk of capture) for (const packet of chunk) packets.push(seen(packet))
    t.same(numbersOn(packets, last[1]), range(0, 100))
    t.ok(capture.stats().droppedByRing > before.lost)
    t.same(imbalances(capture.stats()), [])
    for (const name of last) del(name)
    addVeth('eth3', 'far3')
  })

  t.test(`an interface that gets its ring while packets flow loses none, ${table}`, { skip }, async (t) => {
    const plugged = Array.from({ length: 8 }, (_, i) => `ethx${i}`)
    const { packets, stats } = await captureDuring(
      { ...options({ perInterface: 6, memory: 32 * MiB }), overflow: { memory: 64 * MiB } },
      async () => {
        const sending = plugged.map((name, i) => {
          addVeth(name, `end${i}`)
          return send({ interface: name, count: 4000, rate: 20_000 })
        })
        await Promise.all(sending)
      },
    )
    for (const name of plugged) {
      t.same(
        numbersOn(packets, name).sort((a, b) => (a ?? 0) - (b ?? 0)),
        range(0, 4000),
        name,
      )
    }
    t.equal(stats.droppedByRing + stats.droppedByOverflow, 0)
    t.same(imbalances(stats), [])
    for (const name of plugged) del(name)
  })
}
