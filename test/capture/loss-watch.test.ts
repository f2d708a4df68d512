// The policy that decides when a loss is reported, tested with synthetic samples and a synthetic clock.
import type { LossEvent, LossLevel, LossStats } from 'ringtap'
import t from 'tap'

type Sample = Float64Array
interface Watch {
  readonly period: number
  readonly level: LossLevel
  look(now: number, names: () => (index: number, generation: number) => string): LossEvent | undefined
  present(now: number, sample: Sample, names: (index: number, generation: number) => string): LossStats
}
interface Settings {
  window: number
  warn: number
  critical: number
  minimum: number
}
// Not exported: loaded from beside the package's entry point.
const { LossWatch } = (await import(new URL('./capture/loss-watch.js', import.meta.resolve('ringtap')).href)) as {
  LossWatch: new (settings: Settings, take: (packets: number) => Sample | undefined, now: number) => Watch
}

const usual = { window: 1000, warn: 0.03, critical: 0.05, minimum: 10 }

/** A capture whose ledger and clock are set by the test. */
class Ledger {
  received = 0
  byRing = 0
  byOverflow = 0
  malformed = 0
  settled = true
  perInterface: boolean | undefined = undefined
  interfaces: [index: number, generation: number, received: number, lost: number][] = []
  asked: number[] = []
  now = 0
  readonly watch: Watch

  constructor(settings: Partial<Settings> = {}) {
    this.watch = new LossWatch({ ...usual, ...settings }, (packets) => this.take(packets), 0)
  }

  sample(): Sample {
    const { received, byRing, byOverflow, malformed, settled, perInterface = this.interfaces.length > 0 } = this
    const head = [received, Number(settled), Number(perInterface), received, byRing, byOverflow, malformed]
    return Float64Array.from([...head, ...this.interfaces.flat()])
  }

  take(packets: number): Sample | undefined {
    this.asked.push(packets)
    return packets === this.received ? undefined : this.sample()
  }

  /** Advances the clock and adds to the counts of received and lost packets, then samples the ledger. */
  after(ms: number, received = 0, lost = 0): LossEvent | undefined {
    this.now += ms
    this.received += received
    this.byRing += lost
    return this.watch.look(this.now, () => (index) => `eth${index}`)
  }
}

const short = (event: LossEvent | undefined) => event && [event.previous, event.level, event.lost, event.received]

t.test('the level rises at once and falls a window later', (t) => {
  const ledger = new Ledger()
  t.equal(ledger.watch.level, 'none')
  t.equal(ledger.after(50, 999, 29), undefined, 'below')
  t.same(short(ledger.after(50, 1, 1)), ['none', 'warn', 30, 1000], 'at the threshold')
  t.equal(ledger.watch.level, 'warn')
  t.equal(ledger.after(50, 900, 30), undefined, 'no more than that')
  t.same(short(ledger.after(50, 100, 40)), ['warn', 'critical', 100, 2000])
  for (let i = 0; i < 19; i++) t.equal(ledger.after(50), undefined, 'it has been told')
  t.same(short(ledger.after(50)), ['critical', 'none', 0, 0], 'a window without')
  t.equal(ledger.watch.level, 'none')
  for (let i = 0; i < 60; i++) t.equal(ledger.after(50, 1000, 0), undefined, 'and that is that')
  t.end()
})

t.test('the level may rise directly to critical, and falls to warn first', (t) => {
  const ledger = new Ledger()
  t.same(short(ledger.after(50, 100, 50)), ['none', 'critical', 50, 100])
  for (let i = 0; i < 19; i++) t.equal(ledger.after(50, 100, 4), undefined)
  t.same(short(ledger.after(50, 100, 4)), ['critical', 'warn', 80, 2000])
  for (let i = 0; i < 19; i++) t.equal(ledger.after(50, 100, 0), undefined)
  t.same(short(ledger.after(50, 100, 0)), ['warn', 'none', 0, 2000])
  t.end()
})

t.test('a lasting loss gives one event per window', (t) => {
  const ledger = new Ledger()
  const events: unknown[] = []
  for (let i = 0; i < 100; i++) {
    const event = ledger.after(50, 100, 10)
    if (event) events.push([ledger.now, ...(short(event) ?? []), event.duration])
  }
  t.same(events, [
    [50, 'none', 'critical', 10, 100, 50],
    [1050, 'critical', 'critical', 200, 2000, 1000],
    [2050, 'critical', 'critical', 200, 2000, 1000],
    [3050, 'critical', 'critical', 200, 2000, 1000],
    [4050, 'critical', 'critical', 200, 2000, 1000],
  ])
  t.end()
})

