import t from 'tap'
import type { Mistake } from '../../src/common/variables.js'
import { readSettings, type Settings } from '../../src/sensor/settings.js'

const required = { VSENSOR_HOSTNAME: 'collector.example', VSENSOR_HMAC_KEY: 'a key that is long enough' }

async function settingsOf(environment: Record<string, string>): Promise<Settings> {
  const result = await readSettings({ ...required, ...environment })
  if ('mistakes' in result) throw new Error(JSON.stringify(result.mistakes))
  return result.settings
}

async function mistakesOf(environment: Record<string, string>): Promise<readonly Mistake[]> {
  const result = await readSettings(environment)
  return 'mistakes' in result ? result.mistakes : []
}

t.test('defaults', async (t) => {
  const settings = await settingsOf({})
  t.match(settings, {
    collector: { host: 'collector.example', port: 443, ca: undefined },
    nats: undefined,
    interfaces: { include: [], exclude: [], loopback: false, hotplug: false },
    wait: { seconds: 5, attempts: 3 },
    filter: undefined,
    spool: { path: undefined, bytes: 64 << 20 },
    limit: { bytes: 0, packets: 0, action: 'wait' },
    log: { debug: 1, level: 'info', path: undefined },
    response: { enabled: true, period: 5 },
    unknown: [],
  })
  t.match(settings.name, /^[A-Za-z0-9][\w-]*$/)
})

t.test('every mistake is reported at once, by its variable', async (t) => {
  const mistakes = await mistakesOf({
    VSENSOR_HOSTNAME: 'collector.example:8443',
    VSENSOR_PORT: '0',
    OSSENSOR_DEBUG: '6',
    NETWORK_DEVICE_ANY: 'perhaps',
    NETWORK_DEVICE_INCLUDELIST: '^eth (',
    BPF: ') or (',
    SENSOR_TLS_CERT: '/nonexistent',
    SENSOR_SPOOL_BYTES: 'much',
    LOG_LVL: 'loud',
  })
  const of = (variable: string) => mistakes.filter((one) => one.variable === variable).map(({ message }) => message)
  t.match(of('VSENSOR_HMAC_KEY'), [/is required/])
  t.match(of('VSENSOR_HOSTNAME'), [/VSENSOR_PORT=8443/])
  t.match(of('VSENSOR_PORT'), [/from 1 to 65535/])
  t.match(of('OSSENSOR_DEBUG'), [/from 0 to 5/])
  t.match(of('NETWORK_DEVICE_ANY'), [/true or false/])
  t.match(of('NETWORK_DEVICE_INCLUDELIST'), [/"\(" is not a valid extended regular expression/])
  t.match(of('BPF'), [/syntax error/])
  t.match(of('SENSOR_TLS_KEY'), [/required with SENSOR_TLS_CERT/])
  t.match(of('SENSOR_TLS_CERT'), [/cannot be read/])
  t.match(of('SENSOR_SPOOL_BYTES'), [/number of bytes/])
  t.match(of('LOG_LVL'), [/debug, info, warn/])
  t.equal(mistakes.length, 11)
})

t.test('a wrong filter does not hide paths that cannot be opened', async (t) => {
  const file = `${t.testdir({ file: '' })}/file`
  const paths = ['OSSENSOR_CONFIG_PATH', 'OSSENSOR_LOGFILE_PATH', 'SENSOR_SPOOL_PATH']
  const given = Object.fromEntries(paths.map((name) => [name, `${file}/below`]))
  const mistakes = await mistakesOf({ ...required, BPF: ') or (', ...given })
  t.strictSame(
    mistakes.map(({ variable }) => variable),
    ['BPF', ...paths],
  )
})

t.test('hosts', async (t) => {
  const hosts = ['10.0.0.1', '2001:db8::1', '[2001:db8::1]', 'a.example', 'a_b.example.']
  for (const host of hosts) {
    t.equal((await settingsOf({ VSENSOR_HOSTNAME: host })).collector?.host, host.replace(/[[\]]/g, ''))
  }
  const list = 'sensors-collector-production.internal,other'
  const wrong = ['https://a.example', 'a b', 'a/b', '[::1', 'a..b', '.', '.a', 'a-.b', 'x'.repeat(300), 'x'.repeat(64)]
  for (const host of [...wrong, list, `${'a.'.repeat(127)}a`]) {
    t.match(await mistakesOf({ ...required, VSENSOR_HOSTNAME: host }), [{ variable: 'VSENSOR_HOSTNAME' }], host)
  }
})

t.test('white space alone is not a value', async (t) => {
  const settings = await settingsOf({ BPF: ' \t\n', VSENSOR_PORT: '  ', NETWORK_DEVICE_INCLUDELIST: ' ', IFACE: ' ' })
  t.match(settings, { filter: undefined, collector: { port: 443 }, interfaces: { include: [], loopback: false } })
  t.match(await mistakesOf({ ...required, VSENSOR_HMAC_KEY: '  ' }), [{ variable: 'VSENSOR_HMAC_KEY' }])
})

