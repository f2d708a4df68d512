import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import type { Test } from 'tap'
import { Intake } from '../../src/collector/intake.js'
import { Keys } from '../../src/collector/keys.js'
import { NatsSource } from '../../src/collector/nats-source.js'
import { type BatchToStore, Store } from '../../src/collector/store/store.js'
import { NatsTransport, type SentMessage } from '../../src/transport/nats.js'
import { consumerName, ensureStream, messagePath, streamName } from '../../src/transport/nats-stream.js'
import type { TransportError } from '../../src/transport/transport.js'
import type { Answer } from '../../src/wire/answer.js'
import { toQuery } from '../../src/wire/batch-head.js'
import { toHeaders } from '../../src/wire/headers.js'
import { digestOf, signRequest } from '../../src/wire/signature.js'
import t from '../support/live.js'
import { NatsServer } from '../support/nats-server.js'
import { until } from '../support/wait.js'
import { key, makeBatch, timesIn } from './support/batches.js'
import { startCollector } from './support/collectors.js'

const { signal } = new AbortController()
const limits = { bytes: 1 << 30, replicas: 1 }

interface World {
  readonly server: NatsServer
  readonly directory: string
  readonly connection: NatsConnection
}

/** A server whose consumer gives what is not acknowledged to another collector after so many seconds. */
async function start(t: Test, ackWait = 2): Promise<World> {
  const directory = t.testdir()
  const server = new NatsServer(path.join(directory, 'nats'))
  mkdirSync(server.directory)
  await server.start()
  t.teardown(() => server.stop('SIGKILL'))
  const connection = await connect({ servers: [`127.0.0.1:${server.port}`], maxReconnectAttempts: -1 })
  t.teardown(() => connection.close())
  await ensureStream(connection, limits)
  const { consumers } = await jetstreamManager(connection)
  const config = {
    durable_name: consumerName,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ackWait * 1e9,
    max_deliver: -1,
  }
  await consumers.add(streamName, config)
  return { server, directory, connection }
}

async function collector(t: Test, { server, directory }: World, name: string, keys?: string) {
  const store = path.join(directory, 'store')
  const environment = { NATS_URL: server.url, COLLECTOR_STORE: store, LOG_LVL: 'debug' }
  const running = await startCollector(t, environment, path.join(directory, name))
  if (keys !== undefined) writeFileSync(path.join(directory, name, 'keys'), keys)
  const stored = () => running.log.filter(({ message }) => message === 'stored').length
  await until(() => running.log.some(({ message }) => message.startsWith('NATS: takes messages')))
  return { ...running, stored }
}

function transport(t: Test, { server }: World, sensor = 'node-1', hmacKey = key) {
  const answers: { answer: Answer; to: SentMessage }[] = []
  const opened = new NatsTransport({
    settings: { url: server.url },
    limits,
    sensor,
    hmacKey: Buffer.from(hmacKey),
    announce: async () => {},
    onAnswer: (answer, to) => answers.push({ answer, to }),
  })
  t.teardown(() => opened.close())
  return { transport: opened, answers }
}

