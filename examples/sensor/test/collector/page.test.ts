import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Browser, chromium, type Page } from 'playwright-core'
import { openFile } from 'ringtap'
import type { Test } from 'tap'
import type { Report } from '../../src/wire/report.js'
import t from '../support/live.js'
import { key, makeBatch, signBatch } from './support/batches.js'
import { type Running, send, sendSigned, startCollector, token } from './support/collectors.js'
import { makeReport, signReport } from './support/reports.js'

/** Where to leave pictures of the page, to look at. */
const pictures = process.env.SENSOR_TEST_PICTURES
const second = 1_000_000_000n

let browser: Browser
t.before(async () => {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'], timeout: 0 })
})
t.teardown(() => browser?.close())

/** Opens a page of its own; errors of its scripts, and requests that fail, are collected. */
async function openPage(
  t: Test,
  { width = 1280, height = 900, dark = false } = {},
): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    ignoreHTTPSErrors: true,
    timezoneId: 'Europe/Berlin',
    locale: 'en-GB',
  })
  t.teardown(() => context.close())
  // The time limit is the runner's.
  context.setDefaultTimeout(0)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText
    // The browser gives up what a page has asked for when it goes to the next page.
    if (reason !== 'net::ERR_ABORTED') errors.push(`${request.url()}: ${reason}`)
  })
  return { page, errors }
}

async function logIn(page: Page, { port }: Running): Promise<void> {
  await page.goto(`https://127.0.0.1:${port}/`)
  await page.fill('input[name=token]', token)
  await page.click('button[type=submit]')
  await page.waitForSelector('#list')
}

const interfaces = (round: number): Report['interfaces'] => [
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((index) => ({
    name: `veth${index}a7c${index}`,
    index: 10 + index,
    present: index < 8,
    selected: true,
    received: round * index * 1000,
    delivered: round * index * 990,
    bytes: round * index * 990 * 700,
    truncated: 0,
    dropped: round * index * 10,
    unselected: 0,
    container: {
      id: 'f00dcafe'.repeat(8),
      name: `web-${index}`,
      ...(index % 2 ? { pod: `shop-${index}-7d9f8b6c5-x2x9z`, namespace: 'production' } : {}),
    },
  })),
  {
    ...{ name: '<img src=x onerror=alert(1)>', index: 40, present: true, selected: true },
    ...{ delivered: round * 7, bytes: round * 700, truncated: 0, unselected: 0 },
  },
]

/** A fleet of four sensors: one well, one that loses, one that ended, one that was silent for long. */
async function fillCollector(collector: Running): Promise<void> {
  const start = BigInt(Date.now()) * 1_000_000n - 600n * second
  const packets = Array.from({ length: 500 }, (_, at) => start + BigInt(at) * second)
  for (const [sensor, withKey] of [
    ['node-1', key],
    ['edge-7', `${key}-of-all`],
  ] as const) {
    const batch = await makeBatch({ sensor, packets })
    const { status } = await sendSigned(collector, signBatch(batch, {}, withKey), batch.bytes)
    if (status !== 200) throw new Error(`status ${status}`)
  }
  const amount = (round: number) => ({ batches: round * 10, packets: round * 35_000, bytes: round * 4_000_000 })
  for (let round = 1; round <= 5; round++) {
    const totals = { ...makeReport().totals, captured: round * 36_000, stored: amount(round) }
    const { lost } = makeReport()
    const common = { interfaces: interfaces(round), totals }
    const reports: [Report, string][] = [
      [makeReport({ ...common, lost: { ...lost, ring: round * 3 }, lossRatio: 0.00008, lag: 850 }), key],
      [
        makeReport({
          ...{ name: 'edge-7', host: 'edge-7.example', ...common, lossRatio: 0.062, lag: 95_000 },
          lost: { ...lost, ring: round * 900, spool: round * 1200 },
          spool: { batches: 80, packets: 310_000, bytes: 42_000_000, limit: 64 * 2 ** 20 },
          states: [
            { name: 'snapshot-length', active: true, entered: 1, lasted: 4000, detail: '128 bytes of each packet' },
          ],
        }),
        `${key}-of-all`,
      ],
      [makeReport({ name: 'db-3', ...common, final: round === 5 }), `${key}-of-all`],
    ]
    for (const [report, withKey] of reports) {
      const { head, body } = signReport(report, round, withKey)
      const { status } = await sendSigned(collector, head, body)
      if (status !== 200) throw new Error(`status ${status}`)
    }
    await setTimeout(400)
  }
}

