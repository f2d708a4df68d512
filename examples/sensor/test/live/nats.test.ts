// By NATS JetStream: the server stands in the node, two collectors in the namespace of the collectors' host share its
// consumer and one store.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { AckPolicy, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { eachStored } from '../../src/demo/stored.js'
import { consumerName, ensureStream, streamName } from '../../src/transport/nats-stream.js'
import { labFor, sumOf } from '../support/end-to-end.js'
import t from '../support/live.js'
import { NatsServer } from '../support/nats-server.js'
import { until } from '../support/wait.js'

t.test('a collector is killed, the server is killed and restarted', async (t) => {
  const lab = await labFor(t, 2)
  const server = new NatsServer(path.join(lab.directory, 'nats'))
  server.host = '10.99.0.1'
  mkdirSync(server.directory)
  await server.start()
  t.teardown(() => server.stop('SIGKILL'))
  const connection = await connect({ servers: [`${server.host}:${server.port}`], maxReconnectAttempts: -1 })
  t.teardown(() => connection.close())
  await ensureStream(connection, { bytes: 1 << 30, replicas: 1 })
  const manager = await jetstreamManager(connection)
  // What a killed collector has not acknowledged goes to the other one after two seconds, in place of thirty.
  const consumer = { durable_name: consumerName, ack_policy: AckPolicy.Explicit, ack_wait: 2e9, max_deliver: -1 }
  await manager.consumers.add(streamName, consumer)

  const collector = (port: number) =>
    lab.startCollector({ NATS_URL: server.url, COLLECTOR_PORT: String(port), LOG_LVL: 'debug' })
  const [first, second] = [await collector(8443), await collector(8444)]
  const sensor = await lab.startSensor({
    NATS_URL: server.url,
    VSENSOR_HOSTNAME: '',
    SENSOR_TLS_CA: '',
    SENSOR_BATCH_MILLISECONDS: '20',
  })
  const [a, b] = lab.containers
  const flowing = lab.talk(a!, b!, 40_000, { rate: 4000 })
  await Promise.all([first.said(/^stored$/), second.said(/^stored$/)])
  t.equal(await first.stop('SIGKILL'), 'SIGKILL')
  await second.said(/^stored$/, second.lines.length + 20)
  await server.stop('SIGKILL')
  await server.start()
  await flowing
  // Stopped while it waits for its next attempt, it would leave batches in its spool.
  await lab.drained(sensor)
  const sent = await lab.sent()
  t.equal(sent, 2 * lab.talked, "the kernel's count of frames on the containers' pairs")

  t.equal(await sensor.stop(), 0, sensor.log())
  const { final } = sensor
  const lost = sumOf(final.lost)
  t.equal(final.captured, final.stored + final.spooled + lost, 'the accounts of the sensor')
  t.equal(final.captured, sent)
  t.equal(final.spooled + lost, 0)
  const settled = async () => (await manager.streams.info(streamName)).state.messages === 0
  await until(() => settled().catch(() => false))
  const seen = new Set<string>()
  const stored = await eachStored(lab.store, ({ interface: { name }, direction, data }) => {
    seen.add(`${name} ${direction} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt32BE(42)}`)
  })
  t.equal(stored, sent, `sent ${sent} = stored ${stored}`)
  t.equal(seen.size, stored, 'none is stored twice')
})
