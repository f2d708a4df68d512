// Limits of the sensor: what is beyond them waits, is lost and counted, or is not captured any more.
import { frame, inject } from 'ringtap'
import { Bench, frames } from '../support/bench.js'
import t from '../support/live.js'
import { startSensor } from '../support/program.js'
import { addVeth } from '../support/veth.js'
import { until } from '../support/wait.js'

addVeth('eth0', 'peer0')
const bench = new Bench(t.testdir())
const plain = { SENSOR_COMPRESS: 'none', SENSOR_BATCH_BYTES: '20000' }

t.test('batches beyond a rate are lost and counted, if the limit says so', async (t) => {
  const collector = await bench.collector(t)
  // The first batch overdraws what a second allows so far that no other passes for minutes, however slow the machine is.
  const limit = { SENSOR_LIMIT_BYTES: '100', SENSOR_LIMIT_ACTION: 'drop' }
  const sensor = startSensor(t, bench.settings(collector, { ...plain, ...limit }))
  await sensor.said(/^capturing$/)
  await inject('eth0', frames(1000, { size: 400 }))
  await sensor.said(/^limit: batches beyond 100 bytes\/s are lost/)
  t.equal(await sensor.stop(), 0)
  const { captured, stored, lost } = sensor.final
  t.equal(captured, 1000)
  t.ok(stored > 0 && stored < 500, `${stored} are stored`)
  t.equal(lost['limit'], 1000 - stored)
  t.equal(collector.packets, stored)
  t.match(collector.reports.at(-1), { final: true, lost: { limit: 1000 - stored } })
})

t.test('batches beyond a rate wait, if the limit says so', async (t) => {
  const collector = await bench.collector(t)
  const sensor = startSensor(t, bench.settings(collector, { ...plain, SENSOR_LIMIT_BYTES: '100000' }))
  await sensor.said(/^capturing$/)
  await inject('eth0', frames(500, { size: 400 }))
  await until(() => collector.packets === 500)
  t.equal(await sensor.stop(), 0)
  t.match(sensor.final, { captured: 500, stored: 500 })
})

t.test('beyond a rate of packets the capture is reduced: headers, then a share of the flows', async (t) => {
  const collector = await bench.collector(t)
  const sensor = startSensor(t, bench.settings(collector, { SENSOR_LIMIT_PACKETS: '50' }))
  await sensor.said(/^capturing$/)
  // 64 flows, of which about a half is in a sample of one of two.
  const flows = Array.from({ length: 64 }, (_, i) =>
    frame({
      ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
      ipv4: { source: `10.0.${i}.1`, destination: '192.0.2.9' },
      udp: { sourcePort: 1, destinationPort: 2 },
      payload: new Uint8Array(1000),
    }),
  )
  const reduced = () => sensor.lines.some(({ message }) => /^sampling: 1 of 4 flows/.test(message))
  let sent = 0
  while (!reduced()) {
    const { sent: more } = await inject('eth0', flows)
    sent += more
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const states = sensor.lines.map(({ state }) => state).filter((state) => state !== undefined)
  t.strictSame(states.slice(0, 2), ['snapshot-length', 'sampling'])
  t.equal(await sensor.stop(), 0)
  const { captured, stored } = sensor.final
  t.ok(captured < sent, `${captured} of ${sent} are captured`)
  t.equal(captured + (sensor.final['sampledOut'] as number), sent, 'the rest is counted')
  t.equal(stored, captured)
  t.equal(collector.packets, captured)
  const report = collector.reports.at(-1)
  t.match(report?.states, [
    { name: 'snapshot-length', entered: 1, detail: '128 bytes of each packet' },
    { name: 'sampling', entered: 1 },
  ])
  t.equal(report?.totals.sampledOut, sent - captured)
  t.ok((report?.interfaces[0]?.truncated ?? 0) > 0)
})
