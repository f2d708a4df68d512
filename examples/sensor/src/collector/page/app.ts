/** The page: a list of sensors, and the details of one. */
import type { AlertView, Overview, RangeView, RateView, SensorView } from './api.js'
import { Chart } from './charts.js'
import { byId, element, figures, fill, table } from './elements.js'
import { ago, amount, bits, bytes, count, dateTime, duration, percent } from './format.js'

const overviewInterval = 2000
const ratesInterval = 5000
/** Lines of the chart by interface. */
const maxLines = 6
const lossLimits = { warning: 0.03, alarm: 0.05 }

let overview: Overview | undefined
let shownSensor: string | undefined

const charts = {
  packets: new Chart({ title: 'Packets per second', format: count, minTop: 10 }),
  loss: new Chart({
    title: 'Packets lost',
    format: percent,
    minTop: 0.06,
    limits: [
      { value: lossLimits.warning, color: '--warning' },
      { value: lossLimits.alarm, color: '--alarm' },
    ],
  }),
  bytes: new Chart({ title: 'Traffic', format: bits, minTop: 1000 }),
  interfaces: new Chart({ title: `Packets per second, the ${maxLines} busiest interfaces`, format: count, minTop: 10 }),
}

async function load<Result>(path: string, options?: RequestInit): Promise<Result> {
  const response = await fetch(path, { ...options, headers: { accept: 'application/json', ...options?.headers } })
  if (response.status === 401) location.assign('/login')
  const body = await response.json()
  if (!response.ok) throw new Error(typeof body?.error === 'string' ? body.error : `status ${response.status}`)
  return body as Result
}

async function update(): Promise<void> {
  try {
    overview = await load<Overview>('/api/overview')
    byId('offline').hidden = true
    show()
  } catch (error) {
    const offline = byId('offline')
    fill(offline, element('strong', {}, 'No answer'), ` from the collector: ${(error as Error).message}`)
    offline.hidden = false
  }
}

function show(): void {
  if (!overview) return
  const { time, sensors, alerts } = overview
  fill(byId('updated'), `Updated ${new Date(time).toLocaleTimeString()}`)
  const name = sensorInAddress()
  fill(byId('alerts'), ...alerts.filter(({ sensor }) => name === undefined || sensor === name || !sensor).map(alertOf))
  const sensor = sensors.find((one) => one.name === name)
  byId('list').hidden = sensor !== undefined
  byId('detail').hidden = sensor === undefined
  if (sensor) showSensor(sensor, time)
  else showList(overview)
}

function sensorInAddress(): string | undefined {
  const match = /^#\/([\w-]+)$/.exec(location.hash)
  return match?.[1]
}

function alertOf({ sensor, level, text }: AlertView): HTMLElement {
  const who = sensor === null ? 'Collector' : element('a', { href: `#/${sensor}` }, sensor)
  return element('p', { class: `alert ${level}` }, element('strong', {}, level), who, element('span', {}, text))
}

function showList({ sensors, disk, time }: Overview): void {
  document.title = 'ringtap collector'
  const live = sensors.filter(({ state }) => state === 'live')
  const sum = (value: (sensor: SensorView) => number) => live.reduce((total, sensor) => total + value(sensor), 0)
  fill(
    byId('summary'),
    figures([
      ['Live sensors', `${live.length} of ${sensors.length}`],
      ['Packets', `${count(Math.round(sum(({ rate }) => rate?.packets ?? 0)))}/s`],
      ['Traffic', bits(sum(({ rate }) => rate?.bytes ?? 0))],
      ['Stored', bytes(disk.used) + (disk.limit === null ? '' : ` of ${bytes(disk.limit)}`)],
      ['Disk free', bytes(disk.free)],
    ]),
  )
  const cards = sensors.map((sensor) => cardOf(sensor, time))
  fill(byId('sensors'), ...cards)
  if (sensors.length === 0) fill(byId('sensors'), element('p', { class: 'muted' }, 'No sensor has sent anything yet.'))
}

