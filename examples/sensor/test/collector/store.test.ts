import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { Segment } from '../../src/collector/store/segment.js'
import { StorageError, Store, type StoreEvent } from '../../src/collector/store/store.js'
import { noLosses } from '../../src/wire/batch-head.js'
import { boot, makeBatch, timesIn } from './support/batches.js'

const second = 1_000_000_000n
const start = 1_700_000_000n * second

/** A store in a directory of its own, and what it said. */
async function openStore(directory: string, limits: { maxBytes?: number; maxAge?: number; minFree?: number } = {}) {
  const events: StoreEvent[] = []
  const store = await Store.open({ directory, minFree: 0, ...limits, onEvent: (event) => events.push(event) })
  return { store, events }
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.pcapng/.test(name))
    .sort()
}

/** Sets the clock, until the end of the test, to what `clock` makes of it. */
function setClock(t: Test, clock: (now: number) => number): void {
  const { now } = Date
  Date.now = () => clock(now())
  t.teardown(() => {
    Date.now = now
  })
}

t.test('a batch is one file, once', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory)
  const batch = await makeBatch({ packets: [start, start + 1n], lost: { ring: 3 }, encoding: 'zstd' })
  t.equal(await store.add(batch), 'stored')
  t.equal(await store.add(batch), 'duplicate')
  t.equal(await store.add(await makeBatch({ packets: [start] })), 'conflict')
  const file = path.join(directory, 'node-1', boot, '0', '0.pcapng.zst')
  t.strictSame(filesIn(directory), [`node-1/${boot}/0/0.pcapng.zst`])
  t.strictSame(readFileSync(file), Buffer.from(batch.bytes))
  t.strictSame(await timesIn(file), [start, start + 1n])
  t.strictSame(store.totals('node-1'), {
    files: 1,
    bytes: batch.bytes.length,
    packets: 2,
    lost: { ...noLosses(), ring: 3 },
    first: start,
    last: start + 1n,
  })
  t.strictSame(readdirSync(path.join(directory, '.tmp')), [])
})

t.test('the same batch many times at once', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory)
  const batch = await makeBatch({ packets: [start] })
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => store.add(batch)))
  t.strictSame(outcomes.sort(), [...Array(19).fill('duplicate'), 'stored'])
  t.equal(store.totals().files, 1)
})

t.test('batches in any order, of many segments; a new start finds them', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory)
  const sequences = [2001, 0, 1000, 999, 5, 1001]
  for (const sequence of sequences) {
    const batch = await makeBatch({ sequence, packets: [start + BigInt(sequence)], lost: { spool: 1 } })
    t.equal(await store.add(batch), 'stored')
  }
  t.strictSame(readdirSync(path.join(directory, 'node-1', boot)).sort(), ['0', '1', '2'])
  const again = await openStore(directory)
  t.strictSame(again.store.totals(), store.totals())
  t.equal(again.store.totals().lost.spool, 6)
  t.strictSame(again.store.sensors(), ['node-1'])
  const found = await again.store.select('node-1', start + 5n, start + 1000n)
  t.strictSame(
    found.map(({ sequence }) => sequence),
    [5, 999, 1000],
  )
  t.strictSame(again.events, [])
})

t.test('two collectors on one directory', async (t) => {
  const directory = t.testdir()
  const [a, b] = [(await openStore(directory)).store, (await openStore(directory)).store]
  const batches = await Promise.all(
    Array.from({ length: 60 }, (_, sequence) => makeBatch({ sequence, packets: [start + BigInt(sequence)] })),
  )
  const outcomes = await Promise.all(batches.flatMap((batch) => [a.add(batch), b.add(batch)]))
  t.equal(outcomes.filter((outcome) => outcome === 'stored').length, 60)
  t.equal(outcomes.filter((outcome) => outcome === 'duplicate').length, 60)
  await Promise.all([a.refresh(), b.refresh()])
  t.equal(a.totals().packets, 60)
  t.strictSame(a.totals(), b.totals())
  t.strictSame((await openStore(directory)).store.totals(), a.totals())
  t.equal(filesIn(directory).length, 60)
})

