/** Figures of the collector for Prometheus. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { MemoryBudget } from './memory-budget.js'
import type { SensorBook } from './sensors/sensor-book.js'
import type { Store } from './store/store.js'

export class Metrics {
  readonly registry = new Registry()
  readonly #batches = this.#counter('batches_total', 'Batches that were acknowledged.', ['outcome'])
  readonly #packets = this.#counter('packets_total', 'Packets in batches that were stored.')
  readonly #bytes = this.#counter('bytes_total', 'Bytes of batches that were stored, as compressed.')
  readonly #lost = this.#counter('lost_packets_total', 'Packets that sensors lost, as batches say.', ['cause'])
  readonly #reports = this.#counter('reports_total', 'Reports that were noted.')
  readonly #refused = this.#counter('refused_total', 'Requests that were refused.', ['reason'])

  constructor(store: Store, memory: MemoryBudget, book: SensorBook, version: string) {
    collectDefaultMetrics({ register: this.registry })
    this.#gauge('info', 'The version.', ['version'], (gauge) => gauge.set({ version }, 1))
    this.#gauge('receiving_bytes', 'Bytes of requests that are being received.', [], (gauge) => gauge.set(memory.used))
    this.#gauge('store_files', 'Files in the store.', [], (gauge) => gauge.set(store.totals().files))
    this.#gauge('store_bytes', 'Bytes of the files in the store.', [], (gauge) => gauge.set(store.totals().bytes))
    this.#gauge('disk_free_bytes', 'Bytes that are free on the disk.', [], async (gauge) =>
      gauge.set(await store.free()),
    )
    this.#gauge('alerts', 'What people should look at.', ['sensor', 'kind', 'level'], (gauge) => {
      for (const { sensor, kind, level } of book.alerts()) gauge.inc({ sensor, kind, level })
    })
    const ofSensors = (
      name: string,
      help: string,
      value: (state: (typeof book.sensors)[number]) => number | undefined,
    ) =>
      this.#gauge(name, help, ['sensor'], (gauge) => {
        for (const state of book.sensors) {
          const figure = value(state)
          if (figure !== undefined) gauge.set({ sensor: state.name }, figure)
        }
      })
    ofSensors('sensor_last_seen_seconds', 'When a sensor was seen last, since 1970.', ({ lastSeen }) => lastSeen / 1000)
    ofSensors('sensor_loss_ratio', 'Share of its packets lost in the last minute.', ({ report }) => report?.lossRatio)
    ofSensors(
      'sensor_lag_seconds',
      'Age of its oldest packet that is not stored.',
      ({ report }) => report && report.lag / 1000,
    )
  }

  batch(outcome: 'stored' | 'duplicate', packets: number, bytes: number, lost: Readonly<Record<string, number>>): void {
    this.#batches.inc({ outcome })
    if (outcome === 'duplicate') return
    this.#packets.inc(packets)
    this.#bytes.inc(bytes)
    for (const [cause, count] of Object.entries(lost)) this.#lost.inc({ cause }, count)
  }

  report(): void {
    this.#reports.inc()
  }

  refused(reason: string): void {
    this.#refused.inc({ reason })
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: `collector_${name}`, help, labelNames, registers: [this.registry] })
  }

  #gauge(name: string, help: string, labelNames: string[], collect: (gauge: Gauge) => void | Promise<void>): void {
    new Gauge({
      ...{ name: `collector_${name}`, help, labelNames, registers: [this.registry] },
      collect() {
        this.reset()
        return collect(this)
      },
    })
  }
}
