// The program over NATS: the same accounts.

import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { inject } from 'ringtap'
import { Bench, frames } from '../support/bench.js'
import { key } from '../support/https-collector.js'
import t from '../support/live.js'
import { NatsServer } from '../support/nats-server.js'
import { startSensor } from '../support/program.js'
import { addVeth } from '../support/veth.js'

addVeth('eth0', 'peer0')
const folder = t.testdir({ nats: {} })
const bench = new Bench(folder)

t.test('batches are in the stream, also those from while the server was away', async (t) => {
  const server = await new NatsServer(`${folder}/nats`).start()
  t.teardown(() => server.stop('SIGKILL'))
  const sensor = startSensor(t, {
    NATS_URL: server.url,
    VSENSOR_HMAC_KEY: key,
    SENSOR_NAME: 'node-1',
    NETWORK_DEVICE_INCLUDELIST: '^eth0$ ^lo$',
    SENSOR_BATCH_MILLISECONDS: '50',
    SENSOR_SPOOL_PATH: bench.fresh('spool'),
    SENSOR_SPOOL_MIN_FREE: '0',
  })
  await sensor.said(/^capturing$/)
  await inject('eth0', frames(100))
  await sensor.said(/^forwarding/)
  await server.stop()
  await inject('eth0', frames(100))
  await sensor.said(/^collector-away/)
  await server.start()
  await sensor.said(/^collector-away: over/)
  await inject('eth0', frames(100))
  t.equal(await sensor.stop(), 0)
  t.equal(sensor.final.message, 'captured 300 = stored 300 + spooled 0 + lost 0', 'without its own connections on lo')

  const connection = await connect({ servers: server.url })
  const { streams } = await jetstreamManager(connection)
  const { state } = await streams.info('RINGTAP', { subjects_filter: 'ringtap.batches.>' })
  await connection.close()
  t.strictSame(Object.keys(state.subjects ?? {}), ['ringtap.batches.node-1'])
  t.equal(state.subjects?.['ringtap.batches.node-1'], sensor.final['batches'])
})
