import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { HttpsTransport } from '../../src/transport/https.js'
import { type OwnConnection, TransportError } from '../../src/transport/transport.js'
import { noLosses } from '../../src/wire/batch-head.js'
import { boot, makeBatch } from '../collector/support/batches.js'
import { makeCertificates, read } from '../support/certificates.js'
import { type CollectorOptions, HttpsCollector, key } from '../support/https-collector.js'
import t from '../support/live.js'

const folder = t.testdir()
const certificates = makeCertificates(folder)
const batch = await makeBatch({ packets: [1_700_000_000_000_000_000n, 1_700_000_000_000_000_001n] })
const amount = { batches: 0, packets: 0, bytes: 0 }
const report = {
  name: 'node-1',
  host: 'h',
  version: '1',
  boot,
  startedAt: 1,
  time: 2,
  final: false,
  interfaces: [],
  totals: { captured: 0, recovered: amount, stored: amount, spooled: amount, waiting: amount },
  lost: noLosses(),
  spool: amount,
  lag: 0,
  retries: 0,
  lossRatio: 0,
  states: [],
  cuts: [],
}
const never = new AbortController().signal
let stores = 0

async function collectorFor(t: Test, options: Partial<CollectorOptions> = {}): Promise<HttpsCollector> {
  const collector = new HttpsCollector({ folder: `${folder}/store-${stores++}`, certificates, ...options })
  await collector.listen()
  t.teardown(() => collector.close())
  return collector
}

function transportTo(
  t: Test,
  collector: { readonly port: number },
  more: Partial<ConstructorParameters<typeof HttpsTransport>[0]> = {},
): HttpsTransport {
  const transport = new HttpsTransport({
    host: 'localhost',
    port: collector.port,
    key: Buffer.from(key),
    ca: readFileSync(certificates.ca),
    window: 2,
    announce: async () => {},
    ...more,
  })
  t.teardown(() => transport.close())
  return transport
}

t.test('a batch is stored, and a second time it is a duplicate', async (t) => {
  const collector = await collectorFor(t)
  const announced: (readonly OwnConnection[])[] = []
  const transport = transportTo(t, collector, {
    host: '127.0.0.1',
    announce: async (connections) => {
      announced.push(connections)
    },
  })
  t.match(await transport.send(batch, never), { outcome: 'stored' })
  t.match(await transport.send(batch, never), { outcome: 'duplicate' })
  t.equal(collector.batches.length, 1)
  t.match(announced, [[{ localAddress: '127.0.0.1', remoteAddress: '127.0.0.1', remotePort: collector.port }]])
  t.equal(announced[0]?.length, 1, 'one connection serves both')
})

t.test('reports and batches share connections, also those that come seconds apart', async (t) => {
  const collector = await collectorFor(t)
  let announcements = 0
  const transport = transportTo(t, collector, {
    announce: async () => {
      announcements++
    },
  })
  for (let sequence = 0; sequence < 2; sequence++) {
    await transport.report({ sensor: 'node-1', boot, sequence }, report, never)
    // Longer than a server keeps a connection by default, less what a client leaves of that.
    await sleep(3500)
    await transport.send({ ...batch, sequence }, never)
    await sleep(100)
  }
  t.equal(collector.reports.length, 2)
  t.equal(collector.batches.length, 2)
  t.equal(collector.connections, 1)
  t.equal(announcements, 1)
})

t.test('an answer that is not signed, or for another request, is not believed', async (t) => {
  const collector = await collectorFor(t)
  const transport = transportTo(t, collector)
  const lies = [(signature: string) => `${signature.slice(1)}0`, () => undefined as unknown as string, () => earlier]
  let earlier = ''
  collector.onReply = (reply) => {
    earlier = reply.signature!
    return reply
  }
  await transport.send(batch, never)
  for (const lie of lies) {
    collector.onReply = (reply) => ({ ...reply, signature: lie(reply.signature!) })
    await t.rejects(transport.send({ ...batch, sequence: 1 }, never), { again: true, message: /not signed/ })
  }
  collector.onReply = (reply) => ({ ...reply, body: Buffer.from('{"outcome":"duplicate","time":1}') })
  await t.rejects(transport.send({ ...batch, sequence: 1 }, never), { again: true, message: /not signed/ })
})

