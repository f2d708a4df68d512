// Alone: it sends as fast as the kernel goes, and counts every frame.
import { Capture } from 'ringtap'
import { captureDuring, seen } from '../support/collect.js'
import { sendInSteps, sendInStepsSync } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeths } from '../support/network.js'
import { expectedFrame, sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

const near = addVeths(3, 'eth', 'far').map(({ name }) => name)

for (const { table, skip } of tables) {
  for (const copy of [false, true]) {
    t.test(`every loss of a full ring is counted, ${table}, chunk.copy ${copy}`, { skip }, async (t) => {
      await using capture = await Capture.open({
        interfaces: near,
        direction: 'out',
        ring: { table, memory: 1 << 20 },
        chunk: { copy },
        overflow: { memory: 0 },
      })
      t.equal(capture.stats().ring.memory, 1 << 20)
      // 4 times the ring's capacity, in unequal shares, while the JavaScript thread is blocked.
      const count = 16_000
      sendSync({ interface: near, count, size: 256 })
      sendSync({ interface: near[1] as string, count: 500, start: count, size: 256, label: 1 })

      const delivered = new Map(near.map((name) => [name, new Set<number>()]))
      const read = async (until: () => boolean) => {
        for await (const chunk of capture) {
          for (const packet of chunk) {
            const { interface: name, number, label, direction } = seen(packet)
            if (label !== near.indexOf(name) || direction !== 'out') t.fail(`${number} of ${label} on ${name}`)
            if (delivered.get(name)?.has(number as number)) t.fail(`${number} twice`)
            delivered.get(name)?.add(number as number)
          }
          if (until()) return
        }
      }
      const got = () => [...delivered.values()].reduce((sum, { size }) => sum + size, 0)
      const lost = () => capture.stats().droppedByRing
      // The losses are counted immediately: JavaScript has not read any packet yet.
      t.ok(lost() > 0, `${lost()} lost`)
      await read(() => got() + lost() === count + 500)

      const after = capture.stats()
      t.ok(after.freezes > 0, `${after.freezes} freezes`)
      t.equal(after.received, count + 500)
      t.equal(after.droppedByRing, count + 500 - got(), 'the gaps, to the packet')
      t.equal(after.delivered, got())
      t.same(imbalances(after), [], 'the ledger balances')
      near.forEach((name, i) => {
        const one = after.interfaces.find((one) => one.name === name)
        const gaps = Math.floor((count - 1 - i) / 3) + 1 + (i === 1 ? 500 : 0) - (delivered.get(name)?.size ?? 0)
        t.equal(one?.delivered, delivered.get(name)?.size)
        if (table === 'ebpf') t.equal(one?.dropped, gaps, `the ${gaps} gaps of ${name}`)
      })

      // The capture continues and loses no further packets.
      const before = got()
      for (let i = 1; i <= 3; i++) {
        sendSync({ interface: near, count: 1000, start: 100_000 * i, size: 256 })
        await read(() => got() === before + 1000 * i)
      }
      t.equal(capture.stats().droppedByRing, after.droppedByRing)
      await capture.close()
      t.same(imbalances(capture.stats()), [], 'the ledger still balances')
    })
  }

  t.test(`a full ring with a chunk that is never released counts every loss, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: 'eth0',
      direction: 'out',
      ring: { table, memory: 1 << 20 },
      overflow: { memory: 0 },
    })
    sendSync({ interface: 'eth0', count: 1 })
    const { value: held } = await capture[Symbol.asyncIterator]().next()
    t.equal(held.packetCount, 1)
    const [first] = held
    const bytes = Buffer.from(first.data)
    // The kernel fills the ring up to the held block, and drops packets from there on.
    const count = 16_000
    sendSync({ interface: 'eth0', count, start: 1, size: 256 })
    let got = 0
    const reading = (async () => {
      for await (const chunk of capture) got += chunk.packetCount
    })()
    await waitUntil(() => got + capture.stats().droppedByRing === count, 'all packets to be accounted for')
    t.ok(bytes.equals(first.data), 'what is held stays what it was')
    t.equal(capture.stats().delivered, 1 + got)

    held.release()
    const before = got
    const lost = capture.stats().droppedByRing
    sendSync({ interface: 'eth0', count: 500, start: 50_000 })
    await waitUntil(
      () => got === before + 500,
      'the packets after the release',
      20_000,
      () => capture.stats(),
    )
    t.equal(capture.stats().droppedByRing, lost, 'and nothing more is lost')
    await capture.stop()
    await reading
    t.same(imbalances(capture.stats()), [])
  })
}

t.test('stop delivers what the full ring holds', async (t) => {
  const count = 16_000
  const { packets, stats } = await captureDuring(
    { interfaces: 'eth0', ring: { memory: 1 << 20 }, overflow: { memory: 0 } },
    () => {
      sendSync({ interface: 'eth0', count, size: 256 })
    },
  )
  t.equal(stats.received, count)
  t.ok(stats.droppedByRing > 0)
  t.equal(packets.length, count - stats.droppedByRing)
  t.same(imbalances(stats), [])
})

for (const { table, skip } of tables) {
  t.test(`overflow memory takes what the ring cannot hold, ${table}`, { skip }, async (t) => {
    const count = 20_000
    const { packets, stats } = await captureDuring(
      { interfaces: 'eth0', direction: 'out', ring: { table, memory: 4 << 20 } },
      // JavaScript is blocked. 400 bytes per frame in the ring: a step fits one of the two blocks that are kept free.
      (capture) => sendInStepsSync(capture, { interface: 'eth0', count, size: 300 }, 2000),
    )
    t.same(
      packets.map(({ number }) => number),
      Array.from({ length: count }, (_, i) => i),
      'every one, in order',
    )
    for (const { number, data } of packets) {
      if (Buffer.compare(data, expectedFrame(number as number, { size: 300 })) !== 0) t.fail(`the bytes of ${number}`)
    }
    t.ok(stats.evicted > 0, `${stats.evicted} blocks copied out`)
    t.equal(stats.droppedByRing + stats.droppedByOverflow, 0)
    t.same(imbalances(stats), [])
  })

  t.test(
    `a chunk that is never released costs nothing while the overflow memory lasts, ${table}`,
    { skip },
    async (t) => {
      await using capture = await Capture.open({
        interfaces: 'eth0',
        direction: 'out',
        ring: { table, memory: 4 << 20 },
      })
      sendSync({ interface: 'eth0', count: 3 })
      const { value: held } = await capture[Symbol.asyncIterator]().next()
      const views: Uint8Array[] = [...held].map((packet) => packet.data)
      const numbers: number[] = []
      const reading = (async () => {
        for await (const chunk of capture) for (const packet of chunk) numbers.push(sequenceOf(packet.data) as number)
      })()
      // Enough to fill the ring several times.
      await sendInSteps(capture, { interface: 'eth0', count: 60_000, start: 3, size: 300 }, 2000)
      await capture.stop()
      await reading
      t.same(
        numbers,
        Array.from({ length: 60_000 }, (_, i) => i + 3),
        'every packet',
      )
      t.ok(capture.stats().evicted > 0)
      views.forEach((view, i) => {
        t.ok(Buffer.from(view).equals(expectedFrame(i)), 'what is held stays what it was')
      })
      held.release()
      t.equal(views[0]?.length, 0)
      t.equal(capture.stats().overflow.used, 0, 'the memory comes back')
      t.same(imbalances(capture.stats()), [])
    },
  )

  t.test(`every loss is counted once the overflow memory is used up, ${table}`, { skip }, async (t) => {
    const count = 20_000
    const { packets, stats } = await captureDuring(
      { interfaces: 'eth0', direction: 'out', ring: { table, memory: 1 << 20 }, overflow: { memory: 1 << 20 } },
      () => {
        sendSync({ interface: 'eth0', count, size: 400, rate: 20_000 })
      },
    )
    t.ok(
      stats.droppedByOverflow > 0,
      `${stats.droppedByOverflow} for want of overflow memory, ${stats.droppedByRing} of ring`,
    )
    t.equal(packets.length + stats.droppedByOverflow + stats.droppedByRing, count, 'the gaps, to the packet')
    t.equal(new Set(packets.map(({ number }) => number)).size, packets.length, 'none twice')
    t.equal(stats.overflow.used, 0)
    t.same(imbalances(stats), [])
  })
}
