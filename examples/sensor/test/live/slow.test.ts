// A collector that reads slower than packets come: behind a proxy that passes on so many bytes per second.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { Test } from 'tap'
import { collectorAddress, collectorPort } from '../../src/demo/lab.js'
import { figures, labFor, settle } from '../support/end-to-end.js'
import t from '../support/live.js'

/** Listens on a port of 127.0.0.1. `rate.bytes` per second of all connections together are passed on to the collector. */
async function slowProxy(t: Test, rate: { bytes: number }): Promise<number> {
  let credit = 0
  const waiting: (() => void)[] = []
  const timer = setInterval(() => {
    credit = Math.min(credit + rate.bytes / 20, rate.bytes)
    for (const resume of waiting.splice(0)) resume()
  }, 50)
  const server = createServer((client) => {
    const collector = connect(collectorPort, collectorAddress)
    collector.pipe(client)
    client.on('data', (data: Buffer) => {
      client.pause()
      const pass = () => {
        if (credit <= 0) {
          waiting.push(pass)
          return
        }
        credit -= data.length
        collector.write(data)
        client.resume()
      }
      pass()
    })
    client.on('end', () => collector.end())
    for (const [one, other] of [
      [client, collector],
      [collector, client],
    ] as const) {
      one.on('error', () => other.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    clearInterval(timer)
    server.close()
  })
  return (server.address() as AddressInfo).port
}

t.test('what does not fit into memory waits in the spool', async (t) => {
  const lab = await labFor(t, 2)
  await lab.startCollector()
  const rate = { bytes: 20_000 } // far less than comes, however slow the machine is
  const port = await slowProxy(t, rate)
  const sensor = await lab.startSensor({
    VSENSOR_HOSTNAME: 'localhost',
    VSENSOR_PORT: String(port),
    OSSENSOR_STATISTICS: '1',
    SENSOR_BATCH_BYTES: '65536',
    SENSOR_MEMORY: '128M',
  })
  const [a, b] = lab.containers
  const waits = figures(sensor, (line) => (line['spooled'] as number) > 0)
  // 20 MB that cannot be compressed: more than waits in memory, and less than ring and overflow hold together, so that none
  // is lost however slow the machine is.
  await lab.talk(a!, b!, 10_000, { size: 1000, rate: 4000, random: true })
  await waits
  rate.bytes = 1e9
  await lab.drained(sensor)
  const { lost } = await settle(t, lab, sensor)
  t.equal(lost, 0)
})

t.test('beyond the spool, the oldest are lost, and counted', async (t) => {
  const lab = await labFor(t, 2)
  await lab.startCollector()
  const rate = { bytes: 20_000 }
  const port = await slowProxy(t, rate)
  const sensor = await lab.startSensor({
    VSENSOR_HOSTNAME: 'localhost',
    VSENSOR_PORT: String(port),
    SENSOR_BATCH_BYTES: '65536',
    SENSOR_SPOOL_BYTES: '4M',
    SENSOR_MEMORY: '128M',
  })
  const [a, b] = lab.containers
  // 32 MB, of which ring and overflow hold the most part: they are no bottleneck, however slow the machine is.
  await lab.talk(a!, b!, 16_000, { size: 1000, rate: 4000, random: true })
  rate.bytes = 1e9
  await lab.drained(sensor)
  const { final, lost, stored } = await settle(t, lab, sensor)
  t.ok(stored > 0)
  t.ok(lost > 0)
  t.equal(lost, final.lost['spool'], 'for this cause alone')
})
