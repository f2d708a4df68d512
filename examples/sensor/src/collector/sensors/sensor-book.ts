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

/** How many boots of a sensor are remembered that another one has followed. */
const maxEnded = 16

const recordSchema = z.object({
  received: z.int(),
  /** The report's sequence within its boot. */
  sequence: z.int(),
  /** The boots before that of the report, the latest last. */
  ended: z.array(z.string()).default([]),
  address: z.string().optional(),
  report: reportSchema,
})

type BookRecord = z.output<typeof recordSchema>

/** What was read of a sensor's file, and when the file was modified. */
interface Known extends Pick<BookRecord, 'sequence' | 'ended'> {
  readonly mtime: number
}

export interface SensorBookOptions {
  /** The store's directory. */
  readonly directory: string
  /** Milliseconds without a word after which a sensor is called silent. */
  readonly silent: number
}

export class SensorBook {
  readonly #options: SensorBookOptions
  readonly #states = new Map<string, SensorState>()
  readonly #read = new Map<string, Known>()
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

  /**
   * A report came. Older ones than the last are left out, and those of a boot that another one has followed, unless
   * that one is silent. What a sensor says of its start is not looked at: its clock may be set back. Rejects if it
   * cannot be stored.
   */
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
    const known: Pick<Known, 'sequence' | 'ended'> = this.#read.get(report.name) ?? { sequence: -1, ended: [] }
    const { boot } = report
    const last = state.report?.boot ?? boot
    const isOlder = boot === last ? sequence <= known.sequence : known.ended.includes(boot)
    if (isOlder && (boot === last || !this.#isSilent(state, now))) return
    const ended = boot === last ? known.ended : [...known.ended.filter((one) => one !== boot), last].slice(-maxEnded)
    const directory = path.join(this.#options.directory, report.name)
    await ensureDirectory(this.#options.directory, directory)
    const temporary = path.join(this.#options.directory, '.tmp', randomBytes(8).toString('hex'))
    const record = { received: now, sequence, ended, ...(address !== undefined && { address }), report }
    try {
      await writeDurably(temporary, JSON.stringify(record))
      await rename(temporary, path.join(directory, 'report.json'))
      await this.#history(report.name).append(sampleOf(report, now))
    } finally {
      await rm(temporary, { force: true })
    }
    this.#take(record)
    this.#read.set(report.name, { mtime: 0, sequence, ended })
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
    this.#read.set(sensor, { mtime, sequence: data?.sequence ?? -1, ended: data?.ended ?? [] })
    if (data?.report.name === sensor) this.#take(data)
  }

  #take({ received, report, address }: Omit<BookRecord, 'sequence' | 'ended'>): void {
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

  #isSilent({ reported }: SensorState, now: number): boolean {
    return now - reported >= this.#options.silent
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
