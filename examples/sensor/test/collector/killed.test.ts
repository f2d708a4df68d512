/** Collectors that are killed while batches come in, alone and two on one store: what was acknowledged is there, once. */
import { randomInt } from 'node:crypto'
import { readdirSync, readFileSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type BatchToStore, Store } from '../../src/collector/store/store.js'
import { digestOf, sameSignature, signAnswer } from '../../src/wire/signature.js'
import { key, makeBatch, signBatch } from './support/batches.js'
import { type Running, send, sendSigned, startCollector, token } from './support/collectors.js'

const start = 1_700_000_000_000_000_000n
const window = 6

async function makeBatches(count: number): Promise<BatchToStore[]> {
  const batches: BatchToStore[] = []
  for (let sequence = 0; sequence < count; sequence++) {
    const time = start + BigInt(sequence) * 1000n
    const packets = Array.from({ length: 1 + randomInt(20) }, (_, at) => ({
      time: time + BigInt(at),
      bytes: Buffer.alloc(60 + randomInt(1000), sequence),
    }))
    batches.push(await makeBatch({ sequence, packets, encoding: 'identity', lost: { ring: sequence % 3 } }))
  }
  return batches
}

/** Whether a collector has acknowledged a batch; false too if it did not answer. */
async function acknowledged(to: Pick<Running, 'port' | 'ca'>, batch: BatchToStore): Promise<boolean> {
  const head = signBatch(batch)
  try {
    const { status, headers, body } = await sendSigned(to, head, batch.bytes)
    const expected = signAnswer(Buffer.from(key), status, head.nonce, digestOf(body))
    return status === 200 && sameSignature(expected, String(headers['x-collector-signature']))
  } catch {
    return false
  }
}

/** The digests of the files in a store, by sequence: each must be there once. */
function filesIn(store: string): Map<number, string> {
  const found = new Map<number, string>()
  for (const name of readdirSync(store, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.pcapng')) continue
    const sequence = Number(path.basename(name, '.pcapng'))
    if (found.has(sequence)) throw new Error(`${sequence} is there twice`)
    found.set(sequence, digestOf(readFileSync(path.join(store, name))))
  }
  return found
}

/** Checks that the store has these batches, each once, and nothing else; then that its index says the same. */
async function checkStore(t: Test, directory: string, batches: readonly BatchToStore[]): Promise<void> {
  t.strictSame(
    [...filesIn(directory)].sort(([a], [b]) => a - b),
    batches.map(({ sequence, digest }) => [sequence, digest]),
  )
  // Whatever a killed one has left there is older than a minute now.
  const temporary = path.join(directory, '.tmp')
  for (const name of readdirSync(temporary)) utimesSync(path.join(temporary, name), 1, 1)
  const store = await Store.open({ directory, minFree: 0 })
  t.strictSame(readdirSync(temporary), [])
  const sum = (figure: (batch: BatchToStore) => number) => batches.reduce((total, batch) => total + figure(batch), 0)
  const totals = store.totals('node-1')
  t.equal(totals.files, batches.length)
  t.equal(
    totals.packets,
    sum(({ head }) => head.packets),
  )
  t.equal(
    totals.bytes,
    sum(({ bytes }) => bytes.length),
  )
  t.equal(
    totals.lost.ring,
    sum(({ head }) => head.lost.ring),
  )
}

t.test('kill -9 again and again, in the middle of what it stores', async (t) => {
  const directory = t.testdir()
  const batches = await makeBatches(400)
  const missing = new Set(batches)
  const done = new Map<number, string>()
  let kills = 0
  while (missing.size > 0) {
    const collector = await startCollector(t, {}, directory)
    const waiting = [...missing]
    let count = 0
    const killAfter = kills < 6 ? 20 + randomInt(40) : Number.POSITIVE_INFINITY
    const sendAll = async () => {
      for (let batch = waiting.shift(); batch; batch = waiting.shift()) {
        if (!(await acknowledged(collector, batch))) return
        missing.delete(batch)
        done.set(batch.sequence, batch.digest)
        if (++count >= killAfter) collector.process.kill('SIGKILL')
      }
    }
    await Promise.all(Array.from({ length: window }, sendAll))
    if (missing.size === 0) t.equal(await collector.kill('SIGTERM'), 0)
    else {
      await collector.kill('SIGKILL')
      kills++
    }
    const files = filesIn(collector.store)
    t.ok(
      [...done].every(([sequence, digest]) => files.get(sequence) === digest),
      `${done.size} acknowledged are there`,
    )
  }
  t.equal(kills, 6)
  await checkStore(t, path.join(directory, 'store'), batches)
})

t.test('two collectors on one store, one of them killed, each batch sent to both or to either', async (t) => {
  const directory = t.testdir({ a: {}, b: {} })
  const environment = { COLLECTOR_STORE: path.join(directory, 'store') }
  const a = await startCollector(t, environment, path.join(directory, 'a'))
  const b = await startCollector(t, environment, path.join(directory, 'b'))
  const batches = await makeBatches(300)
  const waiting = [...batches]
  let count = 0
  const sendAll = async () => {
    for (let batch = waiting.shift(); batch; batch = waiting.shift()) {
      for (;;) {
        const to = [[a], [b], [a, b], [b, a]][randomInt(4)]!
        const answers = await Promise.all(to.map((one) => acknowledged(one, batch!)))
        if (answers.includes(true)) break
      }
      if (++count === 150) await a.kill('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: window }, sendAll))
  await checkStore(t, environment.COLLECTOR_STORE, batches)

  // The one that is left, and one that is started now, show the same.
  const again = await startCollector(t, environment, path.join(directory, 'a'))
  const shown = async ({ port, ca }: Running) => {
    const { body } = await send({ port, ca }, { path: '/api/overview', headers: { authorization: `Bearer ${token}` } })
    return JSON.parse(body.toString()).sensors.map(({ name, stored }: { name: string; stored: unknown }) => ({
      name,
      stored,
    }))
  }
  let left = await shown(b)
  const expected = await shown(again)
  t.match(expected, [{ name: 'node-1', stored: { files: 300 } }])
  // It looks for what others have stored every few seconds.
  for (; JSON.stringify(left) !== JSON.stringify(expected); left = await shown(b)) await setTimeout(100)
  t.strictSame(left, expected)
})
