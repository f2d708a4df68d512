import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Accounts } from '../../src/sensor/accounts.js'
import { Spool, type Spooled, type SpoolOptions } from '../../src/sensor/spool.js'
import { encode } from '../../src/sensor/spool-file.js'
import { DiskStore, MemoryStore, type SpoolStore } from '../../src/sensor/spool-store.js'
import type { SealedBatch } from '../../src/transport/transport.js'
import { noLosses } from '../../src/wire/batch-head.js'
import { silentLog as log } from '../support/silent-log.js'

const boot = '0123456789abcdef'

function batchOf(sequence: number, size = 100): SealedBatch {
  const head = { packets: 10, encoding: 'identity', first: BigInt(sequence), last: 9n, lost: noLosses() } as const
  return { sensor: 'node-1', boot, sequence, head, bytes: Buffer.alloc(size) }
}

function spoolIn(store: SpoolStore, options: Partial<SpoolOptions> = {}) {
  const accounts = new Accounts()
  const spool = new Spool(store, { bytes: 1e8, minimumFree: 0, startedAt: 1, accounts, log, ...options })
  return { spool, accounts }
}

/** A path that is short enough for the lock, a Unix socket. */
function folderFor(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'spool-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function diskIn(t: Test, path: string): Promise<DiskStore> {
  const disk = await DiskStore.open(path)
  t.teardown(() => disk.close())
  return disk
}

/** Takes what is not taken. */
async function takeAll(spool: Spool): Promise<Spooled[]> {
  const entries: Spooled[] = []
  for (let taken = await spool.take(); taken; taken = await spool.take()) entries.push(taken.entry)
  return entries
}

function sequenceOf({ name }: Spooled): number {
  return Number(name.split('-')[2])
}

t.test('killed between settling a batch and removing it: what was in memory is lost all the same', async (t) => {
  for (const way of ['acknowledged', 'evicted'] as const) {
    const disk = await diskIn(t, folderFor(t))
    const journals: string[] = []
    disk.writeJournal = (text) => journals.push(text)
    // It never gets further than this.
    disk.remove = () => new Promise(() => {})
    const { spool, accounts } = spoolIn(disk, way === 'evicted' ? { bytes: 4096 } : {})
    const entry = (await spool.put(batchOf(0), false))!
    // 30 packets were captured: 10 of the batch, and 20 that are in no batch yet.
    accounts.onChange = () => spool.note({ received: 30, settled: accounts.stored.packets + accounts.lostPackets })
    if (way === 'acknowledged') void spool.remove(entry, () => accounts.store(entry))
    else {
      spool.release(entry)
      void spool.put(batchOf(1), true)
    }
    while (journals.length === 0) await new Promise((resolve) => setImmediate(resolve))

    const next = spoolIn(await diskIn(t, folderFor(t)))
    const left = { folders: [{ names: [entry.name], journal: journals.at(-1) }], elsewhere: 0 }
    disk.adopt = async () => left
    await next.spool.recover(disk)
    t.equal(next.accounts.lost.killed, 20, way)
    t.equal(next.accounts.recovered.packets, 30)
    t.equal(next.spool.held.packets, 10)
  }
})

t.test('what is removed is no longer in the journal', async (t) => {
  const disk = await diskIn(t, folderFor(t))
  let journal = ''
  disk.writeJournal = (text) => {
    journal = text
  }
  const { spool } = spoolIn(disk)
  const entry = (await spool.put(batchOf(0), false))!
  await spool.remove(entry, () => spool.note({ received: 10, settled: 10 }))
  t.strictSame(JSON.parse(journal), { received: 10, settled: 10, removing: [`${boot}-0`] })
  spool.note({ received: 10, settled: 10 })
  t.strictSame(JSON.parse(journal), { received: 10, settled: 10 })
})

t.test('a batch takes up whole blocks, its head included', async (t) => {
  const { spool, accounts } = spoolIn(new MemoryStore(), { bytes: 5 * 4096 })
  const entries: Spooled[] = []
  for (const [i, size] of [1, 4000, 4096].entries()) entries.push((await spool.put(batchOf(i, size), false))!)
  t.notOk(await spool.put(batchOf(3, 1), false), 'one block and two of two')
  t.notOk(spool.roomy)
  for (const entry of entries) spool.release(entry)
  t.ok(await spool.put(batchOf(3, 1), true))
  t.equal(accounts.lost.spool, 10)
  t.strictSame(spool.held, { batches: 3, packets: 30, bytes: 4000 + 4096 + 1 })
})

t.test('beyond so many batches the oldest are evicted, and counted', async (t) => {
  const { spool, accounts } = spoolIn(new MemoryStore(), { entries: 3 })
  for (let sequence = 0; sequence < 5; sequence++) spool.release((await spool.put(batchOf(sequence), true))!)
  t.equal(accounts.lost.spool, 20)
  t.equal(spool.held.batches, 3)
  t.strictSame((await takeAll(spool)).map(sequenceOf), [2, 3, 4])
})

t.test('of many batches each is released and removed, in whatever order', async (t) => {
  const { spool } = spoolIn(new MemoryStore())
  const entries: Spooled[] = []
  for (let sequence = 0; sequence < 100; sequence++) entries.push((await spool.put(batchOf(sequence), false))!)
  for (let i = 0; i < 100; i++) {
    const entry = entries[(i * 37) % 100]!
    if (i % 2 === 0) await spool.remove(entry, () => {})
    else spool.release(entry)
  }
  t.strictSame(
    (await takeAll(spool)).map(sequenceOf),
    entries.map(sequenceOf).filter((n) => ((n * 73) % 100) % 2 === 1),
  )
  t.equal(spool.held.batches, 50)
})

t.test('what a sensor leaves that is killed while it takes over a folder', async (t) => {
  const path = folderFor(t)
  const left = `${path}/00000000000000aa`
  mkdirSync(left)
  writeFileSync(`${left}/claimed`, '')
  const name = `00000000000001-${boot}-000000000000-500.batch`
  writeFileSync(`${left}/${name}`, Buffer.concat(encode(batchOf(0))))
  const disk = await diskIn(t, path)
  const { spool, accounts } = spoolIn(disk)
  await spool.recover(disk)
  t.equal(spool.held.packets, 10)
  t.equal(accounts.recovered.batches, 1)
  t.notOk(readdirSync(path).includes('00000000000000aa'))
})
