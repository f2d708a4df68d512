// The sensor is killed while batches wait in its spool, and started again.
import { figures, labFor, settle } from '../support/end-to-end.js'
import t from '../support/live.js'

t.test('what was spooled is recovered and sent, once', async (t) => {
  const lab = await labFor(t, 2)
  const settings = { OSSENSOR_STATISTICS: '1' }
  const [a, b] = lab.containers
  const first = await lab.startSensor(settings)
  await lab.talk(a!, b!, 5000)
  const sent = 2 * lab.talked
  await figures(first, (line) => line['spooled'] === sent)
  t.equal(await first.stop('SIGKILL'), 'SIGKILL')

  // Spooled again by a second one, which recovers what the first has left, and is killed too.
  const second = await lab.startSensor(settings)
  await lab.talk(b!, a!, 1000)
  await figures(second, (line) => line['spooled'] === 2 * lab.talked)
  t.equal(await second.stop('SIGKILL'), 'SIGKILL')

  await lab.startCollector()
  const third = await lab.startSensor(settings)
  await lab.talk(a!, b!, 1000)
  const { final, lost } = await settle(t, lab, third)
  t.equal(final.recovered, sent + 2000)
  t.equal(final.captured, 2000)
  t.equal(lost, 0)
})
