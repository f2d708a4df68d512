// Probes, metrics, and two sensors that overlap.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { request as send } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { inject } from 'ringtap'
import { Bench, frames } from '../support/bench.js'
import t from '../support/live.js'
import { startSensor } from '../support/program.js'
import { addVeth } from '../support/veth.js'
import { until } from '../support/wait.js'

addVeth('eth0', 'peer0')
const bench = new Bench(t.testdir())
const probe = fileURLToPath(new URL('../../src/sensor/probe.js', import.meta.url))

function get(where: { port?: number; socketPath?: string }, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = send({ ...where, host: '127.0.0.1', path }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode!, body }), reject)
    })
    request.once('error', reject)
    request.end()
  })
}

t.test('healthy, ready once it captures, and every figure as a metric', async (t) => {
  const collector = await bench.collector(t)
  const socketPath = bench.fresh('s')
  const more = { SENSOR_HEALTH_PORT: '9477', SENSOR_HEALTH_SOCKET: socketPath, SENSOR_HEALTH_ADDRESS: '127.0.0.1' }
  const waiting = { ...more, INTERFACE_WAIT_SECS: '1', INTERFACE_WAIT_ATTEMPTS: '100', IFACE: 'late0' }
  const sensor = startSensor(t, bench.settings(collector, waiting))
  await sensor.said(/looking again/)
  t.match(await get({ port: 9477 }, '/healthz'), { status: 200 })
  t.match(await get({ socketPath }, '/readyz'), { status: 503 })
  t.match(await get({ socketPath }, '/metrics'), { status: 200 })
  addVeth('late0', 'plate0')
  await sensor.said(/^capturing$/)
  t.match(await get({ port: 9477 }, '/readyz'), { status: 200 })
  await inject('late0', frames(5, { size: 100 }))
  // The collector has them before its answer has arrived.
  let body = ''
  await until(async () => {
    body = (await get({ socketPath }, '/metrics')).body
    return body.includes('\nsensor_stored_packets_total 5\n')
  })
  for (const line of [
    'sensor_captured_packets_total 5',
    'sensor_stored_packets_total 5',
    'sensor_spooled_packets 0',
    'sensor_waiting_packets 0',
    'sensor_lost_packets_total{cause="ring"} 0',
    'sensor_lost_packets_total{cause="spool"} 0',
    'sensor_retries_total 0',
    'sensor_lag_seconds 0',
  ]) {
    t.ok(body.includes(`\n${line}\n`), line)
  }
  t.match(body, /\nsensor_interface_captured_bytes_total\{interface="late0",index="\d+"\} 500\n/)
  const run = (path: string) =>
    spawnSync(process.execPath, [probe, path], { env: { SENSOR_HEALTH_SOCKET: socketPath }, encoding: 'utf8' }).status
  t.strictSame([run('readyz'), run('healthz'), run('none')], [0, 0, 1])
  t.equal(await sensor.stop(), 0)
  t.equal(run('readyz'), 1)
  t.notOk(existsSync(socketPath))
})

t.test(
  'a new sensor starts beside the old one: port, socket and spool are handed over, no packet is missed',
  async (t) => {
    const collector = await bench.collector(t)
    const socketPath = bench.fresh('s')
    const settings = bench.settings(collector, {
      SENSOR_HEALTH_PORT: '9478',
      SENSOR_HEALTH_ADDRESS: '127.0.0.1',
      SENSOR_HEALTH_SOCKET: socketPath,
      SENSOR_SPOOL_PATH: bench.fresh('spool'),
      SENSOR_SPOOL_MIN_FREE: '0',
    })
    await collector.close()
    const old = startSensor(t, settings)
    await old.said(/^capturing$/)
    await inject('eth0', frames(100))
    await old.said(/^collector-away/)
    const fresh = startSensor(t, settings)
    await fresh.said(/^port 9478 is in use/)
    await fresh.said(/^capturing$/)
    await inject('eth0', frames(50, { start: 100 }))
    t.equal(await old.stop(), 0)
    t.match(old.final, { captured: 150, spooled: 150 })
    await fresh.said(/health is served on port 9478 now/)
    t.match(await get({ port: 9478 }, '/readyz'), { status: 200 })
    await collector.listen()
    await until(() => collector.packets >= 50)
    await inject('eth0', frames(10, { start: 150 }))
    t.equal(await fresh.stop(), 0)
    const { captured, recovered, stored, spooled } = fresh.final
    t.equal(captured, 60)
    t.equal(captured + recovered, stored + spooled)
    t.equal(collector.packets, stored)
  },
)
