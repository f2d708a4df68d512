import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { Store } from '../../src/collector/store/store.js'
import { header, type SignedHead, toHeaders } from '../../src/wire/headers.js'
import { digestOf, signRequest } from '../../src/wire/signature.js'
import { until } from '../support/wait.js'
import { key, makeBatch, signBatch } from './support/batches.js'
import { startCollector, token } from './support/collectors.js'

const requests = 10_000
const atOnce = 16
/** Of each so many requests, one is right. */
const rightEvery = 50
const start = 1_700_000_000_000_000_000n

/** Repeatable: the same seed makes the same requests. */
class Random {
  #state: Buffer

  constructor(seed: string) {
    this.#state = createHash('sha256').update(seed).digest()
  }

  /** 0 to `below - 1`. */
  integer(below: number): number {
    this.#state = createHash('sha256').update(this.#state).digest()
    return this.#state.readUInt32LE(0) % below
  }

  of<Value>(values: readonly Value[]): Value {
    return values[this.integer(values.length)]!
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length; at++) bytes[at] = this.integer(256)
    return bytes
  }
}

interface Attempt {
  readonly head: SignedHead
  readonly body: Uint8Array
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  /** The reasons for which it may be refused; none: the connection ends without an answer, or with a status of 400 to 499. */
  readonly reasons: readonly string[]
}

type Kind = (right: { head: SignedHead; body: Uint8Array }, random: Random) => Attempt

/** Signs a head anew, as somebody with the key could. */
function signAgain(head: SignedHead, changes: Partial<SignedHead>): SignedHead {
  const changed = { ...head, ...changes, nonce: changes.nonce ?? randomBytes(16).toString('hex') }
  return { ...changed, signature: signRequest(Buffer.from(key), changed, changed.digest) }
}

const otherHex = (text: string, random: Random) => {
  const at = random.integer(text.length)
  return text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1)
}

/** A request that was accepted before. Once it is nearly as old as a request may be, its time may be refused first. */
const replayOf = (right: { head: SignedHead; body: Uint8Array }): Attempt => ({
  ...right,
  reasons: Date.now() - right.head.time < 30_000 ? ['replay'] : ['replay', 'time'],
})

/** Ways to be wrong. */
const kinds: Readonly<Record<string, Kind>> = {
  'forged: no key': ({ head, body }, random) => ({
    head: { ...head, signature: random.bytes(32).toString('hex') },
    ...{ body, reasons: ['signature'] },
  }),
  'forged: the key of another': ({ head, body }) => ({
    head: { ...head, signature: signRequest(Buffer.from(`${key}-of-all`), head, head.digest) },
    ...{ body, reasons: ['signature'] },
  }),
  'forged: a part changed': ({ head, body }, random) => {
    const part = random.of(['sensor', 'boot', 'sequence', 'time', 'nonce', 'digest', 'path', 'signature'] as const)
    const changes: Record<typeof part, () => Partial<SignedHead>> = {
      sensor: () => ({ sensor: 'node-2' }),
      boot: () => ({ boot: otherHex(head.boot, random) }),
      sequence: () => ({ sequence: head.sequence + 1 + random.integer(1000) }),
      time: () => ({ time: head.time + 1 + random.integer(1000) }),
      nonce: () => ({ nonce: otherHex(head.nonce, random) }),
      digest: () => ({ digest: otherHex(head.digest, random) }),
      path: () => ({ path: head.path.replace('packets=', `packets=${1 + random.integer(9)}`) }),
      signature: () => ({ signature: otherHex(head.signature, random) }),
    }
    return { head: { ...head, ...changes[part]() }, body, reasons: ['signature'] }
  },
  'forged: another body': ({ head, body }, random) => {
    const changed = Buffer.from(body)
    const at = random.integer(changed.length)
    changed[at] = changed[at]! ^ (1 + random.integer(255))
    return { head, body: changed, reasons: ['digest'] }
  },
  'an old or a future time': ({ head, body }, random) => {
    const time = head.time + (random.integer(2) ? 1 : -1) * (70_000 + random.integer(1e9))
    return { head: signAgain(head, { time }), body, reasons: ['time'] }
  },
  truncated: ({ head, body }, random) => ({
    head,
    body: body.subarray(0, random.integer(body.length)),
    reasons: ['digest'],
  }),
  'truncated: the connection ends': ({ head, body }, random) => ({
    head,
    body: body.subarray(0, random.integer(body.length)),
    ...{ headers: { 'content-length': body.length }, reasons: [] },
  }),
  oversized: ({ head, body }, random) => {
    const large = Buffer.concat([body, Buffer.alloc(70_000 + random.integer(1000))])
    return { head: signAgain(head, { digest: digestOf(large) }), body: large, reasons: ['size'] }
  },
  'oversized: only said to be': ({ head, body }, random) => ({
    ...{ head, body },
    headers: { 'content-length': random.of([65_537, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]) },
    reasons: ['size'],
  }),
  'oversized: without a length': ({ head, body }) => ({
    ...{ head, body },
    headers: { 'transfer-encoding': 'chunked' },
    reasons: ['malformed'],
  }),
  're-ordered query': ({ head, body }) => {
    const [path, query] = head.path.split('?') as [string, string]
    return { head: { ...head, path: `${path}?${query.split('&').reverse().join('&')}` }, body, reasons: ['signature'] }
  },
  're-ordered body': ({ head, body }, random) => {
    const at = 1 + random.integer(body.length - 1)
    return { head, body: Buffer.concat([body.subarray(at), body.subarray(0, at)]), reasons: ['digest'] }
  },
  'a wrong query, well signed': ({ head, body }, random) => {
    const [path, query] = head.path.split('?') as [string, string]
    const wrong = random.of([
      '',
      query.replace(/packets=\d+/, 'packets=-1'),
      query.replace(/packets=\d+/, 'packets=99999999999999999999'),
      query.replace(/encoding=\w+/, 'encoding=zstd'),
      query.replace(/first=\d+/, 'first=0x10'),
      query.replace('lost=', 'lost=ring%3A-1'),
      `${query}&__proto__=1`,
      `${query}&packets=1`,
      query.replace('packets', 'constructor'),
    ])
    return { head: signAgain(head, { path: `${path}?${wrong}` }), body, reasons: ['malformed'] }
  },
  'a wrong header': ({ head, body }, random) => {
    const name = random.of(Object.values(header).filter((name) => name !== header.answer))
    const value = random.of([
      undefined,
      '',
      '../../etc/passwd',
      '-1',
      '1e9',
      '99999999999999999999',
      random
        .bytes(random.integer(64) + 1)
        .toString('latin1')
        .replaceAll(/[^\x21-\x7e]/g, '~'),
      'x'.repeat(4000),
    ])
    // Some of these are well-formed names of a sensor, but not of the one that signed.
    return { head, body, headers: { [name]: value }, reasons: ['malformed', 'signature'] }
  },
  'a header twice': ({ head, body }, random) => {
    const name = random.of(Object.values(header).filter((name) => name !== header.answer))
    const value = toHeaders(head)[name]!
    return { head, body, headers: { [name]: [value, value] }, reasons: ['malformed'] }
  },
  'an unknown path or method': ({ head, body }, random) => ({
    head: random.integer(2)
      ? { ...head, path: random.of(['/v1/batch', '/v1/batches/../x', '/%00', '/v2/batches']) }
      : head,
    method: random.of(['PUT', 'DELETE', 'PATCH']),
    ...{ body, reasons: [] },
  }),
}

