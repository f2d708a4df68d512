/** A store on a disk of its own, of 4 MiB, that fills up. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import { Store } from '../../src/collector/store/store.js'
import { digestOf } from '../../src/wire/signature.js'
import t from '../support/live.js'
import { makeBatch, signBatch } from './support/batches.js'
import { sendSigned, startCollector } from './support/collectors.js'

const start = 1_700_000_000_000_000_000n
const MiB = 2 ** 20

/** Not in the test's directory, which tap removes ahead of what the test itself leaves to be done at its end. */
function mountDisk(t: Test): string {
  const disk = mkdtempSync(path.join(tmpdir(), 'collector-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${4 * MiB}`, 'tmpfs', disk])
  t.teardown(() => {
    execFileSync('umount', ['-l', disk])
    rmdirSync(disk)
  })
  return disk
}

function filesIn(store: string): string[] {
  return readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.pcapng'))
    .map((name) => path.join(store, name))
}

/** A batch of some 300 KiB, which do not compress. */
const largeBatch = (sequence: number) =>
  makeBatch({
    ...{ sequence, encoding: 'identity' },
    packets: Array.from({ length: 200 }, (_, at) => ({
      time: start + BigInt(sequence * 1000 + at),
      bytes: Buffer.alloc(1500, sequence),
    })),
  })

t.test('what others have filled: refused, and stored once there is room', async (t) => {
  const disk = mountDisk(t)
  const collector = await startCollector(t, { COLLECTOR_STORE: path.join(disk, 'store') }, t.testdir())
  const batches = await Promise.all([0, 1, 2].map(largeBatch))
  const sendBatch = async (batch: (typeof batches)[number]) => {
    const { status, answer, headers } = await sendSigned(collector, signBatch(batch), batch.bytes)
    return { status, outcome: answer.outcome, reason: answer.reason, retryAfter: headers['retry-after'] }
  }
  const filler = path.join(disk, 'filler')
  // The collector measured the disk when it started, a moment ago: it meets the full disk when it writes.
  try {
    writeFileSync(filler, Buffer.alloc(4 * MiB))
  } catch {
    // Now there is no room at all.
  }
  const refused = { status: 507, outcome: 'refused', reason: 'storage', retryAfter: '10' }
  for (const batch of batches) t.match(await sendBatch(batch), refused)
  t.strictSame(filesIn(collector.store), [])
  rmSync(filler)
  for (const batch of batches) t.match(await sendBatch(batch), { status: 200, outcome: 'stored' })
  for (const batch of batches) t.match(await sendBatch(batch), { status: 200, outcome: 'duplicate' })
  t.equal(await collector.kill('SIGTERM'), 0)
  const stored = filesIn(collector.store).map((file) => digestOf(readFileSync(file)))
  t.strictSame(stored.sort(), batches.map(({ digest }) => digest).sort())
})

t.test('what it has filled itself: the oldest batches give way, none that was accepted is torn', async (t) => {
  const disk = mountDisk(t)
  const collector = await startCollector(
    t,
    { COLLECTOR_STORE: path.join(disk, 'store'), COLLECTOR_MIN_FREE: String(MiB) },
    t.testdir(),
  )
  const digests: string[] = []
  for (let sequence = 0; sequence < 40; sequence++) {
    const batch = await largeBatch(sequence)
    const { answer } = await sendSigned(collector, signBatch(batch), batch.bytes)
    t.equal(answer.outcome, 'stored', `batch ${sequence}`)
    digests.push(batch.digest)
  }
  const early = await largeBatch(0)
  t.equal(await collector.kill('SIGTERM'), 0)
  const files = filesIn(collector.store)
  const stored = files.map((file) => digestOf(readFileSync(file)))
  t.strictSame(stored.sort(), digests.slice(-files.length).sort())
  t.ok(files.length >= 5, `${files.length} files fit`)
  const store = await Store.open({ directory: collector.store, minFree: MiB })
  t.match(store.totals(), { files: files.length, packets: 8000 })
  t.equal(await store.add(early), 'duplicate')
})
