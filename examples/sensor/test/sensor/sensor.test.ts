// The program against a collector behind TLS, in a network namespace: every packet is accounted for.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { frame, inject } from 'ringtap'
import { Bench, frames } from '../support/bench.js'
import { figures } from '../support/end-to-end.js'
import t from '../support/live.js'
import { startSensor } from '../support/program.js'
import { addVeth, ip } from '../support/veth.js'
import { until } from '../support/wait.js'

addVeth('eth0', 'peer0')
const bench = new Bench(t.testdir())

t.test('what is captured is stored, and the sensor says so', async (t) => {
  const collector = await bench.collector(t)
  const sensor = startSensor(t, bench.settings(collector))
  await sensor.said(/^capturing$/)
  await inject('eth0', frames(1000))
  await until(() => collector.packets === 1000)
  t.equal(await sensor.stop(), 0, sensor.stderr)
  const { captured, stored, spooled, lost, message } = sensor.final
  t.strictSame({ captured, stored, spooled }, { captured: 1000, stored: 1000, spooled: 0 })
  t.ok(Object.values(lost).every((count) => count === 0))
  t.equal(message, 'captured 1000 = stored 1000 + spooled 0 + lost 0')
  t.equal(collector.packets, 1000)
  t.equal(collector.duplicates, 0)
  t.strictSame(collector.refused, [])
  t.strictSame(
    // Several may be under way at once.
    collector.batches.map(({ head }) => head.sequence).sort((a, b) => a - b),
    collector.batches.map((_, i) => i),
  )
  const last = collector.reports.at(-1)
  t.equal(last?.final, true)
  t.match(last, { totals: { captured: 1000, stored: { packets: 1000 }, waiting: { packets: 0 } }, name: 'node-1' })
  t.match(last?.interfaces, [{ name: 'eth0', delivered: 1000, selected: true }])
})

t.test('while the collector is away batches are spooled, and sent in order when it is back', async (t) => {
  const collector = await bench.collector(t)
  const spool = bench.fresh('spool')
  const sensor = startSensor(
    t,
    bench.settings(collector, { SENSOR_SPOOL_PATH: spool, SENSOR_SPOOL_MIN_FREE: '0', SENSOR_WINDOW: '1' }),
  )
  await sensor.said(/^capturing$/)
  await inject('eth0', frames(100))
  // Its answer has arrived, too.
  await until(() => collector.packets === 100 && spooled(spool).length === 0)
  await collector.close()
  for (let round = 1; round <= 5; round++) {
    await inject('eth0', frames(100, { start: 100 * round }))
    await until(() => spooledPackets(spool) === 100 * round)
  }
  t.equal(collector.packets, 100)
  await collector.listen()
  await until(() => collector.packets === 600)
  await inject('eth0', frames(100, { start: 600 }))
  await until(() => collector.packets === 700)
  t.equal(await sensor.stop(), 0)
  t.match(sensor.final, { captured: 700, stored: 700, spooled: 0, recovered: 0 })
  t.strictSame(spooled(spool), [], 'nothing is left in it')
  t.strictSame(readdirSync(spool), [], 'nor its folder')
  const late = collector.batches.slice(1, -1).map(({ head }) => head.sequence)
  t.strictSame(
    late,
    [...late].sort((a, b) => a - b),
    'in order',
  )
  t.ok(sensor.lines.some(({ message }) => message.startsWith('collector-away: over')))
})

t.test('what is spooled at the end is sent by the next start', async (t) => {
  const collector = await bench.collector(t)
  const settings = bench.settings(collector, {
    SENSOR_SPOOL_PATH: bench.fresh('spool'),
    SENSOR_SPOOL_MIN_FREE: '0',
  })
  await collector.close()
  const first = startSensor(t, settings)
  await first.said(/^capturing$/)
  await inject('eth0', frames(300))
  await until(() => spooledPackets(settings['SENSOR_SPOOL_PATH']!) === 300)
  t.equal(await first.stop(), 0)
  t.match(first.final, { captured: 300, stored: 0, spooled: 300 })
  t.equal(first.final.message, 'captured 300 = stored 0 + spooled 300 + lost 0')

  await collector.listen()
  const second = startSensor(t, settings)
  await until(() => collector.packets === 300)
  await second.said(/^capturing$/)
  await inject('eth0', frames(10))
  await until(() => collector.packets === 310)
  t.equal(await second.stop(), 0)
  t.equal(second.final.message, 'captured 10 + recovered 300 = stored 310 + spooled 0 + lost 0')
})