function cardOf(sensor: SensorView, now: number): HTMLElement {
  const { name, report, stored, lastSeen, state } = sensor
  // Of a sensor that ended or fell silent, rates are of the past.
  const rate = state === 'live' ? sensor.rate : null
  return element(
    'a',
    { class: 'card', href: `#/${name}` },
    element('div', { class: 'title' }, element('span', { class: 'name' }, name), badgeOf(sensor)),
    figures([
      ['Packets', rate ? `${count(Math.round(rate.packets))}/s` : '–'],
      ['Traffic', rate ? bits(rate.bytes) : '–'],
      ['Lost (1 min)', rate && report ? lossOf(report.lossRatio) : '–'],
      ['Interfaces', report ? count(report.interfaces.filter(({ selected }) => selected).length) : '–'],
      ['Stored', bytes(stored.bytes)],
      ['Last seen', ago(lastSeen, now)],
    ]),
  )
}

function badgeOf({ state }: SensorView): HTMLElement {
  const kinds = { live: 'good', silent: 'bad', ended: 'muted', unknown: 'muted' }
  const texts = { live: 'live', silent: 'silent', ended: 'ended', unknown: 'not seen lately' }
  return element('span', { class: `badge ${kinds[state]}` }, texts[state])
}

function lossOf(share: number): HTMLElement {
  const kind = share > lossLimits.alarm ? 'bad' : share > lossLimits.warning ? 'doubtful' : undefined
  return element('span', { class: kind }, percent(share))
}

function showSensor(sensor: SensorView, now: number): void {
  const { name, report, stored, lastSeen, address } = sensor
  document.title = `${name} · ringtap collector`
  fill(byId('name'), name)
  fill(byId('state'), badgeOf(sensor))
  fill(
    byId('about'),
    figures([
      ['Last seen', ago(lastSeen, now)],
      ['Host', report?.host ?? '–'],
      ['Address', address ?? '–'],
      ['Version', report?.version ?? '–'],
      ['Running since', report ? dateTime(report.startedAt) : '–'],
      ['Captured', report ? `${count(report.totals.captured)} packets` : '–'],
      ...(report?.totals.sampledOut ? [['Sampled out', `${count(report.totals.sampledOut)} packets`] as const] : []),
      ['Stored here', `${count(stored.packets)} packets, ${bytes(stored.bytes)}`],
      ['First packet', dateTime(stored.first)],
      ['Last packet', dateTime(stored.last)],
      ['Lost, last minute', report ? lossOf(report.lossRatio) : '–'],
      ['Behind', report ? duration(report.lag) : '–'],
      ['Spool', report ? spoolOf(report.spool) : '–'],
      ['Retries', report ? count(report.retries) : '–'],
    ]),
  )
  fill(byId('interfaces'), interfacesOf(sensor))
  fill(byId('losses'), lossesOf(sensor))
  if (shownSensor !== name) {
    shownSensor = name
    chooseRange(stored.last > 0 ? 300 : 0)
    fill(byId('cut-result'))
    fill(byId('cuts'))
    showRates([])
    void updateRates()
  }
}

function spoolOf({
  bytes: size,
  packets,
  limit,
}: {
  bytes: number
  packets: number
  limit?: number | undefined
}): string {
  if (packets === 0) return 'empty'
  return `${count(packets)} packets, ${bytes(size)}${limit === undefined ? '' : ` of ${bytes(limit)}`}`
}

function interfacesOf({ report, rate, state }: SensorView): HTMLElement {
  if (!report) return element('p', { class: 'muted' }, 'No report yet.')
  const rows = [...report.interfaces].sort((a, b) => b.delivered - a.delivered)
  return table(
    'Interfaces',
    [
      { title: 'Name', value: (row) => row.name },
      { title: 'Container', value: ({ container }) => containerOf(container) },
      { title: 'State', value: (row) => (!row.present ? 'gone' : row.selected ? 'captured' : 'not selected') },
      {
        title: 'Packets/s',
        number: true,
        value: (row) => (state === 'live' ? count(Math.round(rate?.interfaces[row.name] ?? 0)) : '–'),
      },
      { title: 'Packets', number: true, value: (row) => count(row.delivered) },
      { title: 'Bytes', number: true, value: (row) => bytes(row.bytes) },
      { title: 'Lost', number: true, value: (row) => (row.dropped === undefined ? '–' : count(row.dropped)) },
    ],
    rows,
  )
}

