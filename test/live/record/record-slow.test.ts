// Alone: it compares what a slow disk and a full ring lose, frame by frame.
import { Capture, type Chunk } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { numbersIn, statisticsIn } from '../../helpers/wireshark.js'
import { holdThread } from '../support/hold-thread.js'
import { sendInSteps, sendInStepsSync } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send, sendSync, sequenceOf } from '../support/send.js'
import { patience, waitUntil } from '../support/wait.js'
import { backends } from '../support/ways.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')

const folder = new TestFolder(t)
const options = {
  interfaces: 'eth0',
  ring: { memory: 8 << 20, blockSize: 256 << 10 },
  overflow: { memory: 4 << 20 },
} as const

/** Number of 1000-byte frames that take 3 of the 12 blocks the capture thread keeps free. */
const step = 700

const cases = backends.flatMap((backend) => [true, false].map((reading) => ({ backend, reading })))

for (const { backend, reading } of cases) {
  t.test(
    `packets lost to a blocked disk are counted, ${reading ? 'with' : 'without'} an iteration, ${backend}`,
    async (t) => {
      const path = folder.file(`${backend}-${reading}.pcapng`)
      await using capture = await Capture.open(
        backend === 'ring' ? options : { ...options, backend, ring: { memory: 8 << 20 } },
      )
      const mine: number[] = []
      const read = (async () => {
        if (!reading) return
        for await (const chunk of capture) chunk.forEach((packet) => mine.push(sequenceOf(packet.data) as number))
      })()
      const isRead = (next: number) => !reading || mine.length === next
      const recording = await capture.record({ path })
      await sendInSteps(capture, { interface: 'eth0', count: 1000, size: 1000 }, step, isRead)
      const release = await holdThread('ringtap record')
      t.teardown(release)
      // Four times the capacity of ring and overflow memory.
      await sendInSteps(capture, { interface: 'eth0', count: 40_000, start: 1000, size: 1000 }, step, isRead)
      await release()
      const stats = await recording.stop()
      await capture.stop()
      await read

      t.ok(stats.dropped > 20_000, `${stats.dropped} not written`)
      t.equal(stats.packets + stats.dropped, 41_000, 'all that was not written is counted')
      const ledger = capture.stats()
      t.same(imbalances(ledger), [])
      t.equal(ledger.received, 41_000)
      t.equal(ledger.droppedByRing + ledger.droppedByOverflow, 0, 'and nobody else was held up')
      if (reading) {
        t.same(mine, range(0, 41_000), 'JavaScript has every packet')
        t.equal(ledger.delivered, 41_000)
        t.equal(ledger.droppedByRecorder, 0)
      } else {
        t.equal(ledger.droppedByRecorder, stats.dropped)
        t.equal(ledger.delivered, stats.packets)
      }
      const numbers = numbersIn(path)
      t.equal(numbers.length, stats.packets)
      t.same(
        numbers.filter((number, i) => i > 0 && number <= (numbers[i - 1] as number)),
        [],
        'in order, none twice',
      )
      t.same(
        statisticsIn(path),
        [{ received: 41_000, dropped: stats.dropped, bySystem: 0, delivered: stats.packets }],
        'the file tells of its losses',
      )
      await capture.close()
    },
  )
}

for (const backend of backends) {
  t.test(`a blocked disk does not hold up JavaScript, ${backend}`, async (t) => {
    await using capture = await Capture.open(
      backend === 'ring' ? options : { ...options, backend, ring: { memory: 8 << 20 } },
    )
    const mine: number[] = []
    let blocked = false
    const reading = (async () => {
      for await (const chunk of capture) {
        chunk.forEach((packet) => mine.push(sequenceOf(packet.data) as number))
        // Three times the capacity of ring and overflow memory, while every block also waits for JavaScript.
        if (!blocked) sendSync({ interface: 'eth0', count: 30_000, start: 1, size: 1000 })
        blocked = true
      }
    })()
    const recording = await capture.record({ path: folder.fresh() })
    const release = await holdThread('ringtap record')
    t.teardown(release)
    await send({ interface: 'eth0', count: 1 })
    await waitUntil(() => blocked, 'the first packet')
    await waitUntil(() => capture.stats().queued === 0, 'JavaScript to catch up')
    const { droppedByRing, droppedByOverflow } = capture.stats()
    const isRead = (next: number) => mine.at(-1) === next - 1
    t.ok(droppedByRing + droppedByOverflow > 10_000)
    await sendInSteps(capture, { interface: 'eth0', count: 10_000, start: 40_000, size: 1000 }, step, isRead)
    await waitUntil(() => capture.stats().queued === 0, 'JavaScript to read the rest')
    await release()
    await recording.stop()
    await capture.stop()
    await reading
    t.same(
      mine.filter((number) => number >= 40_000),
      range(40_000, 50_000),
      'none is lost any more',
    )
    const stats = capture.stats()
    t.same([stats.droppedByRing, stats.droppedByOverflow], [droppedByRing, droppedByOverflow])
    t.same(imbalances(stats), [])
    await capture.close()
  })
}

