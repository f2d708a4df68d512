// Alone: it sends as fast as the kernel goes, and counts every frame.
import { writeFileSync } from 'node:fs'
import { type Batch, type BatchOptions, Capture, type CaptureOptions, type CaptureStats, openFile } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { unpack } from '../../helpers/unpack.js'
import { blocksIn, bytesOf, describe, dissect, numbersIn, statisticsIn, timesIn } from '../../helpers/wireshark.js'
import { drainBacklog } from '../support/backlog.js'
import { holdThread } from '../support/hold-thread.js'
import { sendInSteps } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del, rename } from '../support/network.js'
import { sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { patience, waitUntil } from '../support/wait.js'
import { backends, ways } from '../support/ways.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')

const folder = new TestFolder(t)

/** Writes each batch to a file of its own, and returns the paths. */
function filesOf(batches: readonly Batch[]): string[] {
  return batches.map(({ bytes }) => {
    const path = folder.fresh()
    writeFileSync(path, bytes)
    return path
  })
}

/** All batches as the sections of one file, since Wireshark's tools take long to start. */
function fileOf(batches: readonly Batch[]): string {
  const path = folder.fresh()
  writeFileSync(path, Buffer.concat(batches.map(({ bytes }) => bytes)))
  return path
}

const packetsIn = (batches: readonly Batch[]) => batches.reduce((sum, { packets }) => sum + packets, 0)
const lostIn = (batches: readonly Batch[]) => batches.reduce((sum, { lost }) => sum + lost.total, 0)

/** Takes batches until the capture is stopped, which it is when `traffic` has ended. */
async function batchesDuring(
  options: CaptureOptions,
  form: BatchOptions,
  traffic: (capture: Capture, batches: Batch[]) => unknown,
): Promise<{ batches: Batch[]; stats: CaptureStats }> {
  await using capture = await Capture.open(options)
  const batches: Batch[] = []
  const taking = (async () => {
    for await (const batch of capture.batches(form)) batches.push(batch)
  })()
  await traffic(capture, batches)
  drainBacklog()
  await capture.stop()
  await taking
  return { batches, stats: capture.stats() }
}

for (const { way, options, skip } of ways) {
  t.test(`each batch is a whole savefile, and all of them have every packet once, ${way}`, { skip }, async (t) => {
    const bytes = 512 * 1024
    const { batches, stats } = await batchesDuring(
      { interfaces: 'eth0', filter: 'udp', ...options },
      { bytes, comment: 'one', application: 'sensor' },
      (capture) => sendInSteps(capture, { interface: 'eth0', count: 10_000, size: 200 }, 500),
    )
    t.equal(packetsIn(batches), 10_000)
    t.equal(lostIn(batches), 0)
    t.same(
      batches.map(({ sequence }) => sequence),
      range(0, batches.length),
    )
    t.ok(batches.length >= 5, `${batches.length} batches`)
    t.ok(
      batches.every((batch) => batch.bytes.length <= bytes),
      'none is longer than asked for',
    )
    const files = filesOf(batches)
    t.same(
      files.flatMap((file) => numbersIn(file)),
      range(0, 10_000),
      'each once, in order',
    )
    for (const [i, file] of files.entries()) {
      const { packets, firstTimestamp, lastTimestamp } = batches[i] as Batch
      const times = timesIn(file)
      t.same([times.length, times[0], times.at(-1)], [packets, firstTimestamp, lastTimestamp])
    }
    const { text } = describe(files[1] as string)
    for (const said of ['one', 'sensor', 'Name = eth0', 'Filter string = udp']) t.match(text, said, said)
    t.same(imbalances(stats), [])
    t.equal(stats.delivered, 10_000)
    t.equal(stats.overflow.used, 0)
    const parsed = JSON.parse(JSON.stringify(batches[0]))
    t.equal(Buffer.from(parsed.bytes, 'base64').compare(batches[0]?.bytes as Uint8Array), 0)
  })
}

for (const compress of ['gzip', 'zstd'] as const) {
  t.test(`each batch is compressed as a whole, ${compress}`, async (t) => {
    const { batches, stats } = await batchesDuring({ interfaces: 'eth0' }, { bytes: 512 * 1024, compress }, (capture) =>
      sendInSteps(capture, { interface: 'eth0', count: 10_000, size: 200 }, 500),
    )
    t.equal(packetsIn(batches), 10_000)
    t.same(imbalances(stats), [])
    const files = filesOf(batches.map((batch) => ({ ...batch, bytes: unpack(batch.bytes, compress) })))
    t.same(
      files.flatMap((file) => numbersIn(file)),
      range(0, 10_000),
    )
    t.ok(batches.slice(0, -1).every(({ bytes }) => bytes.length > 10_000 && bytes.length < 250_000))
    const path = folder.write(batches[0]?.bytes as Uint8Array)
    let packets = 0
    await using file = await openFile(path)
    for await (const chunk of file) packets += chunk.packetCount
    t.equal(packets, batches[0]?.packets, 'the library reads it too')
  })
}

