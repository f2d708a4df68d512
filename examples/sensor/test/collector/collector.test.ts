import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Store } from '../../src/collector/store/store.js'
import { toHeaders } from '../../src/wire/headers.js'
import { digestOf, signAnswer } from '../../src/wire/signature.js'
import { key, makeBatch, signBatch } from './support/batches.js'
import { makeCertificate } from './support/certificate.js'
import { main, send, sendSigned, startCollector } from './support/collectors.js'

const start = 1_700_000_000_000_000_000n

/** Does something until its result is good; the test's own time limit ends it otherwise. */
async function repeat<Result>(attempt: () => Promise<Result>, good: (result: Result) => boolean): Promise<Result> {
  for (;;) {
    const result = await attempt()
    if (good(result)) return result
    await setTimeout(50)
  }
}

t.test('a batch over HTTPS: stored, acknowledged again, and the answer is signed', async (t) => {
  const collector = await startCollector(t)
  const batch = await makeBatch({ packets: [start, start + 5n] })
  const head = signBatch(batch)
  const stored = await sendSigned(collector, head, batch.bytes)
  t.match(stored, { status: 200, answer: { outcome: 'stored' } })
  t.equal(stored.headers['x-collector-signature'], signAnswer(Buffer.from(key), 200, head.nonce, digestOf(stored.body)))
  t.match(await sendSigned(collector, signBatch(batch), batch.bytes), { answer: { outcome: 'duplicate' } })
  t.match(await sendSigned(collector, head, batch.bytes), { status: 409, answer: { reason: 'replay' } })
  const other = await makeBatch({ sensor: 'node-2', packets: [start] })
  t.match(await sendSigned(collector, signBatch(other, {}, `${key}-of-all`), other.bytes), { status: 200 })
  t.equal((await send(collector, { path: '/healthz' })).status, 200)
  t.equal((await send(collector, { path: '/no-such-page' })).status, 404)
  t.equal(await collector.kill('SIGTERM'), 0)
  const store = await Store.open({ directory: collector.store, minFree: 0 })
  t.match(store.totals('node-1'), { files: 1, packets: 2 })
  t.match(store.totals('node-2'), { files: 1, packets: 1 })
  t.match(
    collector.log.filter(({ level }) => level === 'warn'),
    [{ reason: 'replay', sensor: 'node-1', sequence: 0 }],
  )
})

t.test('a body that is too large, too much at once, and a body that never ends', async (t) => {
  const collector = await startCollector(t, { COLLECTOR_BATCH_BYTES: '1M', COLLECTOR_MEMORY: '1M' })
  const large = await makeBatch({ packets: [{ time: start, bytes: Buffer.alloc(100) }], encoding: 'identity' })
  const bytes = Buffer.concat([large.bytes, Buffer.alloc(2 ** 20)])
  const larger = { ...large, bytes, digest: digestOf(bytes) }
  t.match(await sendSigned(collector, signBatch(larger), bytes), { status: 413, answer: { reason: 'size' } })

  // A request that has announced its body, and sends nothing of it, takes up the memory.
  const held = signBatch({ ...large, sequence: 1, digest: digestOf(Buffer.alloc(1_000_000)) })
  const holding = request({
    ...{ host: '127.0.0.1', port: collector.port, ca: collector.ca, method: 'POST', path: held.path },
    headers: { ...toHeaders(held), 'content-length': 1_000_000 },
  })
  holding.on('error', () => {})
  holding.flushHeaders()
  // It may reach the collector after the first of these.
  const busy = await repeat(
    () => sendSigned(collector, signBatch(larger), bytes.subarray(0, 1_000_000)),
    ({ answer }) => answer.reason === 'busy',
  )
  t.match(busy, { status: 503, answer: { reason: 'busy' }, headers: { 'retry-after': '1' } })
  holding.destroy()
  const { answer } = await repeat(
    () => sendSigned(collector, signBatch(large), large.bytes),
    ({ status }) => status !== 503,
  )
  t.match(answer, { outcome: 'stored' })
})

t.test('a client certificate, where one is required', async (t) => {
  const directory = t.testdir()
  const client = makeCertificate(directory, 'client')
  const stranger = makeCertificate(directory, 'stranger')
  const collector = await startCollector(t, { COLLECTOR_CLIENT_CA: client.cert }, directory)
  const batch = await makeBatch({ packets: [start] })
  const post = (files?: { cert: string; key: string }) => {
    const head = signBatch(batch)
    return send(collector, {
      ...{ method: 'POST', path: head.path, headers: { ...toHeaders(head), 'content-length': batch.bytes.length } },
      ...(files && { cert: readFileSync(files.cert), key: readFileSync(files.key) }),
      body: batch.bytes,
    })
  }
  t.equal((await post()).status, 401)
  t.equal((await post(stranger)).status, 401)
  t.equal((await post(client)).status, 200)
  t.equal((await send(collector, { path: '/healthz' })).status, 200)
})

