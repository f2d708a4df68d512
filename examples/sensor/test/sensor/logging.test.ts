// What the sensor logs at each level, and where.
import { readFileSync, renameSync } from 'node:fs'
import { inject } from 'ringtap'
import type { Line } from '../../src/demo/program.js'
import { Bench, frames } from '../support/bench.js'
import t from '../support/live.js'
import { startSensor } from '../support/program.js'
import { addVeth, ip } from '../support/veth.js'
import { until } from '../support/wait.js'

addVeth('eth0', 'peer0')
const bench = new Bench(t.testdir())

/** The numbers of the frames in hex dumps. */
function numbersIn(lines: readonly Line[]): number[] {
  return lines.flatMap(({ dump }) => {
    const [, hex = ''] = /^0{7}0 {2}(.{48})/.exec(String(dump)) ?? []
    return dump === undefined ? [] : [Buffer.from(hex.replaceAll(' ', ''), 'hex').readUInt16BE(14)]
  })
}

t.test('each debug level adds to those below', async (t) => {
  for (const level of ['0', '1', '2', '3', '4', '5']) {
    const collector = await bench.collector(t)
    const more = { OSSENSOR_DEBUG: level, OSSENSOR_STATISTICS: '1' }
    const sensor = startSensor(t, bench.settings(collector, more))
    await sensor.said(/^capturing$/)
    await inject('eth0', frames(5, { size: 100 }))
    await until(() => collector.packets === 5)
    if (level !== '0') await sensor.said(/^statistics$/)
    t.equal(await sensor.stop(), 0)
    const { lines } = sensor
    const has = (pattern: RegExp) => lines.some(({ message }) => pattern.test(message))
    const shown = Number(level)
    t.ok(has(/^capturing$/) && has(/^captured 5 = stored 5/), 'always')
    t.equal(has(/^statistics$/), shown >= 1, `statistics at level ${level}`)
    t.equal(has(/^sending a batch$/) && has(/^the collector answered: stored/), shown >= 2, 'sendings')
    const chunks = lines.filter(({ message }) => message === 'chunk')
    const sum = chunks.reduce((packets, { packets: more }) => packets + Number(more), 0)
    t.equal(sum, shown >= 4 ? 5 : 0, 'chunks')
    t.equal(numbersIn(lines).length, shown >= 5 ? 5 : 0, 'packets as hex')
  }
})

t.test('LOG_LVL hides what is less severe', async (t) => {
  const collector = await bench.collector(t)
  const sensor = startSensor(t, bench.settings(collector, { LOG_LVL: 'warn', SENSOR_NO_SUCH_THING: '1' }))
  await sensor.said(/SENSOR_NO_SUCH_THING is not a setting/)
  await until(() => collector.reports.length > 0)
  t.equal(await sensor.stop(), 0)
  t.ok(sensor.lines.every(({ level }) => level === 'warn'))
})

t.test('names of interfaces are escaped', async (t) => {
  const name = 'eth\x1b[1m\u202e'
  addVeth(name, 'peer1')
  t.teardown(() => ip('link', 'del', name))
  const collector = await bench.collector(t)
  const sensor = startSensor(t, bench.settings(collector, { NETWORK_DEVICE_INCLUDELIST: '^eth[^0]' }))
  const { interfaces } = await sensor.said(/^capturing$/)
  t.strictSame(interfaces, ['eth\\x1b[1m\\u202e'])
  t.notMatch(JSON.stringify(sensor.lines), /\\u001b|\u202e/)
  t.equal(await sensor.stop(), 0)
})

t.test('a log file is opened anew at SIGHUP, and the configuration is written without secrets', async (t) => {
  const collector = await bench.collector(t)
  const log = bench.fresh('log')
  const config = bench.fresh('config')
  const more = { OSSENSOR_LOGFILE_PATH: log, OSSENSOR_CONFIG_PATH: config, VSENSOR_HOSTNAME: 'localhost' }
  const sensor = startSensor(t, bench.settings(collector, more))
  await until(() => read(log).includes('"capturing"'))
  renameSync(log, `${log}.1`)
  sensor.kill('SIGHUP')
  await until(() => read(log) === '' && collector.reports.length > 0)
  await inject('eth0', frames(3))
  t.equal(await sensor.stop(), 0)
  t.strictSame([sensor.lines, sensor.stderr], [[], ''])
  t.match(read(log), /captured 3 = stored 3/)
  t.notMatch(read(`${log}.1`), /captured 3 = stored 3/)
  const written = JSON.parse(read(config)) as Record<string, unknown>
  t.match(written, {
    VSENSOR_HMAC_KEY: '********',
    VSENSOR_HOSTNAME: 'localhost',
    OSSENSOR_DEBUG: 1,
    NETWORK_DEVICE_INCLUDELIST: ['^eth0$'],
  })
})

t.test('mistakes are reported at once, with exit code 2', async (t) => {
  const collector = await bench.collector(t)
  const wrong = { OSSENSOR_DEBUG: 'all', BPF: 'prot 80', VSENSOR_HOSTNAME: 'a.example:443' }
  const sensor = startSensor(t, bench.settings(collector, wrong))
  t.equal(await sensor.ended(), 2)
  t.strictSame(sensor.lines, [])
  t.match(sensor.stderr, /^error: VSENSOR_HOSTNAME must not contain a port: set VSENSOR_PORT=443$/m)
  t.match(sensor.stderr, /^error: OSSENSOR_DEBUG /m)
  t.match(sensor.stderr, /^error: BPF .*prot 80/m)
  t.equal(sensor.stderr.split('\n').length, 4)
  const paths = { OSSENSOR_LOGFILE_PATH: '/nonexistent/log', OSSENSOR_CONFIG_PATH: '/nonexistent/config' }
  const second = startSensor(t, bench.settings(collector, paths))
  t.equal(await second.ended(), 2)
  t.match(second.stderr, /^error: OSSENSOR_LOGFILE_PATH .*ENOENT/m)
  t.match(second.stderr, /^error: OSSENSOR_CONFIG_PATH .*ENOENT/m)
})

t.test('without an interface it looks again, and ends with exit code 1', async (t) => {
  const collector = await bench.collector(t)
  const wait = { INTERFACE_WAIT_SECS: '0', INTERFACE_WAIT_ATTEMPTS: '2' }
  const sensor = startSensor(t, bench.settings(collector, { ...wait, NETWORK_DEVICE_INCLUDELIST: '^none' }))
  t.equal(await sensor.ended(), 1)
  t.equal(sensor.lines.filter(({ message }) => /looking again/.test(message)).length, 2)
  t.match(sensor.lines.at(-1), { level: 'error', message: /no interface/ })
  const late = startSensor(
    t,
    bench.settings(collector, { INTERFACE_WAIT_SECS: '1', INTERFACE_WAIT_ATTEMPTS: '60', IFACE: 'late0' }),
  )
  await late.said(/looking again/)
  addVeth('late0', 'plate0')
  await late.said(/^capturing$/)
  await inject('late0', frames(3))
  t.equal(await late.stop(), 0)
  t.equal(late.final.captured, 3)
})

t.test('without the privilege it says what is missing', async (t) => {
  const collector = await bench.collector(t)
  const drop = ['setpriv', '--inh-caps', '-net_raw', '--bounding-set', '-net_raw']
  const sensor = startSensor(t, bench.settings(collector), drop)
  t.equal(await sensor.ended(), 1)
  t.match(sensor.lines.at(-1), { level: 'error', message: /CAP_NET_RAW/ })
})

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