t.test('a batch is complete after a time, without further packets, and there are none without packets', async (t) => {
  const { batches } = await batchesDuring({ interfaces: 'eth0' }, { milliseconds: 100 }, async (_, batches) => {
    for (const round of range(0, 3)) {
      sendSync({ interface: 'eth0', count: 10, start: 10 * round })
      await waitUntil(() => batches.length > round, 'the batch')
    }
  })
  t.same(
    batches.map(({ packets }) => packets),
    [10, 10, 10],
  )
  t.same(
    filesOf(batches).flatMap((file) => numbersIn(file)),
    range(0, 30),
  )
})

t.test('packets that waited before are in the first batch, and the last one ends with the stop', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  sendSync({ interface: 'eth0', count: 100 })
  await waitUntil(() => capture.stats().queued === 100, 'the packets to wait')
  const taken = capture.batches({ milliseconds: 1e9 })
  sendSync({ interface: 'eth0', count: 100, start: 100 })
  await capture.stop()
  const batches: Batch[] = []
  for await (const batch of taken) batches.push(batch)
  t.equal(batches.length, 1)
  t.same(numbersIn(filesOf(batches)[0] as string), range(0, 200))
  t.same(imbalances(capture.stats()), [])
  t.throws(() => capture.batches(), { code: 'ERR_CLOSED' })
})

for (const { table, skip } of tables) {
  t.test(`interfaces that appear and are renamed are in batches under their names, ${table}`, { skip }, async (t) => {
    const { batches, stats } = await batchesDuring(
      { interfaces: { include: [/^hot/, '^cool'], exclude: '5$', hotplug: true }, ring: { table } },
      { bytes: 4096 },
      async (capture) => {
        for (const i of range(0, 10)) {
          addVeth(`hot${i}`, `peer${i}`)
          sendSync({ interface: `hot${i}`, count: 5, label: i, size: 300 })
        }
        const renamed = new Promise<void>((resolve) => {
          capture.on('interface', ({ type }) => type === 'renamed' && resolve())
        })
        rename('hot3', 'cool3')
        await renamed
        sendSync({ interface: 'cool3', count: 5, start: 5, label: 3, size: 300 })
      },
    )
    t.equal(packetsIn(batches), 50)
    t.ok(batches.length > 4)
    t.same(imbalances(stats), [])
    const packets = filesOf(batches).flatMap((file) => {
      const data = bytesOf(file)
      return dissect(file).map((packet, i) => `${packet.interface} ${sequenceOf(data[i] as Uint8Array)}`)
    })
    const wanted = range(0, 10).flatMap((i) => (i === 5 ? [] : range(0, 5).map((n) => `hot${i} ${n}`)))
    t.same(packets, [...wanted, ...range(5, 10).map((n) => `cool3 ${n}`)], 'each under its name of then')
    del(range(0, 10).map((i) => `peer${i}`))
  })
}

const small = {
  interfaces: 'eth0',
  ring: { memory: 8 << 20, blockSize: 256 << 10 },
  overflow: { memory: 4 << 20 },
  loss: { window: 3_600_000 }, // however long it takes, all losses are in it
} as const