t.test('10 000 requests that are forged, replayed, truncated, oversized or re-ordered: none is stored', async (t) => {
  const seed = process.env.SENSOR_TEST_SEED ?? randomBytes(4).toString('hex')
  t.comment(`SENSOR_TEST_SEED=${seed}`)
  const random = new Random(seed)
  // Without TLS, as behind a proxy: ten thousand handshakes would be the most of it.
  const collector = await startCollector(t, {
    ...{ COLLECTOR_PLAIN_HTTP: 'true', COLLECTOR_TLS_CERT: '', COLLECTOR_TLS_KEY: '' },
    COLLECTOR_BATCH_BYTES: '64k',
  })
  const body = (await makeBatch({ packets: [start, start + 1n] })).bytes
  const rightDigests = new Map<number, string>()
  const used: { head: SignedHead; body: Uint8Array }[] = []
  const refused = new Map<string, number>()
  const failures: string[] = []
  const names = Object.keys(kinds)
  let next = 0

  const sendRight = async (sequence: number) => {
    const batch = await makeBatch({ sequence, packets: [start + BigInt(sequence)] })
    const right = { head: signBatch(batch), body: batch.bytes }
    const { status } = await exchange(collector.port, { ...right, reasons: [] })
    if (status !== 200) failures.push(`a right request was answered with ${status}`)
    rightDigests.set(sequence, batch.digest)
    used.push(right)
  }
  const sendWrong = async (sequence: number) => {
    const batch = await makeBatch({ sequence, packets: [start + BigInt(sequence)] })
    const right = { head: signBatch({ ...batch, bytes: body, digest: digestOf(body) }), body }
    const replay = used.length > 0 && random.integer(8) === 0
    const name = replay ? 'replayed' : random.of(names)
    const attempt = replay ? replayOf(random.of(used)) : kinds[name]!(right, random)
    const { status, reason } = await exchange(collector.port, attempt)
    if (reason !== undefined) refused.set(reason, (refused.get(reason) ?? 0) + 1)
    const expected = attempt.reasons.length > 0 ? attempt.reasons.includes(reason ?? '') : status === 0 || status >= 400
    if (!expected) failures.push(`${name} (${sequence}): ${status} ${reason}`)
  }
  const work = async () => {
    while (next < requests) {
      const sequence = next++
      if (sequence % rightEvery === 0) await sendRight(sequence)
      else await sendWrong(sequence)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))

  t.strictSame(failures, [])
  // The collector may find out later than the client that a connection has ended.
  let metrics = ''
  await until(async () => {
    metrics = await get(collector.port, '/metrics')
    return /^collector_receiving_bytes 0$/m.test(metrics)
  })
  const counted = new Map(
    [...metrics.matchAll(/^collector_refused_total\{reason="([\w-]+)"\} (\d+)$/gm)].map((match) => [
      match[1]!,
      Number(match[2]),
    ]),
  )
  // Some were refused by a reason whose answer was lost, because the client ended the connection.
  for (const [reason, count] of refused) t.ok(counted.get(reason)! >= count, `${reason}: ${count}`)
  t.strictSame([...refused.keys()].sort(), ['digest', 'malformed', 'replay', 'signature', 'size', 'time'])
  t.match(metrics, new RegExp(`^collector_batches_total\\{outcome="stored"\\} ${requests / rightEvery}$`, 'm'))
  t.equal(await collector.kill('SIGTERM'), 0)

  const store = await Store.open({ directory: collector.store, minFree: 0 })
  t.strictSame(store.sensors(), ['node-1'])
  const stored = await store.select('node-1', 0n, start * 2n)
  t.equal(store.totals().files, requests / rightEvery)
  t.strictSame(new Map(stored.map(({ sequence, file }) => [sequence, digestOf(readFileSync(file))])), rightDigests)
})