/** Sends as the forwarder of a sensor does: until it is acknowledged. */
async function send(to: NatsTransport, batch: BatchToStore): Promise<void> {
  for (;;) {
    try {
      await to.send(batch, signal)
      return
    } catch (error) {
      if (!(error as TransportError).again) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** The files of the store that hold batches. */
function files(store: string): string[] {
  return readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.pcapng(\.gz|\.zst)?$/.test(name))
    .map((name) => path.join(store, name))
}

/** The times of all packets in the store. */
async function packetsIn(store: string): Promise<bigint[]> {
  const times = []
  for (const file of files(store)) times.push(...(await timesIn(file)))
  return times.sort((a, b) => (a < b ? -1 : 1))
}

/** Whether every message is settled; false also while the server is away. */
async function drained({ connection }: World): Promise<boolean> {
  try {
    const { streams } = await jetstreamManager(connection)
    return (await streams.info(streamName)).state.messages === 0
  } catch {
    return false
  }
}

t.test('a batch is stored, acknowledged and answered with a signature', async (t) => {
  const world = await start(t)
  const { store } = await collector(t, world, 'one')
  const { transport: sensor, answers } = transport(t, world)
  await send(sensor, await makeBatch({ packets: [1n, 2n, 3n], sequence: 4 }))
  await until(() => answers.length === 1)
  t.match(answers[0], { answer: { outcome: 'stored' }, to: { kind: 'batch', sequence: 4 } })
  await until(() => drained(world))
  t.strictSame(await packetsIn(store), [1n, 2n, 3n])
})

t.test('what is refused for good leaves the stream, and is not stored', async (t) => {
  const world = await start(t)
  const { store, log } = await collector(t, world, 'one')
  const { transport: sensor, answers } = transport(t, world)
  const first = await makeBatch({ packets: [1n] })
  await send(sensor, first)
  await until(() => answers.length === 1)
  // The window in which the server drops doubles is over, as it were: the same sequence with other bytes.
  const other = await makeBatch({ packets: [2n] })
  const { bytes, head, ...identity } = other
  const subject = 'ringtap.batches.node-1'
  const publish = async (query: string, body: Uint8Array, withKey: string, as = identity) => {
    const signed = { ...as, method: 'PUBLISH', path: messagePath(subject, query), time: 1, nonce: 'ab'.repeat(16) }
    const digest = digestOf(body)
    const fields = headers()
    const all = toHeaders({ ...signed, digest, signature: signRequest(Buffer.from(withKey), signed, digest) })
    for (const [name, value] of Object.entries(all)) fields.set(name, value)
    fields.set('x-sensor-query', query)
    await jetstream(world.connection).publish(subject, body, { headers: fields })
  }
  await publish(toQuery(head), bytes, key)
  await until(() => drained(world))
  await publish('packets=lots', bytes, key)
  await publish(toQuery(head), bytes, `${key}-of-all`, { ...identity, sensor: 'node-2' })
  await jetstream(world.connection).publish(subject, 'no headers')
  await until(() => drained(world))
  const refused = () => log.filter(({ message }) => /refused/.test(message)).map(({ reason }) => reason)
  await until(() => refused().length === 4)
  t.strictSame(refused().sort(), ['conflict', 'malformed', 'malformed', 'malformed'])
  t.strictSame(await packetsIn(store), [1n], 'none of them is stored')
})

t.test('a sensor whose key comes later', async (t) => {
  const world = await start(t)
  const { store } = await collector(t, world, 'one', `node-9 ${key}\n`)
  const { transport: sensor } = transport(t, world, 'node-7', 'a-key-that-comes-later')
  await send(sensor, await makeBatch({ packets: [1n], sensor: 'node-7' }))
  await until(async () => (await attempts(world)) >= 2)
  t.strictSame(files(store), [])
  writeFileSync(path.join(world.directory, 'one', 'keys'), `node-7 a-key-that-comes-later\n`)
  await until(() => drained(world))
  t.strictSame(await packetsIn(store), [1n])
})

/** How often the first message was delivered. */
async function attempts({ connection }: World): Promise<number> {
  const { consumers } = await jetstreamManager(connection)
  return (await consumers.info(streamName, consumerName)).delivered.consumer_seq
}

t.test('a store that fails: the message comes again until it is stored', async (t) => {
  const world = await start(t)
  const { transport: sensor } = transport(t, world)
  // In the mount namespace of this test; the directory below it stays empty.
  const store = path.join(world.directory, 'store')
  mkdirSync(store)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', store])
  const filler = path.join(store, 'filler')
  const { log, kill } = await collector(t, world, 'one')
  writeFileSync(filler, Buffer.alloc(48 * 1024))
  const packets = Array.from({ length: 8 }, (_, i) => ({ time: BigInt(i), bytes: randomBytes(4000) }))
  await send(sensor, await makeBatch({ packets }))
  await until(() => log.some(({ reason }) => reason === 'storage'))
  t.notOk(await drained(world))
  writeFileSync(filler, '')
  await until(() => drained(world))
  t.strictSame(
    await packetsIn(store),
    packets.map(({ time }) => time),
  )
  await kill('SIGTERM')
  execFileSync('umount', [store])
})

t.test('two collectors, one killed, the server killed and restarted: each packet is stored once', async (t) => {
  const world = await start(t)
  const collectors = [await collector(t, world, 'one'), await collector(t, world, 'two')] as const
  const { transport: sensor } = transport(t, world)
  const batches = await Promise.all(
    Array.from({ length: 240 }, (_, sequence) => {
      const packets = Array.from({ length: 5 + (sequence % 7) }, (_, i) => BigInt(sequence * 100 + i))
      return makeBatch({ packets, sequence })
    }),
  )
  const sent = batches.slice(0, 80).map((batch) => send(sensor, batch))
  await until(() => collectors.every(({ stored }) => stored() > 5))
  sent.push(...batches.slice(80, 160).map((batch) => send(sensor, batch)))
  await collectors[0].kill('SIGKILL')
  await until(() => collectors[1].stored() > 60)
  sent.push(...batches.slice(160).map((batch) => send(sensor, batch)))
  await world.server.stop('SIGKILL')
  await world.server.start()
  await Promise.all(sent)
  // One that was sent long before, and again: the server may have forgotten its id, the store has not.
  await send(sensor, batches[0]!)
  await until(() => drained(world))

  const { store } = collectors[1]
  const expected = batches.flatMap(({ head }, sequence) =>
    Array.from({ length: head.packets }, (_, i) => BigInt(sequence * 100 + i)),
  )
  t.strictSame(await packetsIn(store), expected, `${expected.length} packets sent = stored, none twice`)
  t.equal(files(store).length, batches.length)
  t.equal(await collectors[1].kill('SIGTERM'), 0)
})

t.test('stopped in the middle, it gives back at once what was on its way', async (t) => {
  // Longer than the time limit of the test: a message that is not settled would not come again.
  const world = await start(t, 3600)
  const { transport: sensor } = transport(t, world)
  // Large enough that the others are on their way while the first one is dealt with.
  const batches = await Promise.all(
    Array.from({ length: 40 }, (_, sequence) =>
      makeBatch({ packets: [{ time: BigInt(sequence), bytes: randomBytes(200_000) }], sequence, encoding: 'identity' }),
    ),
  )
  await Promise.all(batches.map((batch) => send(sensor, batch)))
  const directory = path.join(world.directory, 'store')
  const store = await Store.open({ directory, minFree: 0 })
  const intake = new Intake({ store, keys: Keys.of({ 'node-1': key }) })
  const settings = { url: world.server.url }
  let closing: Promise<void> | undefined
  const first = new NatsSource({
    settings,
    intake: {
      admit: (request) => {
        closing ??= first.close()
        return intake.admit(request)
      },
      accept: (request) => intake.accept(request),
      acceptReport: (request) => intake.acceptReport(request),
      refuse: (...refusal) => intake.refuse(...refusal),
    },
  })
  await until(() => closing !== undefined)
  await closing
  const stored = files(directory).length
  t.ok(stored > 0 && stored < batches.length, `${stored} were stored by the first one`)
  const second = new NatsSource({ settings, intake })
  await until(() => drained(world))
  await second.close()
  t.strictSame(
    await packetsIn(directory),
    batches.map((_, sequence) => BigInt(sequence)),
    'each is stored once',
  )
})