t.test('a torn, a foreign and a missing line', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory)
  for (const sequence of [0, 1]) {
    await store.add(await makeBatch({ sequence, packets: [start + BigInt(sequence)], lost: { ring: 1 } }))
  }
  const before = store.totals()
  const index = path.join(directory, 'node-1', boot, '0', 'index')
  appendFileSync(index, '{"sequence":2,"stored":1')
  const torn = await openStore(directory)
  t.strictSame(torn.store.totals(), before)
  const third = await makeBatch({ sequence: 2, packets: [start + 2n] })
  t.equal(await torn.store.add(third), 'stored')
  appendFileSync(index, '\nno JSON\n{"sequence":-1}\n{"sequence":7777}\n')
  t.equal((await openStore(directory)).store.totals().packets, 3)

  const lines = readFileSync(index, 'utf8').split('\n').filter(Boolean)
  writeFileSync(index, lines.filter((line) => !line.startsWith('{"sequence":1,')).join('\n'))
  setClock(t, (now) => now + 120_000)
  const rebuilt = await openStore(directory)
  t.match(rebuilt.events, [{ kind: 'rebuilt', file: path.join(directory, 'node-1', boot, '0', '1.pcapng.gz') }])
  t.strictSame(rebuilt.store.totals(), {
    ...before,
    files: 3,
    packets: 3,
    last: start + 2n,
    // The losses of the batch without a line are not known.
    lost: { ...before.lost, ring: 1 },
    bytes: before.bytes + third.bytes.length,
  })
  t.strictSame((await openStore(directory)).events, [])
})

t.test('a batch of which only the file survived is completed when it is sent again', async (t) => {
  const directory = t.testdir()
  const batch = await makeBatch({ packets: [start], lost: { ring: 4 } })
  const { store } = await openStore(directory)
  await store.add(batch)
  const index = path.join(directory, 'node-1', boot, '0', 'index')
  rmSync(index)
  const after = await openStore(directory)
  t.equal(after.store.totals().files, 0)
  t.equal(await after.store.add(batch), 'duplicate')
  t.strictSame(after.store.totals(), store.totals())
  t.equal(after.store.totals().lost.ring, 4)
})

t.test('what a killed collector has left is removed', async (t) => {
  const directory = t.testdir({ '.tmp': { old: 'x', young: 'x' } })
  utimesSync(path.join(directory, '.tmp', 'old'), 1, 1)
  await openStore(directory)
  t.strictSame(readdirSync(path.join(directory, '.tmp')), ['young'])
})

t.test('a removed file: by hand, and by the limit of bytes, the first stored first', async (t) => {
  const directory = t.testdir()
  const batches = await Promise.all(
    [3, 1, 2, 1000, 4].map((sequence) => makeBatch({ sequence, packets: [start + BigInt(sequence)] })),
  )
  const { store } = await openStore(directory)
  let clock = Date.now()
  setClock(t, () => clock++)
  for (const batch of batches) await store.add(batch)
  rmSync(path.join(directory, 'node-1', boot, '0', '4.pcapng.gz'))
  await store.maintain()
  t.equal(store.totals().files, 4)
  t.equal(store.totals().packets, 5)
  const sizeOf = (at: number) => batches[at]!.bytes.length
  const { store: limited, events } = await openStore(directory, { maxBytes: sizeOf(2) + sizeOf(3) })
  t.strictSame(filesIn(directory), [`node-1/${boot}/0/2.pcapng.gz`, `node-1/${boot}/1/1000.pcapng.gz`])
  t.strictSame(events, [{ kind: 'removed', files: 2, bytes: sizeOf(0) + sizeOf(1), reason: 'size of the store' }])
  for (const batch of batches) t.equal(await limited.add(batch), 'duplicate')
  await store.refresh()
  for (const batch of batches) t.equal(await store.add(batch), 'duplicate')
  t.strictSame(filesIn(directory), [`node-1/${boot}/0/2.pcapng.gz`, `node-1/${boot}/1/1000.pcapng.gz`])
  t.equal(limited.totals().packets, 5)
})