for (const backend of backends) {
  t.test(`what is lost because batches are not taken is counted to the packet, ${backend}`, async (t) => {
    await using capture = await Capture.open(
      backend === 'ring' ? small : { ...small, backend, ring: { memory: 8 << 20 } },
    )
    const taken = capture.batches({ bytes: 256 << 10, memory: 1 << 20 })
    const batches: Batch[] = []
    // Four times the capacity of batches, ring and overflow memory.
    await sendInSteps(capture, { interface: 'eth0', count: 40_000, size: 1000 }, 700)
    const before = capture.stats()
    t.ok(before.delivered > 500 && before.delivered < 4000, `${before.delivered} are packed, and no more`)
    for (let i = 0; i < 3; i++) batches.push((await taken.next()).value)
    await sendInSteps(capture, { interface: 'eth0', count: 10_000, start: 40_000, size: 1000 }, 700)
    await capture.stop()
    for await (const batch of taken) batches.push(batch)
    const stats = capture.stats()
    t.same(imbalances(stats), [])
    t.equal(stats.received, 50_000)
    t.equal(stats.delivered, packetsIn(batches))
    t.equal(stats.droppedByRing + stats.droppedByRecorder + stats.malformed, 0)
    t.equal(stats.droppedByOverflow, lostIn(batches))
    t.equal(packetsIn(batches) + lostIn(batches), 50_000, 'received is what is in batches, and what is lost')
    t.ok(batches.every(({ lost }) => lost.droppedByOverflow === lost.total))
    t.ok(lostIn(batches) > 20_000)
    const all = fileOf(batches)
    const numbers = numbersIn(all)
    t.equal(numbers.length, packetsIn(batches))
    t.same(
      numbers.filter((number, i) => i > 0 && number <= (numbers[i - 1] as number)),
      [],
      'in order, none twice',
    )
    t.same(
      statisticsIn(all),
      batches.map(({ packets, lost }) => ({
        received: packets + lost.total,
        dropped: lost.total,
        bySystem: 0,
        delivered: packets,
      })),
      'the statistics of each batch have its losses',
    )
    t.equal(capture.stats().loss.causes.droppedByOverflow > 0, true, 'they count for the event loss')
  })
}

