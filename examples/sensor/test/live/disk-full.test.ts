// A full disk: the sensor's, and the collector's. The disks are small tmpfs, in the test's own mount namespace.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { figures, labFor, settle } from '../support/end-to-end.js'
import t from '../support/live.js'

function mount(...args: string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr}`)
}

t.test("the sensor's: the oldest batches make room, and are counted", async (t) => {
  const lab = await labFor(t, 2)
  mkdirSync(lab.spool)
  mount('-t', 'tmpfs', '-o', 'size=4m', 'spool', lab.spool)
  t.teardown(() => spawnSync('umount', ['-l', lab.spool]))
  const sensor = await lab.startSensor({
    SENSOR_BATCH_BYTES: '65536',
    SENSOR_SPOOL_BYTES: '1G',
    OSSENSOR_STATISTICS: '1',
  })
  const [a, b] = lab.containers
  await lab.talk(a!, b!, 10_000, { size: 1000, rate: 4000, random: true })
  await figures(sensor, (line) => line['captured'] === 20_000 && (line['lost'] as number) > 0)
  await lab.startCollector()
  await lab.talk(b!, a!, 500)
  await lab.drained(sensor)
  const { final, lost, stored } = await settle(t, lab, sensor)
  t.ok(stored > 1000)
  t.equal(lost, final.lost['spool'], 'for this cause alone')
})

t.test("the collector's: it refuses for now, and the sensor keeps what it has", async (t) => {
  const lab = await labFor(t, 2)
  mkdirSync(lab.store)
  // Full of files rather than of bytes: without room for bytes, the collector may remove its oldest files to make some.
  mount('-t', 'tmpfs', '-o', 'size=64m,nr_inodes=100', 'store', lab.store)
  t.teardown(() => spawnSync('umount', ['-l', lab.store]))
  const collector = await lab.startCollector()
  const sensor = await lab.startSensor({ SENSOR_BATCH_BYTES: '65536', OSSENSOR_STATISTICS: '1' })
  const [a, b] = lab.containers
  await lab.talk(a!, b!, 10_000, { size: 1000, rate: 4000, random: true })
  await figures(sensor, (line) => line['captured'] === 20_000 && (line['spooled'] as number) > 0)
  t.equal(collector.running, true)
  mount('-o', 'remount,size=64m,nr_inodes=10000', lab.store)
  await lab.talk(b!, a!, 500)
  await lab.drained(sensor)
  const { lost } = await settle(t, lab, sensor)
  t.equal(lost, 0)
  t.equal(await collector.stop(), 0)
})