function containerOf(container: NonNullable<SensorView['report']>['interfaces'][number]['container']): string {
  if (!container) return ''
  const { id, name, pod, namespace } = container
  const where = pod === undefined ? undefined : namespace === undefined ? pod : `${namespace}/${pod}`
  return [where, name ?? id.slice(0, 12)].filter((part) => part !== undefined).join(' · ')
}

function lossesOf({ report }: SensorView): HTMLElement {
  if (!report) return element('p', { class: 'muted' }, 'No report yet.')
  const causes: Readonly<Record<string, string>> = {
    ring: 'ring full',
    overflow: 'overflow memory full',
    malformed: 'malformed',
    spool: 'evicted from the spool',
    limit: 'beyond a limit',
    refused: 'refused by the collector',
    unsent: 'not sent before the end',
    killed: 'in memory when the sensor was killed',
  }
  const rows = Object.entries(report.lost).filter(([, packets]) => packets > 0)
  const states = report.states.filter(({ active }) => active)
  const parts = element('div', {})
  if (rows.length === 0) parts.append(element('p', { class: 'muted' }, 'None since the sensor was started.'))
  else {
    const share = (packets: number) => percent(packets / Math.max(1, report.totals.captured))
    parts.append(
      table(
        'Losses',
        [
          { title: 'Cause', value: ([cause]) => causes[cause] ?? cause },
          { title: 'Packets', number: true, value: ([, packets]) => count(packets) },
          { title: 'Share', number: true, value: ([, packets]) => share(packets) },
        ],
        rows,
      ),
    )
  }
  for (const { name, detail } of states) {
    parts.append(element('p', { class: 'alert warning' }, element('strong', {}, name), detail))
  }
  return parts
}

async function updateRates(): Promise<void> {
  const sensor = shownSensor
  if (sensor === undefined || sensorInAddress() !== sensor) return
  try {
    const seconds = byId<HTMLSelectElement>('range').value
    const rates = await load<RateView[]>(`/api/sensors/${sensor}/rates?seconds=${seconds}`)
    if (sensor === shownSensor) showRates(rates)
    showCuts(await load<CutView[]>(`/api/sensors/${sensor}/cuts`))
  } catch {
    // The overview says that the collector does not answer.
  }
}

function showRates(rates: readonly RateView[]): void {
  byId('no-rates').hidden = rates.length > 0
  byId('charts').hidden = rates.length === 0
  const times = rates.map(({ time }) => time)
  charts.packets.show(times, [{ label: 'captured', values: rates.map(({ packets }) => packets) }])
  charts.loss.show(times, [{ label: 'lost', values: rates.map(({ loss }) => loss) }])
  charts.bytes.show(times, [
    { label: 'captured', values: rates.map((rate) => rate.bytes) },
    { label: 'sent, compressed', values: rates.map(({ sent }) => sent) },
  ])
  const sums = new Map<string, number>()
  for (const { interfaces } of rates) {
    for (const [name, packets] of Object.entries(interfaces)) sums.set(name, (sums.get(name) ?? 0) + packets)
  }
  const names = [...sums].sort((a, b) => b[1] - a[1]).slice(0, maxLines)
  charts.interfaces.show(
    times,
    // Names in a fixed order, so that a line keeps its colour.
    names
      .map(([name]) => name)
      .sort()
      .map((name) => ({ label: name, values: rates.map(({ interfaces }) => interfaces[name] ?? null) })),
  )
}

interface CutView {
  readonly cut: {
    readonly id: string
    readonly source: string
    readonly sourcePort: number
    readonly destination: string
    readonly destinationPort: number
  }
  readonly outcome?: string
}

function showCuts(cuts: readonly CutView[]): void {
  const end = (address: string, port: number) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)
  fill(
    byId('cuts'),
    cuts.length > 0 &&
      table(
        'Connections to cut',
        [
          { title: 'Source', value: ({ cut }) => end(cut.source, cut.sourcePort) },
          { title: 'Destination', value: ({ cut }) => end(cut.destination, cut.destinationPort) },
          { title: 'Outcome', value: ({ outcome }) => outcome ?? 'sent' },
        ],
        cuts.slice(0, 10),
      ),
  )
}

