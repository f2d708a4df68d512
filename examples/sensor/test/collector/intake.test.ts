import { readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Intake, type IntakeEvents, type Reply } from '../../src/collector/intake.js'
import { Keys } from '../../src/collector/keys.js'
import { Nonces } from '../../src/collector/nonces.js'
import { Store } from '../../src/collector/store/store.js'
import { noLosses } from '../../src/wire/batch-head.js'
import type { SignedHead } from '../../src/wire/headers.js'
import { digestOf, signAnswer, signRequest } from '../../src/wire/signature.js'
import { key, makeBatch, signBatch } from './support/batches.js'

const start = 1_700_000_000_000_000_000n

async function openIntake(t: Test, events: IntakeEvents = {}, now: () => number = Date.now) {
  const directory = t.testdir()
  const refused: string[] = []
  const store = await Store.open({ directory, minFree: 0 })
  const intake = new Intake({
    store,
    keys: Keys.of({ 'node-1': key, '*': 'the key of all others' }),
    events: { refused: (reason) => refused.push(reason), ...events },
    maxBytes: 100_000,
    now,
  })
  const send = async (head: SignedHead, body: Uint8Array, fresh = true): Promise<Reply> =>
    intake.admit({ head, fresh }) ?? (await intake.accept({ head, body, fresh }))
  return { intake, store, refused, send, directory }
}

t.test('a batch is stored, a second one is acknowledged, and answers are signed', async (t) => {
  const { send, store, refused } = await openIntake(t)
  const batch = await makeBatch({ packets: [start, start + 1n], lost: { ring: 1 } })
  const head = signBatch(batch)
  const reply = await send(head, batch.bytes)
  t.match(reply, { status: 200, answer: { outcome: 'stored' } })
  t.strictSame(JSON.parse(reply.body.toString()), reply.answer)
  t.equal(reply.signature, signAnswer(Buffer.from(key), 200, head.nonce, digestOf(reply.body)))
  t.match(await send(signBatch(batch), batch.bytes), { status: 200, answer: { outcome: 'duplicate' } })
  t.match(store.totals(), { packets: 2, files: 1, lost: { ring: 1 } })
  t.strictSame(refused, [])
})

t.test('each refusal has its reason, and stores nothing', async (t) => {
  // It stands still: what is signed for the future would come within the window while the others are sent.
  const now = Date.now()
  const { send, refused, directory } = await openIntake(t, {}, () => now)
  const batch = await makeBatch({ packets: [start] })
  const head = signBatch(batch)
  const cases: [string, SignedHead, Uint8Array?][] = [
    ['signature', { ...head, sequence: 1 }],
    ['signature', { ...head, path: head.path.replace('packets=1', 'packets=2') }],
    ['signature', signBatch(batch, {}, 'another key, as long')],
    ['signature', signBatch({ ...batch, sensor: 'node-2' })],
    ['time', signBatch(batch, { time: now - 61_000 })],
    ['time', signBatch(batch, { time: now + 61_000 })],
    ['digest', signBatch(batch), batch.bytes.subarray(0, -1)],
    ['malformed', signBatch({ ...batch, head: { ...batch.head, encoding: 'zstd' } })],
    ['malformed', signBatch(batch, { path: '/v1/batches' })],
    ['malformed', signBatch(batch, { path: `${head.path}&packets=3` })],
  ]
  for (const [reason, head, body = batch.bytes] of cases) {
    const reply = await send(head, body)
    t.match(reply.answer, { outcome: 'refused', reason })
    t.ok(reply.signature)
  }
  const large = Buffer.concat([batch.bytes, Buffer.alloc(100_000)])
  const larger = signBatch({ ...batch, bytes: large, digest: digestOf(large) })
  t.match(await send(larger, large), { status: 413, again: false })
  t.strictSame(refused, [...cases.map(([reason]) => reason), 'size'])
  t.strictSame(readdirSync(directory), ['.tmp'])
})