t.test('lists, and their older names where the new ones are empty', async (t) => {
  const both = { NETWORK_DEVICE_INCLUDELIST: ' ^eth\t^en\n', NETWORK_DEVICE_WHITELIST: '^wan' }
  t.match((await settingsOf(both)).interfaces, { include: ['^eth', '^en'], loopback: true, hotplug: false })
  const older = { NETWORK_DEVICE_INCLUDELIST: ' ', NETWORK_DEVICE_WHITELIST: '^wan', NETWORK_DEVICE_BLACKLIST: 'x y' }
  t.match((await settingsOf({ ...older, NETWORK_DEVICE_ANY: '1' })).interfaces, {
    include: ['^wan'],
    exclude: ['x', 'y'],
    hotplug: true,
  })
})

t.test('exactly one device', async (t) => {
  t.strictSame((await settingsOf({ OSSENSOR_NETWORK_DEVICE: 'eth0' })).interfaces, ['eth0'])
  t.strictSame((await settingsOf({ IFACE: 'eth1' })).interfaces, ['eth1'])
  t.match(await mistakesOf({ ...required, IFACE: 'a', OSSENSOR_NETWORK_DEVICE: 'b' }), [{ variable: 'IFACE' }])
  t.match(await mistakesOf({ ...required, IFACE: 'a b' }), [{ variable: 'IFACE' }])
})

t.test('secrets may be in files, and are masked', async (t) => {
  const folder = t.testdir({ key: 'the key in the file\n', empty: '\n' })
  const { VSENSOR_HMAC_KEY: _, ...rest } = required
  const settings = await readSettings({ ...rest, VSENSOR_HMAC_KEY_FILE: `${folder}/key` })
  t.match(settings, { settings: { key: Buffer.from('the key in the file') } })
  t.notMatch(JSON.stringify((settings as { settings: Settings }).settings.effective), /the key in/)
  t.match(await mistakesOf({ ...required, VSENSOR_HMAC_KEY_FILE: `${folder}/key` }), [{ variable: 'VSENSOR_HMAC_KEY' }])
  for (const file of ['empty', 'none']) {
    const mistakes = await mistakesOf({ ...rest, VSENSOR_HMAC_KEY_FILE: `${folder}/${file}` })
    t.match(mistakes, [{ variable: 'VSENSOR_HMAC_KEY' }])
    t.equal(mistakes.length, 1)
  }
})

t.test('sizes', async (t) => {
  const sizes: [string, number][] = [
    ['1000000', 1_000_000],
    ['64k', 65_536],
    ['2 GiB', 2 ** 31],
    ['3MB', 3 << 20],
  ]
  for (const [text, bytes] of sizes) {
    t.equal((await settingsOf({ SENSOR_SPOOL_BYTES: text })).spool.bytes, bytes, text)
  }
  t.match(await mistakesOf({ ...required, SENSOR_MEMORY: '1M' }), [{ variable: 'SENSOR_MEMORY' }])
})

t.test('a batch is a 64th of the memory, unless its size is set', async (t) => {
  const batchOf = async (given: Record<string, string>) => (await settingsOf(given)).batch.bytes
  t.equal(await batchOf({ SENSOR_MEMORY: '128M' }), 2 * 2 ** 20)
  t.equal(await batchOf({ SENSOR_MEMORY: '192M' }), 3 * 2 ** 20)
  t.equal(await batchOf({ SENSOR_MEMORY: '4G' }), 4 * 2 ** 20)
  t.equal(await batchOf({ SENSOR_MEMORY: '4G', SENSOR_BATCH_BYTES: '64k' }), 65_536)
  t.match((await settingsOf({ SENSOR_MEMORY: '192M' })).effective, { SENSOR_BATCH_BYTES: 3 * 2 ** 20 })
})

t.test('NATS in place of a collector', async (t) => {
  const folder = t.testdir({ creds: 'a seed' })
  const { VSENSOR_HOSTNAME: _, ...key } = required
  const nats = { ...key, NATS_URL: 'nats://user:secret@nats.example:4222', NATS_CREDS_FILE: `${folder}/creds` }
  const settings = await readSettings(nats)
  t.match(settings, { settings: { collector: undefined, nats: { credentials: 'a seed' } } })
  t.notMatch(JSON.stringify((settings as { settings: Settings }).settings.effective), /secret/)
  t.match(await mistakesOf({ ...key, NATS_URL: 'http://x' }), [{ variable: 'NATS_URL' }])
})

t.test('variables that are no settings are named', async (t) => {
  const { unknown } = await settingsOf({ SENSOR_SPOOL: '/x', OSSENSOR_DEBUGG: '1', PATH: '/bin', NATS_URL_FILE: '' })
  t.strictSame(unknown, ['OSSENSOR_DEBUGG', 'SENSOR_SPOOL'])
})

t.test('a name that no sensor can have', async (t) => {
  for (const name of ['a/b', '-a', 'ä', 'x'.repeat(64), '*']) {
    t.match(await mistakesOf({ ...required, SENSOR_NAME: name }), [{ variable: 'SENSOR_NAME' }], name)
  }
})
