import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import type { Test } from 'tap'
import { NatsTransport, type NatsTransportOptions, type SentMessage } from '../../src/transport/nats.js'
import { parseNatsUrl } from '../../src/transport/nats-connection.js'
import { messagePath } from '../../src/transport/nats-stream.js'
import type { OwnConnection, SealedBatch } from '../../src/transport/transport.js'
import type { Answer } from '../../src/wire/answer.js'
import { fromQuery, noLosses } from '../../src/wire/batch-head.js'
import { fromHeaders } from '../../src/wire/headers.js'
import { digestOf, signAnswer, signRequest } from '../../src/wire/signature.js'
import t from '../support/live.js'
import { NatsServer } from '../support/nats-server.js'
import { until } from '../support/wait.js'

const hmacKey = Buffer.from('a key of the sensor')
const boot = '0123456789abcdef'
const { signal } = new AbortController()

function batch(sequence: number, bytes: Uint8Array = Buffer.from(`batch ${sequence}`)): SealedBatch {
  const head = { packets: 3, encoding: 'identity', first: 5n, last: 9n, lost: { ...noLosses(), ring: 2 } } as const
  return { sensor: 'node-1', boot, sequence, head, bytes }
}

/** A transport, what it was answered, and what it announced. */
function open(t: Test, server: NatsServer, other: Partial<NatsTransportOptions> = {}) {
  const answers: { answer: Answer; to: SentMessage }[] = []
  const events: string[] = []
  let announced: readonly OwnConnection[] = []
  const transport = new NatsTransport({
    settings: { url: server.url },
    limits: { bytes: 1 << 30, replicas: 1 },
    sensor: 'node-1',
    hmacKey,
    announce: async (connections) => {
      announced = connections
    },
    onAnswer: (answer, to) => answers.push({ answer, to }),
    onEvent: (_, text) => events.push(text),
    ...other,
  })
  t.teardown(() => transport.close())
  return { transport, answers, events, announced: () => announced }
}

async function startServer(t: Test, config = '', directory = t.testdir()): Promise<NatsServer> {
  const server = new NatsServer(directory)
  server.config = config
  await server.start()
  t.teardown(() => server.stop('SIGKILL'))
  return server
}

async function client(t: Test, server: NatsServer): Promise<NatsConnection> {
  const connection = await connect({ servers: [server.url.replace('nats://', '')] })
  t.teardown(() => connection.close())
  return connection
}

/** The messages in the stream, in their order. */
async function stored(connection: NatsConnection) {
  const { streams } = await jetstreamManager(connection)
  const { state } = await streams.info('RINGTAP')
  const messages = []
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await streams.getMessage('RINGTAP', { seq })
    if (message) messages.push(message)
  }
  return messages
}

t.test('a batch is in the stream with its id, signed, when it is acknowledged', async (t) => {
  const server = await startServer(t)
  const { transport } = open(t, server)
  await until(() => transport.connected)
  t.match(await transport.send(batch(7), signal), { outcome: 'stored' })
  t.match(await transport.report({ sensor: 'node-1', boot, sequence: 7 }, { name: 'node-1' }, signal), {
    outcome: 'noted',
  })
  t.match(await transport.send(batch(7), signal), { outcome: 'duplicate' })

  const connection = await client(t, server)
  const [first, second, ...others] = await stored(connection)
  t.equal(others.length, 0)
  t.equal(first?.subject, 'ringtap.batches.node-1')
  t.equal(first?.header.get('Nats-Msg-Id'), `node-1:${boot}:7`)
  t.equal(Buffer.from(first?.data ?? []).toString(), 'batch 7')
  const query = first?.header.get('x-sensor-query') ?? ''
  t.strictSame(fromQuery(query), batch(7).head)
  const target = messagePath('ringtap.batches.node-1', query)
  t.equal(target, `ringtap.batches.node-1?${query}`)
  const head = fromHeaders('PUBLISH', target, (name) => first?.header.get(name))
  if ('malformed' in head) return void t.fail(head.malformed)
  t.equal(head.digest, digestOf(Buffer.from('batch 7')))
  t.equal(head.signature, signRequest(hmacKey, head, head.digest))
  t.match(head, { sensor: 'node-1', boot, sequence: 7 })

  t.equal(second?.subject, 'ringtap.reports.node-1')
  t.equal(second?.header.get('Nats-Msg-Id'), `node-1:${boot}:report:7`)
  t.equal(Buffer.from(second?.data ?? []).toString(), '{"name":"node-1"}')
})