t.test('a sensor whose key is added while it runs', async (t) => {
  const collector = await startCollector(t)
  const batch = await makeBatch({ sensor: 'node-3', packets: [start] })
  t.match(await sendSigned(collector, signBatch(batch), batch.bytes), { status: 401, answer: { reason: 'signature' } })
  appendFileSync(path.join(path.dirname(collector.store), 'keys'), `node-3 ${key}\n`)
  const { answer } = await repeat(
    () => sendSigned(collector, signBatch(batch), batch.bytes),
    ({ status }) => status !== 401,
  )
  t.match(answer, { outcome: 'stored' })
})

t.test('what is no HTTP, and connections that say nothing, do no harm', async (t) => {
  const collector = await startCollector(t)
  for (let count = 0; count < 50; count++) {
    const socket = connect(collector.port, '127.0.0.1')
    socket.on('error', () => {})
    if (count % 2) socket.write(Buffer.alloc(100, count))
    t.teardown(() => socket.destroy())
  }
  const batch = await makeBatch({ packets: [start] })
  t.match(await sendSigned(collector, signBatch(batch), batch.bytes), { status: 200 })
})

t.test('wrong logins and requests are counted, not each of them logged', async (t) => {
  const collector = await startCollector(t)
  const began = Date.now()
  const [logins, wrong] = [200, 200]
  const post = (path: string, type: string, body: string) =>
    send(collector, { path, method: 'POST', headers: { 'content-type': type, 'content-length': body.length }, body })
  for (let count = 0; count < logins; count += 20) {
    const form = 'application/x-www-form-urlencoded'
    await Promise.all(Array.from({ length: 20 }, () => post('/login', form, 'token=wrong')))
  }
  for (let count = 0; count < wrong; count += 20) {
    const responses = await Promise.all(Array.from({ length: 20 }, () => post('/login', 'application/json', '{')))
    for (const { status } of responses) t.equal(status, 400)
  }
  t.equal(await collector.kill('SIGTERM'), 0)
  // A line more in each second; and maintenance, at every fifth, begins to count anew.
  const seconds = Math.ceil((Date.now() - began) / 1000) + 1
  for (const [kind, all] of [
    ['a login', logins],
    ['a wrong request', wrong],
  ] as const) {
    const lines = collector.log.filter(({ message }) => message.startsWith(`${kind}: `))
    t.ok(lines.length <= 21 * (seconds + Math.ceil(seconds / 5)), `${lines.length} lines in ${seconds} s`)
    const counts = lines.map(({ message }) => Number(/ (\d+) more in one second$/.exec(message)?.[1] ?? 1))
    t.equal(
      counts.reduce((sum, count) => sum + count, 0),
      all,
    )
  }
})

t.test('it ends with 1 where it cannot do all that it is told', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const health = {
    COLLECTOR_HEALTH_LISTEN: '127.0.0.1',
    COLLECTOR_HEALTH_PORT: String((taken.address() as AddressInfo).port),
  }
  await t.rejects(startCollector(t, health), { message: 'the collector ended with 1' })
})

t.test('every mistake in the configuration at once, by variable', (t) => {
  const run = (environment: Record<string, string>) =>
    spawnSync(process.execPath, [main], { env: { PATH: process.env.PATH, ...environment }, encoding: 'utf8' })
  const { status, stderr } = run({ COLLECTOR_PORT: '70000', COLLECTOR_TOKEN: 'short', COLLECTOR_STORE: ' ' })
  t.equal(status, 2)
  t.strictSame(
    stderr
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[1])
      .sort(),
    [
      'COLLECTOR_KEYS',
      'COLLECTOR_PORT',
      'COLLECTOR_STORE',
      'COLLECTOR_TLS_CERT',
      'COLLECTOR_TLS_KEY',
      'COLLECTOR_TOKEN',
    ],
  )
  const keys = path.join(t.testdir({ keys: 'node-1 short\n' }), 'keys')
  const second = run({ COLLECTOR_STORE: t.testdirName, COLLECTOR_KEYS: keys, COLLECTOR_PLAIN_HTTP: 'true' })
  t.equal(second.status, 2)
  t.match(second.stderr, /^error: COLLECTOR_KEYS .*keys:1: the key of node-1 is shorter than 16 characters/)
  t.end()
})