t.test('the page: sensors, details, charts, alerts, download', async (t) => {
  // However long it takes to look at it, none of them is silent.
  const collector = await startCollector(t, { COLLECTOR_SILENT_SECS: '3600' })
  await fillCollector(collector)
  const { page, errors } = await openPage(t)
  await page.goto(`https://127.0.0.1:${collector.port}/`)
  t.match(page.url(), /\/login$/)
  await page.fill('input[name=token]', 'not the token of it')
  await page.click('button[type=submit]')
  t.match(await page.textContent('.alert'), 'This is not the token')
  t.strictSame(errors, [])
  await logIn(page, collector)
  await page.waitForSelector('.card')
  t.strictSame(await page.locator('.card .name').allTextContents(), ['db-3', 'edge-7', 'node-1'])
  t.strictSame(await page.locator('.card .badge').allTextContents(), ['ended', 'live', 'live'])
  const alerts = (await page.locator('#alerts .alert').allTextContents()).join('\n')
  t.match(alerts, /alarm\s*edge-7\s*6\.2 % of packets lost/)
  t.match(alerts, /notice\s*edge-7\s*snapshot-length: 128 bytes of each packet/)
  t.match(alerts, /warning\s*edge-7\s*95 s behind/)
  t.notMatch(alerts, /node-1|db-3/)

  await page.click('.card:has-text("node-1")')
  await page.waitForSelector('#charts canvas')
  t.equal(await page.locator('#charts canvas').count(), 4)
  t.equal(await page.locator('#interfaces tbody tr').count(), 9)
  t.match(await page.textContent('#interfaces'), '<img src=x onerror=alert(1)>')
  t.match(await page.textContent('#interfaces'), 'production/shop-7-7d9f8b6c5-x2x9z · web-7')
  t.equal(await page.locator('#interfaces img').count(), 0)
  t.match(await page.textContent('#losses'), /ring full/)

  await page.click('[data-last="0"]')
  await page.waitForSelector('#extent:has-text("500 packets")')
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download button[type=submit]')])
  const file = path.join(t.testdirName, 'download.pcapng')
  await download.saveAs(file)
  let count = 0
  await using savefile = await openFile(file)
  for await (const chunk of savefile) count += chunk.packetCount
  t.equal(count, 500)

  await page.fill('#source', '192.0.2.1')
  await page.fill('#source-port', '40000')
  await page.fill('#destination', '2001:db8::1')
  await page.fill('#destination-port', '443')
  await page.click('#cut button[type=submit]')
  await page.waitForSelector('#cuts tbody tr')
  t.match(await page.textContent('#cuts'), /192\.0\.2\.1:40000.*\[2001:db8::1\]:443.*sent/)

  await page.click('form[action="/logout"] button')
  await page.waitForSelector('input[name=token]')
  await page.goto(`https://127.0.0.1:${collector.port}/`)
  t.match(page.url(), /\/login$/)
  t.strictSame(errors, [])
})

t.test('it fits a phone, a laptop and a wide screen, light and dark', async (t) => {
  const collector = await startCollector(t, { COLLECTOR_SILENT_SECS: '5' })
  await fillCollector(collector)
  if (pictures) mkdirSync(pictures, { recursive: true })
  for (const [width, height] of [
    [390, 844],
    [1280, 900],
    [2560, 1440],
  ] as const) {
    for (const dark of [false, true]) {
      const { page, errors } = await openPage(t, { width, height, dark })
      const shoot = async (name: string) => {
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
        t.equal(overflow, 0, `${name} at ${width} does not scroll sideways`)
        const file = `${name}-${width}-${dark ? 'dark' : 'light'}.png`
        if (pictures) await page.screenshot({ path: path.join(pictures, file), fullPage: true })
      }
      await page.goto(`https://127.0.0.1:${collector.port}/login`)
      await shoot('login')
      await logIn(page, collector)
      await page.waitForSelector('.card')
      await shoot('list')
      await page.click('.card:has-text("edge-7")')
      await page.waitForSelector('#charts canvas')
      await page.waitForSelector('#interfaces tbody tr')
      await shoot('detail')
      t.strictSame(errors, [])
      await page.close()
    }
  }
})

t.test('a collector that goes away and comes back, and a sensor that falls silent', async (t) => {
  const directory = t.testdir()
  const collector = await startCollector(t, { COLLECTOR_SILENT_SECS: '1' }, directory)
  const { head, body } = signReport(makeReport(), 0)
  await sendSigned(collector, head, body)
  const { page } = await openPage(t)
  await logIn(page, collector)
  await page.waitForSelector('.alert:has-text("silent for")')
  t.match(await page.textContent('.card .badge'), 'silent')
  await collector.kill('SIGTERM')
  await page.waitForSelector('#offline:not([hidden])')
  await startCollector(t, { COLLECTOR_PORT: String(collector.port), COLLECTOR_SILENT_SECS: '1' }, directory)
  await page.waitForSelector('#offline', { state: 'hidden' })
  await page.waitForSelector('.card .badge:has-text("silent")')
})

