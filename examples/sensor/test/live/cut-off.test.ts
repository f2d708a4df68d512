// The collector cannot be reached for a while; is restarted; is killed.
import { labFor, settle } from '../support/end-to-end.js'
import t from '../support/live.js'

t.test('cut off, and back', async (t) => {
  const lab = await labFor(t, 2)
  await lab.startCollector()
  const sensor = await lab.startSensor({ OSSENSOR_STATISTICS: '1' })
  const [a, b] = lab.containers
  await lab.talk(a!, b!, 2000)
  await sensor.said(/^forwarding/)
  lab.cutOff(true)
  // An attempt must fail, by a time-out of TCP or of the transport: that takes as long as it takes.
  while (!sensor.lines.some((line) => line['spooled'] as number)) {
    await lab.talk(a!, b!, 2000)
  }
  await lab.talk(b!, a!, 5000)
  lab.cutOff(false)
  await lab.talk(a!, b!, 2000)
  await lab.drained(sensor)
  const { lost } = await settle(t, lab, sensor)
  t.equal(lost, 0)
})

t.test('restarted', async (t) => {
  const lab = await labFor(t, 2)
  const first = await lab.startCollector()
  const sensor = await lab.startSensor()
  const [a, b] = lab.containers
  const flowing = lab.talk(a!, b!, 20_000, { rate: 5000 })
  await sensor.said(/^forwarding/)
  t.equal(await first.stop(), 0)
  await lab.startCollector()
  await flowing
  await lab.drained(sensor)
  const { lost } = await settle(t, lab, sensor)
  t.equal(lost, 0)
})

t.test('killed in the middle, several times', async (t) => {
  const lab = await labFor(t, 2)
  let collector = await lab.startCollector()
  const sensor = await lab.startSensor({ SENSOR_BATCH_MILLISECONDS: '20', SENSOR_WINDOW: '8' })
  const [a, b] = lab.containers
  const flowing = lab.talk(a!, b!, 30_000, { rate: 5000 })
  await sensor.said(/^forwarding/)
  for (let i = 0; i < 3; i++) {
    t.equal(await collector.stop('SIGKILL'), 'SIGKILL')
    collector = await lab.startCollector()
  }
  await flowing
  await lab.drained(sensor)
  const { lost } = await settle(t, lab, sensor)
  t.equal(lost, 0)
})