t.test('killed with -9: the spool is recovered, and a batch that was stored before is not stored twice', async (t) => {
  const collector = await bench.collector(t)
  const spool = bench.fresh('spool')
  const settings = bench.settings(collector, { SENSOR_SPOOL_PATH: spool, SENSOR_SPOOL_MIN_FREE: '0' })
  // The collector stores, but its answer does not arrive: the sensor spools what is stored.
  collector.onReply = () => 'hang up'
  const first = startSensor(t, settings)
  await first.said(/^capturing$/)
  await inject('eth0', frames(100))
  // If they are in several batches, one of them is tried again and again, and the others wait for it.
  await until(() => collector.packets > 0 && spooledPackets(spool) === 100)
  await inject('eth0', frames(100, { start: 100 }))
  await until(() => spooledPackets(spool) === 200)
  first.kill('SIGKILL')
  await first.ended()
  // A batch that was being written, cut in its middle, and one of which not even the head is there.
  const [folder] = readdirSync(spool)
  const [whole] = spooled(spool)
  const bytes = readFileSync(whole!)
  const cut = Number(/packets=(\d+)/.exec(bytes.toString('latin1'))?.[1])
  const torn = `${spool}/${folder}/00000000000000-0123456789abcdef-000000000007-9.batch.tmp`
  writeFileSync(torn, bytes.subarray(0, -10))
  writeFileSync(torn.replace('7-9', '8-9'), bytes.subarray(0, 20))

  collector.onReply = undefined
  const second = startSensor(t, settings)
  await until(() => collector.packets === 200 && collector.duplicates >= 1)
  await second.said(/2 of them damaged/)
  t.equal(await second.stop(), 0)
  t.match(second.final, { captured: 0, recovered: 200 + cut, stored: 200, spooled: 0, lost: { spool: cut } })
  t.equal(collector.packets, 200)
})

t.test('killed with -9: what was in memory is counted by the next start', async (t) => {
  const collector = await bench.collector(t)
  const spool = bench.fresh('spool')
  const more = { SENSOR_SPOOL_PATH: spool, SENSOR_SPOOL_MIN_FREE: '0', SENSOR_BATCH_MILLISECONDS: '600000' }
  const settings = bench.settings(collector, { ...more, SENSOR_BATCH_BYTES: '4096', SENSOR_COMPRESS: 'none' })
  const first = startSensor(t, settings)
  await first.said(/^capturing$/)
  // As many as fill some batches, and more for which no batch is complete.
  await inject('eth0', frames(50))
  await until(() => collector.packets >= 30 && spooled(spool).length === 0)
  const stored = collector.packets
  t.ok(stored < 50, `${stored} are stored`)
  await until(() => journalOf(spool).received === 50 && journalOf(spool).settled === stored)
  first.kill('SIGKILL')
  await first.ended()
  const second = startSensor(t, settings)
  await second.said(/was killed/)
  await second.said(/^capturing$/)
  await inject('eth0', frames(1))
  t.equal(await second.stop(), 0)
  t.match(second.final, { captured: 1, recovered: 50 - stored, stored: 1, lost: { killed: 50 - stored } })
  t.equal(collector.packets, stored + 1)
  t.strictSame(collector.lost, { killed: 50 - stored })
})

t.test('a spool that is full evicts the oldest batches, and counts them', async (t) => {
  const collector = await bench.collector(t)
  await collector.close()
  const spool = bench.fresh('spool')
  const limit = 20_000
  const sensor = startSensor(
    t,
    bench.settings(collector, {
      SENSOR_SPOOL_PATH: spool,
      SENSOR_SPOOL_BYTES: String(limit),
      SENSOR_SPOOL_MIN_FREE: '0',
      SENSOR_COMPRESS: 'none',
      SENSOR_BATCH_BYTES: '4096',
    }),
  )
  await sensor.said(/^capturing$/)
  for (let round = 0; round < 10; round++) await inject('eth0', frames(50, { start: 50 * round, size: 400 }))
  await sensor.said(/^spool-full/)
  // All of them have been spooled, and those that are gone have been counted.
  await until(() => journalOf(spool).received === 500 && journalOf(spool).settled === 500 - spooledPackets(spool))
  const size = spooled(spool).reduce((sum, path) => sum + statSync(path).size, 0)
  t.ok(size <= limit + 1000, `${size} bytes`)
  await collector.listen()
  await until(() => spooled(spool).length === 0)
  await inject('eth0', frames(7))
  t.equal(await sensor.stop(), 0)
  const { captured, stored, lost } = sensor.final
  t.equal(captured, 507)
  t.ok((lost['spool'] ?? 0) > 300)
  t.equal(stored + (lost['spool'] ?? 0), 507)
  t.equal(collector.packets, stored)
  t.strictSame(collector.lost, { spool: lost['spool'] }, 'the heads of later batches report them')
})

t.test('without a spool on disk, what cannot be sent is in memory, and lost at the end', async (t) => {
  const collector = await bench.collector(t)
  await collector.close()
  const sensor = startSensor(t, bench.settings(collector, { OSSENSOR_STATISTICS: '1' }))
  await sensor.said(/^capturing$/)
  await inject('eth0', frames(100))
  // What is in no batch yet when it ends at once is lost by another cause.
  await figures(sensor, (line) => line['spooled'] === 100)
  sensor.kill('SIGTERM')
  await sensor.said(/SIGTERM: stopping/)
  t.equal(await sensor.stop('SIGTERM'), 4, 'a second signal ends it at once')
  t.equal(sensor.final.message, 'captured 100 = stored 0 + spooled 0 + lost 100 (unsent 100)')
})