t.test('refusals: for now, or for good', async (t) => {
  const collector = await collectorFor(t, { keys: { 'node-1': key } })
  const transport = transportTo(t, collector)
  await transport.send(batch, never)
  const other = await makeBatch({ packets: [1n] })
  await t.rejects(transport.send(other, never), { again: false, message: /conflict/ })
  const empty = { ...batch, sequence: 2, bytes: Buffer.alloc(100) }
  await t.rejects(transport.send(empty, never), { again: false, message: /malformed/ })
  await t.rejects(transport.send({ ...batch, sensor: 'node-2' }, never), { again: true, message: /not signed/ })
  const wrongKey = transportTo(t, collector, { key: Buffer.from('another key, long enough') })
  await t.rejects(wrongKey.send(batch, never), { again: true, message: /not signed/ })
  t.strictSame(collector.refused, ['conflict', 'malformed', 'unknown-sensor', 'signature'])
})

t.test('a clock that is off is corrected by the time of a signed answer', async (t) => {
  const ahead = 3_600_000
  const collector = await collectorFor(t, { now: () => Date.now() + ahead })
  const offsets: number[] = []
  const transport = transportTo(t, collector, { onClock: (offset) => offsets.push(offset) })
  t.match(await transport.send(batch, never), { outcome: 'stored' })
  t.match(await transport.send({ ...batch, sequence: 1 }, never), { outcome: 'stored' })
  t.equal(offsets.length, 1)
  t.ok(Math.abs(offsets[0]! - ahead) < 60_000)
  t.strictSame(collector.refused, ['time'])
})

t.test('the certificates are checked on both sides', async (t) => {
  const collector = await collectorFor(t, { clients: true })
  const { cert, key: clientKey } = read(certificates.client)
  const good = transportTo(t, collector, { cert, clientKey })
  t.match(await good.send(batch, never), { outcome: 'stored' })
  await t.rejects(transportTo(t, collector).send(batch, never), { again: true, message: /./ })
  const unknown = transportTo(t, collector, { cert, clientKey, ca: undefined })
  await t.rejects(unknown.send(batch, never), { again: true, message: /self-signed|unable to verify|issuer/ })
  const named = transportTo(t, collector, { cert, clientKey, name: 'other.example' })
  await t.rejects(named.send(batch, never), { again: true, message: /other\.example/ })
  mkdirSync(`${folder}/others`)
  const others = makeCertificates(`${folder}/others`)
  const stranger = transportTo(t, collector, { cert: read(others.client).cert, clientKey: read(others.client).key })
  await t.rejects(stranger.send(batch, never), { again: true, message: /./ })
  t.equal(collector.batches.length, 1)
})

t.test('failures of the way are for now, and an abort ends an attempt', async (t) => {
  const collector = await collectorFor(t)
  const transport = transportTo(t, collector)
  await collector.close()
  await t.rejects(transport.send(batch, never), { again: true, message: /ECONNREFUSED/ })
  await t.rejects(transportTo(t, collector, { host: 'no-such-host.invalid' }).send(batch, never), {
    again: true,
    message: /ENOTFOUND|EAI_AGAIN/,
  })
  const silent = createServer().listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await new Promise((resolve) => silent.once('listening', resolve))
  const abort = new AbortController()
  const port = (silent.address() as { port: number }).port
  const attempt = transportTo(t, { port }, { host: '127.0.0.1' }).send(batch, abort.signal)
  silent.once('connection', (socket) => {
    t.teardown(() => socket.destroy())
    abort.abort()
  })
  await t.rejects(attempt, TransportError)
})

t.test('as many batches at once as the window has, each on a connection of its own', async (t) => {
  const collector = await collectorFor(t)
  const transport = transportTo(t, collector)
  let open = 0
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  collector.onReply = async (reply) => {
    open++
    if (open === 2) release()
    await gate
    return reply
  }
  const answers = await Promise.all([0, 1].map((sequence) => transport.send({ ...batch, sequence }, never)))
  t.match(answers, [{ outcome: 'stored' }, { outcome: 'stored' }])
})

t.test('a report is noted', async (t) => {
  const collector = await collectorFor(t)
  const transport = transportTo(t, collector)
  t.match(await transport.report({ sensor: 'node-1', boot, sequence: 0 }, report, never), { outcome: 'noted' })
  t.match(collector.reports, [report])
})