t.test('a duplicate of what the other collector has removed is not stored again', async (t) => {
  const directory = t.testdir()
  const [a, b] = [(await openStore(directory)).store, (await openStore(directory)).store]
  const batch = await makeBatch({ packets: [start] })
  await a.add(batch)
  await openStore(directory, { maxBytes: 1 })
  // Neither a nor b has read the line of the removal.
  t.equal(await b.add(batch), 'duplicate')
  t.equal(await a.add(batch), 'duplicate')
  t.strictSame(filesIn(directory), [])
})

t.test('by age', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory, { maxAge: 60_000 })
  await store.add(await makeBatch({ packets: [start] }))
  await store.maintain()
  t.equal(filesIn(directory).length, 1)
  setClock(t, (now) => now + 60_001)
  await store.maintain()
  t.strictSame(filesIn(directory), [])
})

t.test('a disk with too little free refuses, and stores nothing', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory, { minFree: 2 ** 60 })
  await t.rejects(store.add(await makeBatch({ packets: [start] })), StorageError)
  t.strictSame(filesIn(directory), [])
})

t.test('a segment without files is shortened, and its boot is forgotten', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory, { maxBytes: 1 })
  for (let sequence = 0; sequence < 10; sequence++) {
    await store.add(await makeBatch({ sequence, packets: [start], lost: { ring: 1 } }))
  }
  await store.maintain()
  const before = store.totals()
  t.equal(before.files, 0)
  const hour = 3_600_000
  let later = 25 * hour
  setClock(t, (now) => now + later)
  await store.maintain()
  const index = path.join(directory, 'node-1', boot, '0', 'index')
  t.equal(readFileSync(index, 'utf8').split('\n').filter(Boolean).length, 1)
  t.strictSame(store.totals(), { ...before, first: 0n, last: 0n })
  t.strictSame((await openStore(directory)).store.totals(), store.totals())
  t.equal(await store.add(await makeBatch({ sequence: 9, packets: [start] })), 'duplicate')
  later += 31 * 24 * hour
  await store.maintain()
  t.strictSame(store.sensors(), [])
  t.strictSame(readdirSync(path.join(directory, 'node-1')), [])
})

t.test('batches that are stored while a file without a line is read are kept', async (t) => {
  const directory = t.testdir()
  const [a, b] = [(await openStore(directory)).store, (await openStore(directory)).store]
  await a.add(await makeBatch({ packets: [start] }))
  // A pipe: the file is read for as long as the test likes.
  const pipe = path.join(directory, 'node-1', boot, '0', '900.pcapng')
  execFileSync('mkfifo', [pipe])
  let later = 120_000
  setClock(t, (now) => now + later)
  const pass = a.maintain()
  const writer = await open(pipe, 'w')
  for (const [sequence, store] of [a, b, a, b].entries()) {
    const batch = await makeBatch({ sequence: sequence + 1, packets: [start] })
    t.equal(await store.add(batch), 'stored')
  }
  await a.refresh()
  await writer.write('no savefile')
  await writer.close()
  await pass
  rmSync(pipe)
  t.equal(a.totals().files, 5)
  later += 120_000
  for (const store of [a, b]) {
    await store.maintain()
    t.equal(store.totals().files, 5)
  }
  t.equal(filesIn(directory).length, 5)
})

/** Segments of which the first half was stored and removed, and the index shortened. */
function makeFormer(directory: string, segments: number): void {
  for (let number = 0; number < segments; number++) {
    const segment = path.join(directory, 'node-1', boot, String(number))
    mkdirSync(segment, { recursive: true })
    const line = { former: [[number * 1000, number * 1000 + 499]], packets: 7, lost: { ring: 1 } }
    writeFileSync(path.join(segment, 'index'), `\n${JSON.stringify(line)}\n`)
  }
}

t.test('segments without files take little memory', async (t) => {
  const directory = t.testdir()
  makeFormer(directory, 1500)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const before = process.memoryUsage().arrayBuffers
  const { store } = await openStore(directory)
  collect()
  const taken = process.memoryUsage().arrayBuffers - before
  t.match(store.totals(), { files: 0, packets: 10_500, lost: { ring: 1500 } })
  t.ok(taken < 1500 * 1000, `${taken} bytes`)
})