t.test('the stream keeps each message until it is acknowledged', async (t) => {
  const server = await startServer(t)
  const { transport } = open(t, server, { limits: { bytes: 64 << 20, replicas: 1 } })
  await until(() => transport.connected)
  await transport.send(batch(0), signal)
  const manager = await jetstreamManager(await client(t, server))
  const { config } = await manager.streams.info('RINGTAP')
  t.match(config, {
    subjects: ['ringtap.batches.*', 'ringtap.reports.*'],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    storage: StorageType.File,
    max_bytes: 64 << 20,
    max_age: 0,
    duplicate_window: 600e9,
  })
})

t.test('a stream that would lose messages is refused, and named once it is mended', async (t) => {
  const server = await startServer(t)
  const { streams } = await jetstreamManager(await client(t, server))
  await streams.add({ name: 'RINGTAP', subjects: ['ringtap.batches.*'], max_age: 60e9, storage: StorageType.Memory })
  const { transport } = open(t, server)
  await until(() => transport.connected)
  const error = await transport.send(batch(0), signal).catch((error: unknown) => error)
  t.match(error, { name: 'TransportError', again: true })
  for (const fault of ['ringtap.reports.*', 'retention is limits', 'discard is old', 'storage is memory', 'max_age']) {
    t.match((error as Error).message, fault)
  }
  t.equal((await streams.info('RINGTAP')).state.messages, 0)
  await streams.delete('RINGTAP')
  t.match(await transport.send(batch(0), signal), { outcome: 'stored' })
})

t.test('a full stream refuses, and loses nothing that it holds', async (t) => {
  const server = await startServer(t)
  const { transport } = open(t, server, { limits: { bytes: 100_000, replicas: 1 } })
  await until(() => transport.connected)
  let sent = 0
  let failure: unknown
  while (!failure && sent < 100) {
    await transport.send(batch(sent, Buffer.alloc(9000)), signal).then(
      () => sent++,
      (error: unknown) => {
        failure = error
      },
    )
  }
  t.match(failure, { name: 'TransportError', again: true, message: /maximum bytes/ })
  t.equal((await stored(await client(t, server))).length, sent)
  t.ok(sent > 0)
})

t.test('the server may be away at first, and go and come back', async (t) => {
  const server = await startServer(t)
  await server.stop('SIGKILL')
  const { transport, announced } = open(t, server)
  t.match(await transport.send(batch(0), signal).catch((error: unknown) => error), { again: true })
  await server.start()
  await until(() => transport.connected)
  await transport.send(batch(0), signal)
  await server.stop('SIGKILL')
  await until(() => !transport.connected)
  t.match(await transport.send(batch(1), signal).catch((error: unknown) => error), { again: true })
  await server.start()
  await until(() => transport.connected)
  await transport.send(batch(1), signal)
  const connection = await client(t, server)
  t.strictSame(
    (await stored(connection)).map(({ data }) => Buffer.from(data).toString()),
    ['batch 0', 'batch 1'],
    'what was acknowledged survived the kill',
  )
  const ports = announced().map(({ remotePort }) => remotePort)
  t.ok(ports.length > 0 && ports.every((port) => port === server.port), 'announced')
})

t.test('a hundred batches at once are each stored once', async (t) => {
  const server = await startServer(t)
  const { transport } = open(t, server)
  await until(() => transport.connected)
  const outcomes = await Promise.all(Array.from({ length: 100 }, (_, i) => transport.send(batch(i), signal)))
  t.ok(outcomes.every(({ outcome }) => outcome === 'stored'))
  const messages = await stored(await client(t, server))
  t.equal(messages.length, 100)
  t.equal(new Set(messages.map(({ data }) => Buffer.from(data).toString())).size, 100)
})

t.test('an aborted send ends with the reason of its signal, and so does one that is too large', async (t) => {
  const server = await startServer(t)
  const { transport } = open(t, server)
  await until(() => transport.connected)
  await t.rejects(transport.send(batch(0), AbortSignal.abort(new Error('enough'))), { message: 'enough' })
  const large = transport.send(batch(0, Buffer.alloc(transport.maximumBytes + 1)), signal)
  await t.rejects(large, { name: 'TransportError', again: false })
})