t.test('access: by token or session only, with strict headers', async (t) => {
  const collector = await startCollector(t)
  await fillCollector(collector)
  const get = (target: string, headers: Record<string, string> = {}) => send(collector, { path: target, headers })
  const bearer = { authorization: `Bearer ${token}` }
  const targets = [
    '/app.js',
    '/uplot.js',
    '/metrics',
    '/api/overview',
    '/api/sensors/node-1/rates',
    '/api/sensors/node-1/cuts',
    '/api/sensors/node-1/packets?from=0&to=9',
    '/api/sensors/node-1/stored?from=0&to=9',
  ]
  for (const target of targets) t.equal((await get(target)).status, 401, target)
  t.equal((await send(collector, { path: '/api/cuts', method: 'POST' })).status, 401)
  const wrong = [
    { cookie: 'session=99999999999999.'.padEnd(90, '0') },
    { authorization: 'Bearer x' },
    { authorization: `Basic ${token}` },
  ]
  for (const headers of wrong) t.equal((await get('/api/overview', headers)).status, 401)

  const login = await send(collector, {
    ...{ path: '/login', method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    body: `token=${encodeURIComponent(token)}`,
  })
  t.equal(login.status, 303)
  const cookie = String(login.headers['set-cookie'])
  t.match(cookie, /^session=\d+\.[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure$/)
  const session = { cookie: cookie.split(';')[0]! }
  const overview = await get('/api/overview', session)
  t.equal(overview.status, 200)
  t.match(overview.headers, {
    'content-security-policy': /^default-src 'none'; script-src 'self';/,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
  t.equal((await get('/api/overview', bearer)).status, 200)
  const cut = (headers: Record<string, string>, body: object) =>
    send(collector, {
      ...{ path: '/api/cuts', method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
      body: JSON.stringify(body),
    })
  const connection = { sensor: 'node-1', source: '192.0.2.1', sourcePort: 1, destination: '::1', destinationPort: 2 }
  t.equal((await cut({ ...session, origin: 'https://evil.example' }, connection)).status, 403)
  t.equal((await cut({ ...session, 'sec-fetch-site': 'cross-site' }, connection)).status, 403)
  t.equal((await cut(session, { ...connection, source: 'evil' })).status, 400)
  t.equal((await cut(session, { ...connection, sensor: '../x' })).status, 400)
  t.equal((await cut(session, connection)).status, 201)
  for (const bad of ['from=1', 'from=2&to=1', 'from=x&to=1', 'from=0&from=1&to=2']) {
    t.equal((await get(`/api/sensors/node-1/packets?${bad}`, session)).status, 400, bad)
  }
  t.equal((await get('/api/sensors/..%2f..%2fetc/packets?from=0&to=1', session)).status, 400)
  t.equal((await get('/api/sensors/node-1/packets?from=0&to=1', session)).status, 404)
  t.match((await get('/metrics', bearer)).body.toString(), /^collector_reports_total 15$/m)

  // The cut is in the next answer, until the sensor reports on it.
  const [listed] = JSON.parse((await get('/api/sensors/node-1/cuts', session)).body.toString())
  const sendReport = async (report: Report, sequence: number) => {
    const { head, body } = signReport(report, sequence)
    return (await sendSigned(collector, head, body)).answer
  }
  t.match(await sendReport(makeReport(), 6), { outcome: 'noted', cut: [{ id: listed.cut.id, source: '192.0.2.1' }] })
  const cuts: Report['cuts'] = [{ id: listed.cut.id, outcome: 'cut', resets: 2 }]
  await sendReport(makeReport({ cuts }), 7)
  t.notOk('cut' in (await sendReport(makeReport(), 8)))

  for (let count = 0; count < 12; count++) await get('/api/overview', { authorization: 'Bearer wrong' })
  t.equal((await get('/api/overview', bearer)).status, 401, 'the right token, after too many wrong ones')
  t.equal((await get('/api/overview', session)).status, 200, 'a session goes on')
})

t.test('without a token there is no page', async (t) => {
  const collector = await startCollector(t, { COLLECTOR_TOKEN: '' })
  for (const target of ['/', '/login', '/api/overview', '/metrics']) {
    t.equal((await send(collector, { path: target })).status, 404, target)
  }
})
