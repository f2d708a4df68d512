import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { openFile } from 'ringtap'
import t, { type Test } from 'tap'
import { parseTime, startDownload } from '../../src/collector/download/download.js'
import { Store } from '../../src/collector/store/store.js'
import { makeBatch, type PacketToMake } from './support/batches.js'

const start = 1_700_000_000_000_000_000n

async function openStore(t: Test) {
  return Store.open({ directory: t.testdir(), minFree: 0 })
}

/** The packets of a download: time, interface, and the number in their bytes. */
async function download(store: Store, from: bigint, to: bigint, problems: string[] = []) {
  const found = await startDownload(store, 'node-1', { from, to }, (file) => problems.push(file))
  if (!found) return undefined
  const bytes = await buffer(found.stream)
  const packets: [bigint, string, number][] = []
  await using savefile = await openFile(Readable.from([bytes]))
  for await (const packet of savefile.packets()) {
    packets.push([packet.timestamp, packet.interface.name, packet.data[0]!])
  }
  if ((await found.done) !== packets.length) throw new Error('the count is not that of the packets')
  return packets
}

t.test('batches that overlap, and are out of order in themselves, give one file in order', async (t) => {
  const store = await openStore(t)
  const all: [bigint, string, number][] = []
  for (let sequence = 0; sequence < 60; sequence++) {
    const packets: PacketToMake[] = []
    for (let count = 0; count < 200; count++) {
      // Each batch covers 200 µs, and begins 100 µs after the one before.
      const time = start + BigInt(sequence * 100_000 + randomInt(200_000))
      const name = `eth${randomInt(3)}`
      packets.push({ time, interface: name, bytes: Buffer.alloc(60, sequence) })
      all.push([time, name, sequence])
    }
    const encoding = (['zstd', 'gzip', 'identity'] as const)[sequence % 3]!
    await store.add(await makeBatch({ sequence, packets, encoding, boot: `${sequence % 2}123456789abcdef` }))
  }
  const found = await download(store, 0n, start * 2n)
  t.equal(found?.length, all.length)
  t.ok(found?.every(([time], at) => at === 0 || time >= found[at - 1]![0]))
  const sorted = (list: readonly (readonly unknown[])[]) => list.map(String).sort()
  t.strictSame(sorted(found!), sorted(all))

  const times = all.map(([time]) => time).sort((a, b) => (a < b ? -1 : 1))
  const [from, to] = [times[3000]!, times[9000]!]
  const part = await download(store, from, to)
  t.strictSame(sorted(part!), sorted(all.filter(([time]) => time >= from && time <= to)))
  t.equal((await download(store, from, from))?.length, times.filter((time) => time === from).length)
  t.equal(await download(store, start * 2n, start * 3n), undefined)
})

t.test('an interface is described once, though each batch has described it', async (t) => {
  const store = await openStore(t)
  for (let sequence = 0; sequence < 20; sequence++) {
    // In one order and in the other: their numbers differ from batch to batch.
    const names = sequence % 2 === 0 ? ['eth0', 'eth1', 'veth2'] : ['veth2', 'eth1', 'eth0']
    const packets = names.map((name, at) => ({ time: start + BigInt(sequence * 10 + at), interface: name }))
    await store.add(await makeBatch({ sequence, packets }))
  }
  const found = await startDownload(store, 'node-1', { from: start, to: start + 1000n }, () => {})
  await using savefile = await openFile(Readable.from([await buffer(found!.stream)]))
  let packets = 0
  for await (const chunk of savefile) packets += chunk.packetCount
  t.equal(packets, 60)
  t.strictSame(
    savefile.interfaces.map(({ name }) => name),
    ['eth0', 'eth1', 'veth2'],
  )
})

t.test('a batch of more packets than are put in order at once', async (t) => {
  const store = await openStore(t)
  const packets = Array.from({ length: 9000 }, (_, at) => ({ time: start + BigInt(at), bytes: Buffer.alloc(1400, at) }))
  await store.add(await makeBatch({ packets }))
  const found = await download(store, start + 10n, start + 8999n)
  t.equal(found?.length, 8990)
  t.ok(found?.every(([time], at) => time === start + 10n + BigInt(at)))
})

t.test('more batches of one time than are open at once: all of their packets', async (t) => {
  const store = await openStore(t)
  for (let sequence = 0; sequence < 40; sequence++) {
    await store.add(await makeBatch({ sequence, packets: [start, start + BigInt(1 + sequence), start + 1_000_000n] }))
  }
  t.equal((await download(store, start, start + 1_000_000n))?.length, 120)
})

t.test('a file that is removed meanwhile is reported, and the others are there', async (t) => {
  const store = await openStore(t)
  for (const sequence of [0, 1, 2]) {
    await store.add(await makeBatch({ sequence, packets: [start + BigInt(sequence)] }))
  }
  const { file } = (await store.select('node-1', start, start + 9n))[1]!
  const { select } = store
  store.select = async (...given) => {
    const batches = await select.apply(store, given)
    rmSync(file)
    return batches
  }
  const problems: string[] = []
  const found = await download(store, start, start + 9n, problems)
  t.strictSame(
    found?.map(([time]) => time),
    [start, start + 2n],
  )
  t.strictSame(problems, [file])
})

t.test('a reader that goes away', async (t) => {
  const store = await openStore(t)
  const packets = Array.from({ length: 5000 }, (_, at) => ({ time: start + BigInt(at), bytes: Buffer.alloc(1400) }))
  await store.add(await makeBatch({ packets }))
  const found = await startDownload(store, 'node-1', { from: 0n, to: start * 2n }, () => {})
  found?.stream.once('data', () => found.stream.destroy())
  await t.rejects(found!.done)
})

t.test('times', (t) => {
  t.equal(parseTime('2023-11-14T22:13:20Z'), start)
  t.equal(parseTime('2023-11-14T22:13Z'), start - 20_000_000_000n)
  t.equal(parseTime('2023-11-14T22:13:20.000000001Z'), start + 1n)
  t.equal(parseTime('2023-11-14T22:13:20.5Z'), start + 500_000_000n)
  t.equal(parseTime('1700000000000000001'), start + 1n)
  for (const wrong of ['', 'now', '-1', '2023-11-14', '2023-11-14T22:13:20', '2023-13-14T22:13:20Z']) {
    t.equal(parseTime(wrong), undefined, wrong)
  }
  t.end()
})