t.test('bytes that are no request', async (t) => {
  const collector = await startCollector(t, {
    ...{ COLLECTOR_PLAIN_HTTP: 'true', COLLECTOR_TLS_CERT: '', COLLECTOR_TLS_KEY: '' },
  })
  const random = new Random('bytes')
  const batch = await makeBatch({ packets: [start] })
  const head = signBatch(batch)
  const lines = Object.entries(toHeaders(head)).map(([name, value]) => `${name}: ${value}\r\n`)
  const whole = Buffer.concat([
    Buffer.from(
      `POST ${head.path} HTTP/1.1\r\nhost: x\r\n${lines.join('')}content-length: ${batch.bytes.length}\r\n\r\n`,
    ),
    batch.bytes,
  ])
  for (let count = 0; count < 300; count++) {
    const bytes = Buffer.from(whole.subarray(0, 1 + random.integer(whole.length - 1)))
    if (count % 2) for (let flips = 0; flips < 3; flips++) bytes[random.integer(bytes.length)] = random.integer(256)
    await new Promise<void>((resolve) => {
      const socket = connect(collector.port, '127.0.0.1', () => socket.end(bytes))
      socket.on('error', () => {})
      socket.on('close', () => resolve())
      socket.resume()
    })
  }
  const { status } = await exchange(collector.port, { head: signBatch(batch), body: batch.bytes, reasons: [] })
  t.equal(status, 200)
  t.equal(await collector.kill('SIGTERM'), 0)
  const store = await Store.open({ directory: collector.store, minFree: 0 })
  t.match(store.totals(), { files: 1, packets: 1 })
})

/** Sends an attempt. Status 0: there was no answer. */
function exchange(
  port: number,
  { head, body, method = head.method, headers }: Attempt,
): Promise<{ status: number; reason?: string }> {
  return new Promise((resolve) => {
    const all: OutgoingHttpHeaders = { ...toHeaders(head), 'content-length': body.length, ...headers }
    if (all['transfer-encoding']) delete all['content-length']
    for (const [name, value] of Object.entries(all)) if (value === undefined) delete all[name]
    const sent = httpRequest({ host: '127.0.0.1', port, method, path: head.path, headers: all, agent: false })
    const none = () => resolve({ status: 0 })
    sent.on('error', none)
    sent.on('response', (response) => {
      buffer(response).then((bytes) => {
        const status = response.statusCode!
        try {
          const { reason } = JSON.parse(bytes.toString())
          resolve({ status, ...(reason !== undefined && { reason }) })
        } catch {
          resolve({ status })
        }
        sent.destroy()
      }, none)
    })
    // A request that was destroyed need not end with an error.
    sent.on('close', none)
    const announced = Number(all['content-length'] ?? body.length)
    if (announced <= body.length) {
      sent.end(body)
      return
    }
    sent.flushHeaders()
    // The answer to more than is allowed comes ahead of the body; a shorter one is broken off.
    const breakOff = () => announced < 65_536 && sent.destroy()
    if (body.length > 0) sent.write(body, breakOff)
    else sent.once('socket', (socket) => socket.once('connect', breakOff))
  })
}

async function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    httpRequest({ host: '127.0.0.1', port, path, headers, agent: false }, (response) =>
      buffer(response).then((bytes) => resolve(bytes.toString()), reject),
    ).end()
  })
}