t.test('the memory bridges a short pause of the disk', async (t) => {
  const path = folder.file('moment.pcapng')
  await using capture = await Capture.open({ ...options, overflow: { memory: 64 << 20 } })
  const recording = await capture.record({ path })
  await send({ interface: 'eth0', count: 10, size: 1000 })
  const release = await holdThread('ringtap record')
  t.teardown(release)
  await sendInSteps(capture, { interface: 'eth0', count: 20_000, start: 10, size: 1000 }, step)
  t.ok(recording.stats().waiting > 8)
  await release()
  const stats = await recording.stop()
  t.same([stats.packets, stats.dropped], [20_010, 0])
  t.same(numbersIn(path), range(0, 20_010))
  t.ok(capture.stats().evicted > 0)
  await capture.close()
})

t.test('while JavaScript is blocked the recording goes on as long as the overflow memory lasts', async (t) => {
  const path = folder.file('busy.pcapng')
  await using capture = await Capture.open({ ...options, overflow: { memory: 64 << 20 } })
  const mine: number[] = []
  let blocked = false
  const read = (async () => {
    for await (const chunk of capture) {
      chunk.forEach((packet) => mine.push(sequenceOf(packet.data) as number))
      if (blocked || (mine.at(-1) as number) < 9) continue
      blocked = true
      sendInStepsSync(capture, { interface: 'eth0', count: 20_000, start: 10, size: 1000 }, step)
    }
  })()
  const recording = await capture.record({ path })
  await send({ interface: 'eth0', count: 10, size: 1000 })
  await waitUntil(() => blocked, 'the first packets')
  const stats = await recording.stop()
  await capture.stop()
  await read
  t.same([stats.packets, stats.dropped], [20_010, 0])
  t.same(numbersIn(path), range(0, 20_010))
  t.same(mine, range(0, 20_010))
  t.ok(capture.stats().evicted > 0, 'more than the ring holds')
  t.same(imbalances(capture.stats()), [])
  await capture.close()
})

t.test('a recording can be stopped while JavaScript holds all the memory', async (t) => {
  const path = folder.file('held.pcapng')
  await using capture = await Capture.open({
    backend: 'pcap',
    interfaces: 'eth0',
    ring: { memory: 16 << 20 },
    overflow: { memory: 2 << 20 },
  })
  const warnings: string[] = []
  capture.on('warning', ({ message }) => warnings.push(message))
  const mine: number[] = []
  const take = (chunk: Chunk) => chunk.forEach((packet) => mine.push(sequenceOf(packet.data) as number))
  const iterator = capture[Symbol.asyncIterator]()
  await send({ interface: 'eth0', count: 1 })
  take((await iterator.next()).value)
  const recording = await capture.record({ path })
  await send({ interface: 'eth0', count: 5000, start: 1, size: 1000, rate: 10_000 })
  const stats = await recording.stop()
  t.ok(stats.packets > 500 && stats.packets < 5000, `${stats.packets} written`)
  t.equal(stats.dropped, 0)
  t.match(warnings, [/stopped before all that had been received/])
  t.same(numbersIn(path), range(1, stats.packets + 1))
  void capture.stop()
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) take(next.value)
  t.same(mine, range(0, 5001), 'JavaScript has every packet')
  t.same(imbalances(capture.stats()), [])
  await capture.close()
})

t.test('the statistics of the file contain the losses of the ring', async (t) => {
  const path = folder.file('ring.pcapng')
  await using capture = await Capture.open({ ...options, overflow: { memory: 0 } })
  // While the iteration takes no further chunks, blocks that wait for JavaScript stay in the ring.
  const iterator = capture[Symbol.asyncIterator]()
  await send({ interface: 'eth0', count: 1 })
  await iterator.next()
  const recording = await capture.record({ path })
  await send({ interface: 'eth0', count: 40_000, size: 1000, rate: 20_000 })
  const stats = await recording.stop()
  const { droppedByRing, ring } = capture.stats()
  t.ok(droppedByRing > 10_000)
  t.equal(stats.packets + droppedByRing, 40_000)
  const known = ring.table === 'ebpf'
  t.same(statisticsIn(path), [
    {
      received: known ? 40_000 : Number.NaN,
      dropped: known ? droppedByRing : Number.NaN,
      bySystem: known ? droppedByRing : Number.NaN,
      delivered: stats.packets,
    },
  ])
  await capture.close()
})
