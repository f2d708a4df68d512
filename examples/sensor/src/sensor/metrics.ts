/** The figures of a report for Prometheus. */
import { Counter, Gauge, Registry } from 'prom-client'
import { lossCauses } from '../wire/batch-head.js'
import type { Report } from '../wire/report.js'

type Interface = Report['interfaces'][number]

/** Figures of each interface; those that are absent there are left out. */
const perInterface: readonly (readonly [string, string, (one: Interface) => number | undefined])[] = [
  ['received_packets', 'Packets that the filter accepted', (one) => one.received],
  ['captured_packets', 'Packets packed into batches', (one) => one.delivered],
  ['captured_bytes', 'Bytes of the packets packed into batches', (one) => one.bytes],
  ['truncated_packets', 'Packets cut to the snapshot length', (one) => one.truncated],
  ['dropped_packets', 'Packets lost between the filter and the batches', (one) => one.dropped],
  ['unselected_packets', 'Packets dropped because the interface is not wanted', (one) => one.unselected],
  ['device_dropped_packets', 'Packets that the device lost ahead of the capture', (one) => one.deviceDropped],
]

const amounts = ['recovered', 'stored'] as const
const holdings = ['spooled', 'waiting'] as const
const measures = ['batches', 'packets', 'bytes'] as const

export class Metrics {
  readonly #registry = new Registry()
  readonly #report: () => Promise<Report>
  /** Each sets its metric from a report. */
  readonly #updates: ((report: Report) => void)[] = []

  constructor(report: () => Promise<Report>) {
    this.#report = report
    const labels = ['interface', 'index']
    for (const [name, help, value] of perInterface) {
      this.#counter(`interface_${name}`, help, labels, ({ interfaces }) =>
        interfaces.map((one) => [{ interface: one.name, index: one.index }, value(one)]),
      )
    }
    this.#counter('captured_packets', 'Packets accepted by the filter', [], ({ totals }) => [[{}, totals.captured]])
    this.#counter(
      'sampled_out_packets',
      'Packets of flows that sampling left out, where that is counted',
      [],
      (report) => [[{}, report.totals.sampledOut]],
    )
    this.#counter('lost_packets', 'Packets lost, by cause', ['cause'], ({ lost }) =>
      lossCauses.map((cause) => [{ cause }, lost[cause]]),
    )
    for (const measure of measures) {
      for (const amount of amounts) {
        const help = amount === 'stored' ? 'acknowledged by the collector' : 'found in the spool at the start'
        this.#counter(`${amount}_${measure}`, `${measure} ${help}`, [], ({ totals }) => [[{}, totals[amount][measure]]])
      }
      for (const holding of holdings) {
        const help = holding === 'spooled' ? 'in the spool' : 'in memory'
        this.#gauge(`${holding}_${measure}`, `${measure} ${help}`, [], ({ totals }) => [[{}, totals[holding][measure]]])
      }
    }
    this.#counter('retries', 'Attempts to send that failed', [], ({ retries }) => [[{}, retries]])
    this.#gauge('lag_seconds', 'Age of the oldest packet not yet acknowledged', [], ({ lag }) => [[{}, lag / 1000]])
    this.#gauge('loss_ratio', 'Share of packets lost in the last minute', [], ({ lossRatio }) => [[{}, lossRatio]])
    this.#gauge('spool_limit_bytes', 'The most bytes the spool may hold', [], ({ spool }) => [[{}, spool.limit]])
    this.#gauge('spool_free_bytes', "Bytes free on the spool's disk", [], ({ spool }) => [[{}, spool.free]])
    this.#gauge('state', 'Whether a degraded state is in force', ['state'], ({ states }) =>
      states.map(({ name, active }) => [{ state: name }, Number(active)]),
    )
    this.#counter('state_seconds', 'Seconds spent in a degraded state', ['state'], ({ states }) =>
      states.map(({ name, lasted }) => [{ state: name }, lasted / 1000]),
    )
    this.#counter('state_entered', 'How often a degraded state began', ['state'], ({ states }) =>
      states.map(({ name, entered }) => [{ state: name }, entered]),
    )
    this.#gauge('info', 'The sensor', ['name', 'version', 'boot'], ({ name, version, boot }) => [
      [{ name, version, boot }, 1],
    ])
    this.#gauge('start_time_seconds', 'When the sensor started', [], ({ startedAt }) => [[{}, startedAt / 1000]])
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    const report = await this.#report()
    for (const update of this.#updates) update(report)
    return this.#registry.metrics()
  }

  #gauge(name: string, help: string, labelNames: string[], values: Values): void {
    const gauge = new Gauge({ name: `sensor_${name}`, help, labelNames, registers: [this.#registry] })
    this.#updates.push((report) => {
      gauge.reset()
      for (const [labels, value] of values(report)) if (value !== undefined) gauge.set(labels, value)
    })
  }

  #counter(name: string, help: string, labelNames: string[], values: Values): void {
    const counter = new Counter({ name: `sensor_${name}_total`, help, labelNames, registers: [this.#registry] })
    this.#updates.push((report) => {
      counter.reset()
      for (const [labels, value] of values(report)) if (value !== undefined) counter.inc(labels, value)
    })
  }
}

type Values = (report: Report) => readonly (readonly [Record<string, string | number>, number | undefined])[]