t.test('a ratio that oscillates about a threshold gives at most two events per window', (t) => {
  const ledger = new Ledger({ window: 100 })
  let events = 0
  for (let i = 0; i < 1000; i++) if (ledger.after(20, 1000, i % 10 < 5 ? 31 : 29)) events++
  t.ok(events > 0)
  t.ok(events <= (2 * 1000 * 20) / 100, `${events}`)
  t.end()
})

t.test('few lost packets raise no level', (t) => {
  const ledger = new Ledger()
  t.equal(ledger.after(50, 10, 9), undefined)
  t.match(
    ledger.watch.present(50, ledger.sample(), () => ''),
    { ratio: 0.9, lost: 9, received: 10, duration: 50 },
  )
  t.same(short(ledger.after(50, 1, 1)), ['none', 'critical', 10, 11])
  const picky = new Ledger({ minimum: 1 })
  t.same(short(picky.after(50, 2, 1)), ['none', 'critical', 1, 2])
  t.end()
})

t.test('a loss during a blocked event loop is reported late but completely', (t) => {
  const ledger = new Ledger()
  for (let i = 0; i < 40; i++) ledger.after(50, 100, 0)
  const event = ledger.after(10_000, 1000, 100)
  t.same(short(event), ['none', 'critical', 100, 1000])
  t.equal(event?.duration, 10_000, 'longer than the window, and it says so')
  t.same(short(ledger.after(10_000)), ['critical', 'none', 0, 0])
  t.end()
})

t.test('the figures are those of a sliding window', (t) => {
  const ledger = new Ledger({ warn: 1, critical: 1 })
  const inWindow: number[] = []
  for (let i = 0; i < 60; i++) {
    ledger.after(50, 10, i === 10 ? 7 : 0)
    const { lost, received, duration } = ledger.watch.present(ledger.now, ledger.sample(), () => '')
    inWindow.push(lost)
    t.equal(received, Math.min(10 * (i + 1), 200))
    t.equal(duration, Math.min(50 * (i + 1), 1000))
  }
  t.same(
    inWindow,
    Array.from({ length: 60 }, (_, i) => (i >= 10 && i < 30 ? 7 : 0)),
  )
  t.end()
})

t.test('the causes add up to the loss', (t) => {
  const ledger = new Ledger()
  ledger.received = 1000
  ledger.byRing = 10
  ledger.byOverflow = 20
  ledger.malformed = 3
  t.match(ledger.after(50), {
    lost: 33,
    ratio: 0.033,
    causes: { droppedByRing: 10, droppedByOverflow: 20, malformed: 3 },
    interfaces: undefined,
  })
  t.end()
})

t.test('an event lists the losses of each interface', (t) => {
  const ledger = new Ledger()
  ledger.interfaces = [
    [1, 1, 100, 0],
    [2, 2, 100, 5],
    [3, 3, 50, 1],
  ]
  ledger.after(50, 250, 6)
  for (let i = 0; i < 20; i++) ledger.after(50)
  ledger.interfaces = [
    [1, 1, 500, 0],
    [2, 2, 200, 15],
    [2, 9, 40, 30],
    [3, 3, 60, 1],
  ]
  const event = ledger.after(50, 800, 40)
  t.same(
    event?.interfaces,
    [
      { name: 'eth2', index: 2, generation: 9, ratio: 0.75, lost: 30, received: 40 },
      { name: 'eth2', index: 2, generation: 2, ratio: 0.1, lost: 10, received: 100 },
    ],
    'those that lost, most first; an index that is used again is another device',
  )
  ledger.interfaces = [[2, 2, 300, 500]]
  t.same(
    ledger.watch.present(ledger.now, ledger.sample(), () => '').interfaces?.map(({ lost }) => lost),
    [40],
    'never more than all together: the rest is on its way',
  )
  t.end()
})

t.test('a sample is requested only if packets have arrived since', (t) => {
  const ledger = new Ledger()
  ledger.after(50)
  t.same(ledger.asked, [-1], 'the first time')
  ledger.after(50, 5)
  ledger.settled = false
  ledger.after(50, 5)
  ledger.settled = true
  ledger.after(50)
  ledger.after(50)
  t.same(ledger.asked, [-1, 0, 5, -1, 10], 'and again while packets were on their way')
  t.end()
})

t.test('the sampling period follows from the window', (t) => {
  t.equal(new Ledger({ window: 60_000 }).watch.period, 3000)
  t.equal(new Ledger({ window: 100 }).watch.period, 20)
  t.end()
})