for (const { table, skip } of tables) {
  t.test(`what the ring loses is in the batches, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({ ...small, ring: { ...small.ring, table }, overflow: { memory: 0 } })
    const taken = capture.batches({ milliseconds: 50 })
    sendSync({ interface: 'eth0', count: 10, size: 1000 })
    const first = (await taken.next()).value as Batch
    const release = await holdThread('ringtap')
    t.teardown(release)
    sendSync({ interface: 'eth0', count: 30_000, start: 10, size: 1000 })
    const stopped = capture.stop()
    await release()
    await stopped
    const batches = [first]
    for await (const batch of taken) batches.push(batch)
    const stats = capture.stats()
    t.same(imbalances(stats), [])
    t.equal(first.lost.total, 0)
    t.ok(stats.droppedByRing > 10_000, `${stats.droppedByRing} lost`)
    t.equal(packetsIn(batches) + lostIn(batches), 30_010)
    t.equal(
      batches.reduce((sum, { lost }) => sum + lost.droppedByRing, 0),
      stats.droppedByRing,
    )
    const all = fileOf(batches)
    const dropped =
      table === 'ebpf'
        ? statisticsIn(all).map(({ bySystem }) => bySystem)
        : blocksIn(all).map((block) => Number(/(\d+) packets were lost in the kernel's ring/.exec(block)?.[1] ?? 0))
    t.equal(
      dropped.reduce((sum, one) => sum + one, 0),
      stats.droppedByRing,
      'the statistics have them too',
    )
  })
}

t.test('leaving the loop discards what is packed, counted; the rest waits for the next consumer', async (t) => {
  await using capture = await Capture.open(small)
  sendSync({ interface: 'eth0', count: 10, size: 1000 })
  const batches: Batch[] = []
  for await (const batch of capture.batches({ bytes: 65536, memory: 65536, milliseconds: 10 })) {
    batches.push(batch)
    if (packetsIn(batches) < 10) continue
    await sendInSteps(capture, { interface: 'eth0', count: 5000, start: 10, size: 1000 }, 700)
    await waitUntil(() => capture.stats().delivered > 110, 'some of them to be packed')
    t.throws(() => capture.batches(), { code: 'ERR_OPTION', message: /batches .* one consumer/ })
    await t.rejects(capture.record({ path: folder.fresh() }), { code: 'ERR_OPTION', message: /one consumer/ })
    await t.rejects(capture[Symbol.asyncIterator]().next(), { code: 'ERR_OPTION', message: /one consumer/ })
    break
  }
  const left = capture.stats()
  t.equal(left.delivered, 10, 'what was taken')
  t.ok(left.droppedByOverflow > 100, `${left.droppedByOverflow} discarded`)
  t.equal(left.queued, 5000 - left.droppedByOverflow, 'the rest waits')

  const iterator = capture[Symbol.asyncIterator]()
  const { value: chunk } = await iterator.next()
  const numbers = [...chunk].map((packet) => sequenceOf(packet.data) as number)
  t.throws(() => capture.batches(), { code: 'ERR_OPTION', message: /an iteration .* one consumer/ })
  t.equal(numbers[0], 10 + left.droppedByOverflow)
  await iterator.return?.()
  const recording = await capture.record({ path: folder.fresh() })
  t.throws(() => capture.batches(), { code: 'ERR_OPTION', message: /a recording .* one consumer/ })
  await recording.stop()

  const taken = capture.batches({ milliseconds: 10 })
  const more: Batch[] = []
  void capture.stop()
  for await (const batch of taken) more.push(batch)
  numbers.push(...filesOf(more).flatMap((file) => numbersIn(file)))
  t.same(numbers, range(10 + left.droppedByOverflow, 5010), 'every packet that was not discarded, in order')
  t.equal(lostIn(batches) + lostIn(more), left.droppedByOverflow, 'the next batches report what was discarded')
  t.same(
    more.map(({ sequence }) => sequence),
    range(0, more.length),
  )
  t.same(imbalances(capture.stats()), [])
})

t.test('an aborted signal ends the batches, and the capture goes on', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const reason = new Error('enough')
  const controller = new AbortController()
  const taken = capture.batches({ milliseconds: 1e9, signal: controller.signal })
  const waiting = taken.next()
  sendSync({ interface: 'eth0', count: 10 })
  await waitUntil(() => capture.stats().delivered === 10, 'the packets to be packed')
  controller.abort(reason)
  await t.rejects(waiting, reason)
  t.same(await taken.next(), { done: true, value: undefined })
  const { delivered, droppedByOverflow } = capture.stats()
  t.same({ delivered, droppedByOverflow }, { delivered: 0, droppedByOverflow: 10 })
  t.same(imbalances(capture.stats()), [])
  t.throws(() => capture.batches({ signal: AbortSignal.abort(reason) }), reason)
  const after = capture.batches({ milliseconds: 10 })
  sendSync({ interface: 'eth0', count: 10 })
  t.equal((await after.next()).value.lost.total, 10)
})

t.test('leaving the loop after the stop discards the batches that were not taken, counted', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const taken = capture.batches({ bytes: 4096 })
  sendSync({ interface: 'eth0', count: 100, size: 1000 })
  await capture.stop()
  const { packets } = (await taken.next()).value as Batch
  await waitUntil(() => capture.stats().delivered === 100, 'the packets to be packed')
  await taken.return?.()
  const stats = capture.stats()
  t.same([stats.delivered, stats.droppedByOverflow, stats.queued], [packets, 100 - packets, 0])
  t.same(imbalances(stats), [])
})

t.test('there is no batch for losses that were reported before', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const discarded = capture.batches({ milliseconds: 1e9 })
  sendSync({ interface: 'eth0', count: 10 })
  await waitUntil(() => capture.stats().delivered === 10, 'the packets to be packed')
  await discarded.return?.()
  const second = capture.batches({ milliseconds: 10 })
  sendSync({ interface: 'eth0', count: 10 })
  const batches: Batch[] = []
  while (packetsIn(batches) < 10) batches.push((await second.next()).value)
  t.equal(lostIn(batches), 10)
  await second.return?.()
  const third = capture.batches()
  await capture.stop()
  t.same(await third.next(), { done: true, value: undefined })
})

t.test('batches end with close(), and with the signal of the capture', async (t) => {
  const capture = await Capture.open({ interfaces: 'eth0' })
  const taken = capture.batches({ milliseconds: 1e9 })
  const waiting = taken.next()
  sendSync({ interface: 'eth0', count: 10 })
  await waitUntil(() => capture.stats().delivered === 10, 'the packets to be packed')
  await capture.close()
  t.same(await waiting, { done: true, value: undefined })
  const stats = capture.stats()
  t.same([stats.received, stats.delivered, stats.droppedByOverflow], [10, 0, 10])

  const reason = new Error('enough')
  const controller = new AbortController()
  const aborted = await Capture.open({ interfaces: 'eth0', signal: controller.signal })
  const next = aborted.batches().next()
  controller.abort(reason)
  await t.rejects(next, reason)
  await aborted.close()
})

t.test('wrong options are refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const wrong: [unknown, RegExp][] = [
    [null, /options must be/],
    [{ bytes: 4095 }, /bytes must be/],
    [{ milliseconds: 9 }, /milliseconds must be/],
    [{ format: 'pcap' }, /format must be/],
    [{ compress: 'xz' }, /compress must be/],
    [{ compress: true }, /compress must be/],
    [{ bytes: 8192, memory: 8191 }, /memory must be/],
    [{ precision: 'nanoseconds' }, /precision is not an option/],
    [{ comment: 7 }, /comment must be/],
    [{ signal: 7 }, /signal must be/],
  ]
  for (const [options, message] of wrong) {
    t.throws(() => capture.batches(options as BatchOptions), { code: 'ERR_OPTION', message })
  }
})