/** The last so many seconds up to the last packet; 0: all. */
function chooseRange(seconds: number): void {
  const stored = overview?.sensors.find(({ name }) => name === shownSensor)?.stored
  if (!stored || stored.last === 0) return
  const from = seconds === 0 ? stored.first : Math.max(stored.first, stored.last - seconds * 1000)
  byId<HTMLInputElement>('from').value = toLocal(from)
  byId<HTMLInputElement>('to').value = toLocal(stored.last + 999)
  void updateExtent()
}

/** The value of an input for date and time, in whole seconds of local time. */
function toLocal(time: number): string {
  const date = new Date(time)
  return new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

/** The chosen range as a query, or undefined. The last second is included. */
function chosenRange(): string | undefined {
  const [from, to] = [Date.parse(byId<HTMLInputElement>('from').value), Date.parse(byId<HTMLInputElement>('to').value)]
  if (Number.isNaN(from) || Number.isNaN(to) || from > to) return undefined
  const end = `${new Date(to).toISOString().slice(0, 19)}.999999999Z`
  return new URLSearchParams({ from: new Date(from).toISOString(), to: end }).toString()
}

async function updateExtent(): Promise<RangeView | undefined> {
  const range = chosenRange()
  const extent = byId('extent')
  if (range === undefined || shownSensor === undefined) {
    fill(extent, 'The end is before the beginning.')
    return undefined
  }
  try {
    const found = await load<RangeView>(`/api/sensors/${shownSensor}/stored?${range}`)
    const from = amount(found.batches, 'batch', 'batches')
    const text = `At most ${amount(found.packets, 'packet', 'packets')}, from ${from} of ${bytes(found.bytes)}.`
    fill(extent, found.batches === 0 ? 'Nothing is stored of this time.' : text)
    return found
  } catch (error) {
    fill(extent, (error as Error).message)
    return undefined
  }
}

async function download(event: Event): Promise<void> {
  event.preventDefault()
  const [sensor, range, extent] = [shownSensor, chosenRange(), await updateExtent()]
  if (sensor !== undefined && range !== undefined && extent && extent.batches > 0) {
    element('a', { href: `/api/sensors/${sensor}/packets?${range}`, download: '' }).click()
  }
}

async function cut(event: Event): Promise<void> {
  event.preventDefault()
  const value = (id: string) => byId<HTMLInputElement>(id).value.trim()
  const request = {
    sensor: shownSensor,
    source: value('source'),
    sourcePort: Number(value('source-port')),
    destination: value('destination'),
    destinationPort: Number(value('destination-port')),
    seconds: Number(value('seconds')),
  }
  try {
    const headers = { 'content-type': 'application/json' }
    await load('/api/cuts', { method: 'POST', headers, body: JSON.stringify(request) })
    fill(byId('cut-result'), 'The sensor is told with its next batch or report.')
    void updateRates()
  } catch (error) {
    fill(byId('cut-result'), (error as Error).message)
  }
}

/** Calls again and again, but not while nobody looks. */
function every(milliseconds: number, task: () => Promise<void>): void {
  const run = async () => {
    if (!document.hidden) await task()
    setTimeout(run, milliseconds)
  }
  void run()
}

byId('charts').append(...Object.values(charts).map(({ root }) => root))
byId('range').addEventListener('change', () => void updateRates())
byId('download').addEventListener('submit', (event) => void download(event))
byId('cut').addEventListener('submit', (event) => void cut(event))
for (const id of ['from', 'to']) byId(id).addEventListener('change', () => void updateExtent())
for (const button of document.querySelectorAll<HTMLElement>('[data-last]')) {
  button.addEventListener('click', () => chooseRange(Number(button.dataset.last)))
}
addEventListener('hashchange', () => {
  show()
  scrollTo(0, 0)
})
every(overviewInterval, update)
every(ratesInterval, updateRates)