t.test('an answer is taken once, if it is signed and to a message that was sent', async (t) => {
  const server = await startServer(t)
  const { transport, answers, events } = open(t, server)
  await until(() => transport.connected)
  await transport.send(batch(3), signal)
  const connection = await client(t, server)
  const nonce = (await stored(connection))[0]!.header.get('x-sensor-nonce')
  const cut = { id: 'c1', source: '10.0.0.1', sourcePort: 1, destination: '10.0.0.2', destinationPort: 2, until: 9 }
  const body = Buffer.from(JSON.stringify({ outcome: 'stored', time: 1, peers: ['10.0.0.9'], cut: [cut] }))
  const answer = (fields: { key?: Uint8Array; status?: string; nonce?: string; body?: Uint8Array }) => {
    const given = { key: hmacKey, status: '200', nonce, body, ...fields }
    const all = headers()
    all.set('x-sensor-nonce', given.nonce)
    all.set('x-collector-status', given.status)
    all.set('x-collector-signature', signAnswer(given.key, 200, given.nonce, digestOf(body)))
    connection.publish('ringtap.control.node-1', given.body, { headers: all })
  }
  answer({ key: Buffer.from('another') })
  answer({ status: '507' })
  answer({ nonce: 'ab'.repeat(16) })
  answer({ body: Buffer.from('{"outcome":"stored","time":1,"peers":["10.0.0.66"]}') })
  answer({})
  answer({})
  await until(() => events.filter((text) => text.includes('answer')).length === 5)
  t.strictSame(answers, [
    {
      answer: { outcome: 'stored', time: 1, peers: ['10.0.0.9'], cut: [cut] },
      to: { kind: 'batch', sensor: 'node-1', boot, sequence: 3 },
    },
  ])
})

t.test('TLS: a server whose certificate the given authority has signed, and no other', async (t) => {
  const directory = t.testdir()
  const pem = (name: string) => path.join(directory, name)
  for (const authority of ['ours', 'other']) {
    const subject = ['-subj', `/CN=${authority}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
    const files = ['-keyout', pem(`${authority}.key`), '-out', pem(`${authority}.pem`)]
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ed25519', '-nodes', ...subject, ...files], { stdio: 'ignore' })
  }
  const server = await startServer(
    t,
    `tls { cert_file: "${pem('ours.pem')}", key_file: "${pem('ours.key')}" }`,
    directory,
  )
  for (const authority of ['ours', 'other']) {
    const { transport, events } = open(t, server, {
      settings: { url: server.url, ca: readFileSync(pem(`${authority}.pem`), 'utf8') },
    })
    await until(() => events.length > 0)
    if (authority === 'ours') t.match(await transport.send(batch(0), signal), { outcome: 'stored' })
    else t.match(events[0], /self-signed|certificate/)
    t.equal(transport.connected, authority === 'ours')
  }
})

t.test('user and password, or a token, of the URL', async (t) => {
  for (const [config, right, wrong] of [
    ['authorization { user: sensor, password: "a b@c" }', 'sensor:a%20b%40c', 'sensor:other'],
    ['authorization { token: "s3cret" }', 's3cret', 'guess'],
  ] as const) {
    const server = new NatsServer(t.testdir())
    server.config = config
    await server.start()
    try {
      for (const [credentials, good] of [
        [right, true],
        [wrong, false],
      ] as const) {
        const { transport, events } = open(t, server, {
          settings: { url: `nats://${credentials}@127.0.0.1:${server.port}` },
        })
        await until(() => events.length > 0)
        if (good) t.match(await transport.send(batch(0), signal), { outcome: 'stored' })
        else t.match(events[0], /authorization violation/i)
        await transport.close()
      }
    } finally {
      await server.stop('SIGKILL')
    }
  }
})

t.test('a NATS_URL is taken apart', (t) => {
  t.strictSame(parseNatsUrl('nats://broker'), { servers: ['broker:4222'], tls: false })
  t.strictSame(parseNatsUrl('tls://u:p%20w@one:1, tls://u:p%20w@[fd00::1]:2'), {
    servers: ['one:1', '[fd00::1]:2'],
    user: 'u',
    password: 'p w',
    tls: true,
  })
  t.strictSame(parseNatsUrl('nats://secret@h'), { servers: ['h:4222'], token: 'secret', tls: false })
  for (const bad of [
    '',
    'http://h',
    'nats://',
    'nats://h/x',
    'nats://a:b@h,nats://h2',
    'tls://h,nats://h',
    'nats://h:x',
  ]) {
    t.throws(() => parseNatsUrl(bad), Error, bad)
  }
  t.end()
})