t.test('a replay is refused; a message may come again, and late', async (t) => {
  const { send, refused } = await openIntake(t)
  const batch = await makeBatch({ packets: [start] })
  const head = signBatch(batch)
  t.match(await send(head, batch.bytes), { status: 200 })
  t.match(await send(head, batch.bytes), { status: 409, answer: { reason: 'replay' }, again: true })
  const message = signBatch({ ...batch, sequence: 1 }, { method: 'PUBLISH', time: Date.now() - 3_600_000 })
  t.match(await send(message, batch.bytes, false), { status: 200, answer: { outcome: 'stored' } })
  t.match(await send(message, batch.bytes, false), { status: 200, answer: { outcome: 'duplicate' } })
  t.strictSame(refused, ['replay'])
})

t.test('a request of an unknown sensor is not answered with a signature', async (t) => {
  const store = await Store.open({ directory: t.testdir(), minFree: 0 })
  const intake = new Intake({ store, keys: Keys.of({ other: key }) })
  const reply = intake.admit({ head: signBatch(await makeBatch({ packets: [start] })), fresh: true })
  t.match(reply, { status: 401, answer: { reason: 'unknown-sensor' } })
  t.equal(reply?.signature, undefined)
})

t.test('conflict: other bytes under the same sequence', async (t) => {
  const { send } = await openIntake(t)
  const [one, other] = [await makeBatch({ packets: [start] }), await makeBatch({ packets: [start] })]
  await send(signBatch(one), one.bytes)
  t.match(await send(signBatch(other), other.bytes), { status: 409, answer: { reason: 'conflict' }, again: false })
})

t.test('a report is checked, handed on and noted', async (t) => {
  const seen: unknown[] = []
  const { intake } = await openIntake(t, {
    report: async (_, report) => {
      if (report.host === 'full') throw new Error('no room')
      seen.push(report)
    },
    extras: async () => ({ peers: ['192.0.2.1'] }),
  })
  const send = async (report: unknown) => {
    const body = Buffer.from(typeof report === 'string' ? report : JSON.stringify(report))
    const batch = { ...(await makeBatch({ packets: [start] })), digest: digestOf(body) }
    const head = signBatch(batch, { path: '/v1/reports' })
    return intake.admit({ head, fresh: true }) ?? (await intake.acceptReport({ head, body, fresh: true }))
  }
  const amount = { batches: 0, packets: 0, bytes: 0 }
  const report = {
    ...{ name: 'node-1', host: 'h', version: '1', boot: '0123456789abcdef', startedAt: 1, time: 2, final: false },
    ...{ interfaces: [], totals: { captured: 0, recovered: amount, stored: amount, spooled: amount, waiting: amount } },
    lost: noLosses(),
    ...{ spool: amount, lag: 0, retries: 0, lossRatio: 0, states: [], cuts: [] },
  }
  t.match(await send(report), { status: 200, answer: { outcome: 'noted', peers: ['192.0.2.1'] } })
  t.strictSame(seen, [report])
  t.match(await send({ ...report, lag: -1 }), { status: 400, answer: { reason: 'malformed', detail: /^lag/ } })
  t.match(await send('{'), { status: 400, answer: { reason: 'malformed' } })
  t.match(await send({ ...report, name: 'node-2' }), { status: 400, answer: { reason: 'malformed' } })
  t.match(await send({ ...report, host: 'full' }), { status: 507, answer: { reason: 'storage' } })
  t.equal(seen.length, 1)
})

t.test('nonces: kept for two windows at least, then forgotten; bounded', (t) => {
  const nonces = new Nonces(3)
  t.equal(nonces.note('a', 1_000_000), 'new')
  t.equal(nonces.note('a', 1_119_999), 'seen')
  t.equal(nonces.note('b', 1_120_000), 'new')
  t.equal(nonces.note('a', 1_120_001), 'seen')
  t.equal(nonces.note('c', 1_120_002), 'new')
  t.equal(nonces.note('d', 1_120_003), 'full')
  t.equal(nonces.note('a', 1_240_000), 'new')
  t.equal(nonces.note('b', 1_240_000), 'seen')
  t.equal(nonces.note('b', 9_240_000), 'new')
  t.end()
})

t.test('a signature covers the method', async (t) => {
  const { send } = await openIntake(t)
  const batch = await makeBatch({ packets: [start] })
  const head = signBatch(batch)
  const { signature, digest, ...plain } = head
  t.equal(signature, signRequest(Buffer.from(key), plain, digest))
  t.match(await send({ ...head, method: 'PUBLISH' }, batch.bytes, false), { answer: { reason: 'signature' } })
})