t.test('its own connections are not captured, in either direction, and other traffic on the device is', async (t) => {
  const collector = await bench.collector(t)
  const sensor = startSensor(t, bench.settings(collector, { NETWORK_DEVICE_INCLUDELIST: '^lo$' }))
  await sensor.said(/^capturing$/)
  await inject('lo', frames(100))
  await until(() => collector.packets >= 100)
  // Reconnections, too: each has a port of its own.
  await collector.close()
  await inject('lo', frames(100))
  await sensor.said(/^collector-away/)
  await collector.listen()
  await until(() => collector.packets >= 200)
  t.equal(await sensor.stop(), 0)
  t.match(sensor.final, { captured: 200, stored: 200 })
})

t.test('interfaces that appear later are captured if NETWORK_DEVICE_ANY is set, by the same lists', async (t) => {
  for (const any of ['0', '1']) {
    const collector = await bench.collector(t)
    const lists = { NETWORK_DEVICE_INCLUDELIST: '^eth0$ ^new', NETWORK_DEVICE_EXCLUDELIST: '7' }
    const sensor = startSensor(t, bench.settings(collector, { ...lists, NETWORK_DEVICE_ANY: any }))
    await sensor.said(/^capturing$/)
    for (const name of ['new0', 'new7', 'other0']) {
      addVeth(name, `p${name}`)
      await inject(name, frames(10))
    }
    await inject('eth0', frames(1))
    t.equal(await sensor.stop(), 0)
    t.equal(sensor.final.captured, any === '1' ? 11 : 1)
    t.equal(collector.packets, any === '1' ? 11 : 1)
    for (const name of ['new0', 'new7', 'other0']) ip('link', 'del', name)
  }
})

t.test('a filter is combined in parentheses', async (t) => {
  const collector = await bench.collector(t)
  const sensor = startSensor(t, bench.settings(collector, { BPF: 'ether proto 0x88b5 and len = 77 or len = 78' }))
  await sensor.said(/^capturing$/)
  for (const size of [76, 77, 78, 79]) await inject('eth0', frames(size, { size }))
  t.equal(await sensor.stop(), 0)
  t.equal(sensor.final.captured, 77 + 78)
  t.equal(collector.packets, 77 + 78)
})

t.test('hosts and cuts that the collector names', async (t) => {
  const own = '192.0.2.1'
  ip('addr', 'add', `${own}/24`, 'dev', 'eth0')
  t.teardown(() => ip('addr', 'del', `${own}/24`, 'dev', 'eth0'))
  const cut = {
    id: 'one',
    source: '192.0.2.7',
    sourcePort: 1,
    destination: '192.0.2.8',
    destinationPort: 2,
    until: Date.now() + 60_000,
  }
  const collector = await bench.collector(t, { extras: async () => ({ peers: ['192.0.2.9', own], cut: [cut] }) })
  const sensor = startSensor(t, bench.settings(collector, { ANTIGENA_ENABLED: 'false', ANTIGENA_TIME_PERIOD: '1' }))
  const kept = await sensor.said(/^peers are kept out$/)
  t.strictSame(kept['hosts'], ['192.0.2.9'], 'but never the traffic of this host')
  const to = (destination: string) =>
    frame({
      ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
      ipv4: { source: own, destination },
      udp: { sourcePort: 1, destinationPort: 2 },
    })
  await inject('eth0', [to('192.0.2.9'), to('192.0.2.10'), to('192.0.2.9'), to('192.0.2.11')])
  await until(() => collector.packets === 2)
  await until(() => collector.reports.some(({ cuts }) => cuts.length > 0))
  t.match(collector.reports.find(({ cuts }) => cuts.length > 0)?.cuts, [{ id: 'one', outcome: 'refused', resets: 0 }])
  t.equal(await sensor.stop(), 0)
  t.equal(sensor.final.captured, 2)
})

/** What a running sensor has written down in case it is killed. */
function journalOf(spool: string): { received?: number; settled?: number } {
  const [folder] = readdirSync(spool)
  try {
    return JSON.parse(readFileSync(`${spool}/${folder}/journal`, 'utf8')) as { received: number; settled: number }
  } catch {
    return {}
  }
}

/** The packets in a spool, by the heads of its files. */
function spooledPackets(path: string): number {
  return spooled(path).reduce((sum, file) => {
    try {
      return sum + Number(/packets=(\d+)/.exec(readFileSync(file, 'latin1'))?.[1])
    } catch {
      // It has been sent meanwhile.
      return sum
    }
  }, 0)
}

/** The files of batches below a spool's path. */
function spooled(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.batch'))
    .sort()
    .map((name) => `${path}/${name}`)
}