t.test('batches of a segment without files: sent again, late, and by way of another collector', async (t) => {
  const directory = t.testdir()
  makeFormer(directory, 2)
  const [a, b] = [(await openStore(directory)).store, (await openStore(directory)).store]
  const send = async (store: Store, sequence: number, bytes = 1) =>
    store.add(
      await makeBatch({ sequence, encoding: 'identity', packets: [{ time: start, bytes: Buffer.alloc(bytes) }] }),
    )
  for (const sequence of [1000, 1200, 1499]) t.equal(await send(a, sequence), 'duplicate')
  t.strictSame(filesIn(directory), [])
  t.equal(await send(a, 1500), 'stored')
  t.equal(await send(a, 1500), 'duplicate')
  t.equal(await send(b, 1500), 'duplicate')
  t.equal(await send(b, 1500, 2), 'conflict')
  t.equal(await send(a, 1499), 'duplicate')
  t.match(a.totals(), { files: 1, packets: 15, lost: { ring: 2 } })
  t.strictSame(b.totals(), a.totals())

  // To b the other segment is one without files for now.
  t.equal(await send(a, 700), 'stored')
  t.equal(await send(b, 700), 'duplicate')
  t.equal(await send(a, 701), 'stored')
  const { store: c } = await openStore(directory, { maxBytes: 1 })
  t.strictSame(filesIn(directory), [])
  for (const sequence of [0, 700, 701, 1500])
    for (const store of [a, b, c]) t.equal(await send(store, sequence), 'duplicate')
  t.strictSame(filesIn(directory), [])
  t.match(c.totals(), { files: 0, packets: 17, lost: { ring: 2 } })
  t.strictSame(await openStore(directory).then(({ store }) => store.totals()), c.totals())
})

t.test('what another collector stores in a segment without files is found in time', async (t) => {
  const directory = t.testdir()
  makeFormer(directory, 3)
  const [a, b] = [(await openStore(directory)).store, (await openStore(directory)).store]
  await a.add(await makeBatch({ sequence: 2900, packets: [start] }))
  for (let pass = 0; pass < 128; pass++) await b.maintain()
  t.strictSame(b.totals(), a.totals())
  t.equal((await b.select('node-1', start, start)).length, 1)
})

t.test('a segment of which nothing could be stored is no obstacle', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory, { minFree: 2 ** 60 })
  await t.rejects(store.add(await makeBatch({ packets: [start] })), StorageError)
  setClock(t, (now) => now + 25 * 3_600_000)
  await store.maintain()
  t.strictSame(readdirSync(directory), ['.tmp'])
})

t.test('a late batch of a segment that is being shortened keeps its line', async (t) => {
  const directory = t.testdir()
  const segment = new Segment(directory, 'node-1', boot, 0)
  const digest = '0'.repeat(64)
  const common = { stored: 1, bytes: 9, packets: 1, encoding: 'zstd', first: start, last: start, digest } as const
  await segment.append({ ...common, sequence: 0, lost: noLosses() })
  await segment.append({ removed: [[0, 0]] })
  await Promise.all([
    segment.append({ ...common, sequence: 1, lost: { ...noLosses(), ring: 2 } }),
    segment.compact(path.join(directory, 'temporary')),
  ])
  t.match(segment.totals, { files: 1, packets: 2, lost: { ring: 2 } })
  t.equal(segment.compacted, false)
  t.match(await segment.entries(), [{ sequence: 1, lost: { ring: 2 } }])
})

t.test('a damaged file without a line is reported and left', async (t) => {
  const directory = t.testdir()
  const { store } = await openStore(directory)
  await store.add(await makeBatch({ packets: [start] }))
  rmSync(path.join(directory, 'node-1', boot, '0', 'index'))
  truncateSync(path.join(directory, 'node-1', boot, '0', '0.pcapng.gz'), 30)
  setClock(t, (now) => now + 120_000)
  const { events } = await openStore(directory)
  t.match(events, [{ kind: 'rebuilt', damaged: String }])
  t.equal(filesIn(directory).length, 1)
})
