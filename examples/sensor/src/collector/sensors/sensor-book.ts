/**
 * What is known of each sensor: its last report, when it was last heard, and what is wrong. The last reports are in the
 * store, so that collectors which share it show the same.
 */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { isSensorName } from '../../wire/identity.js'
import { type Report, reportSchema } from '../../wire/report.js'
import { ensureDirectory, writeDurably } from '../store/durable.js'
import { type Alert, alertsOf } from './alerts.js'
import { History } from './history.js'
import { type Rate, ratesOf, sampleOf } from './sample.js'
import type { SensorState } from './sensor-state.js'

const recordSchema = z.object({
  received: z.int(),
  /** The report's sequence within its boot. */
  sequence: z.int(),
  address: z.string().optional(),
  report: reportSchema,
})

export interface SensorBookOptions {
  /** The store's directory. */
  readonly directory: string
  /** Milliseconds without a word after which a sensor is called silent. */
  readonly silent: number
}

export class SensorBook {
  readonly #options: SensorBookOptions
  readonly #states = new Map<string, SensorState>()
  readonly #read = new Map<string, { mtime: number; sequence: number }>()
  readonly #turns = new Map<string, Promise<void>>()

  constructor(options: SensorBookOptions) {
    this.#options = options
  }

  get sensors(): readonly SensorState[] {
    return [...this.#states.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get(sensor: string): SensorState | undefined {
    return this.#states.get(sensor)
  }

  /** A batch of this sensor came. */
  seen(sensor: string, address: string | undefined, now = Date.now()): void {
    const state = this.#state(sensor)
    state.lastSeen = now
    state.address = address ?? state.address
  }

  /** A report came. Older ones than the last are left out. Rejects if it cannot be stored. */
  async note(report: Report, sequence: number, address: string | undefined, now = Date.now()): Promise<void> {
    const before = this.#turns.get(report.name) ?? Promise.resolve()
    const turn = before.catch(() => {}).then(() => this.#note(report, sequence, address, now))
    this.#turns.set(report.name, turn)
    try {
      await turn
    } finally {
      if (this.#turns.get(report.name) === turn) this.#turns.delete(report.name)
    }
  }

  async #note(report: Report, sequence: number, address: string | undefined, now: number): Promise<void> {
    this.seen(report.name, address, now)
    await this.#refresh(report.name)
    const state = this.#state(report.name)
    if (state.report && isOlder(report, sequence, state.report, this.#read.get(report.name)?.sequence ?? -1)) return
    const directory = path.join(this.#options.directory, report.name)
    await ensureDirectory(this.#options.directory, directory)
    const temporary = path.join(this.#options.directory, '.tmp', randomBytes(8).toString('hex'))
    const record = { received: now, sequence, ...(address !== undefined && { address }), report }
    try {
      await writeDurably(temporary, JSON.stringify(record))
      await rename(temporary, path.join(directory, 'report.json'))
      await this.#history(report.name).append(sampleOf(report, now))
    } finally {
      await rm(temporary, { force: true })
    }
    this.#take(record)
    this.#read.set(report.name, { mtime: 0, sequence })
  }

  /** Reads what other collectors that share the store have noted. */
  async refresh(): Promise<void> {
    for (const name of await readdir(this.#options.directory)) if (isSensorName(name)) await this.#refresh(name)
  }

  /** The rates of a sensor since a time, at most `max` of them. */
  async rates(sensor: string, since: number, max: number): Promise<Rate[]> {
    return ratesOf(await this.#history(sensor).since(since, Date.now()), max)
  }

  alerts(now = Date.now()): Alert[] {
    return this.sensors.flatMap((state) => alertsOf(state, this.#options.silent, now))
  }

  async #refresh(sensor: string): Promise<void> {
    const file = path.join(this.#options.directory, sensor, 'report.json')
    const { mtimeMs: mtime } = await stat(file).catch(() => ({ mtimeMs: -1 }))
    if (mtime < 0 || this.#read.get(sensor)?.mtime === mtime) return
    let text: string
    try {
      text = await readFile(file, 'utf8')
    } catch {
      return
    }
    const { data } = recordSchema.safeParse(parseJson(text))
    this.#read.set(sensor, { mtime, sequence: data?.sequence ?? -1 })
    if (data?.report.name === sensor) this.#take(data)
  }

  #take({ received, report, address }: Omit<z.output<typeof recordSchema>, 'sequence'>): void {
    const state = this.#state(report.name)
    if (received > state.reported && state.report) {
      const samples = [sampleOf(state.report, state.reported), sampleOf(report, received)]
      state.rate = ratesOf(samples, 2)[0] ?? state.rate
    }
    state.report = report
    state.reported = received
    state.lastSeen = Math.max(state.lastSeen, received)
    state.address = address ?? state.address
  }

  #history(sensor: string): History {
    return new History(path.join(this.#options.directory, sensor))
  }

  #state(name: string): SensorState {
    let state = this.#states.get(name)
    if (!state) {
      state = { name, lastSeen: 0, address: undefined, report: undefined, reported: 0, rate: undefined }
      this.#states.set(name, state)
    }
    return state
  }
}

/** Whether a report is of an earlier start than another, or was made before it. */
function isOlder(report: Report, sequence: number, other: Report, otherSequence: number): boolean {
  return report.boot === other.boot ? sequence <= otherSequence : report.startedAt < other.startedAt
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
