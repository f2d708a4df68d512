/**
 * Connections that sensors are to cut, as files in the store: `SENSOR/cuts/ID`. An answer to a sensor contains those that
 * it has not reported on.
 */
import { randomBytes } from 'node:crypto'
import { link, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { type Cut, cutSchema } from '../../wire/answer.js'
import type { Report } from '../../wire/report.js'
import { ensureDirectory, writeDurably } from '../store/durable.js'

const recordSchema = z.object({
  cut: cutSchema,
  /** What the sensor reported last. */
  outcome: z.string().optional(),
  resets: z.int().min(0).optional(),
})

export type CutRecord = z.output<typeof recordSchema>

/** Milliseconds for which the files of a sensor are not read again. */
const readInterval = 1000
/** Milliseconds that a cut is kept after its end. */
const keptAfter = 24 * 3_600_000
/** Cuts of one sensor at most; an answer has room for 1000. */
const maxCuts = 500

export class Cuts {
  readonly #known = new Map<string, { at: number; records: readonly CutRecord[] }>()
  readonly #reading = new Map<string, Promise<void>>()

  constructor(readonly directory: string) {}

  /** @throws Error if there are too many */
  async add(sensor: string, given: Omit<Cut, 'id'>): Promise<Cut> {
    const records = await this.list(sensor)
    if (records.length >= maxCuts) throw new Error(`${sensor} has ${maxCuts} connections to cut already`)
    const cut = { id: randomBytes(8).toString('hex'), ...given }
    await this.#write(sensor, { cut }, true)
    return cut
  }

  async list(sensor: string, now = Date.now()): Promise<readonly CutRecord[]> {
    if (now - (this.#known.get(sensor)?.at ?? 0) < readInterval) return this.#known.get(sensor)!.records
    let reading = this.#reading.get(sensor)
    if (!reading) {
      reading = this.#read(sensor, now).finally(() => this.#reading.delete(sensor))
      this.#reading.set(sensor, reading)
    }
    await reading
    return this.#known.get(sensor)?.records ?? []
  }

  /** Those that the sensor has not reported on. */
  async pending(sensor: string, now = Date.now()): Promise<Cut[]> {
    const records = await this.list(sensor, now)
    return records.filter(({ cut, outcome }) => outcome === undefined && cut.until > now).map(({ cut }) => cut)
  }

  async note(report: Report): Promise<void> {
    if (report.cuts.length === 0) return
    const records = new Map((await this.list(report.name)).map((record) => [record.cut.id, record]))
    for (const { id, outcome, resets } of report.cuts) {
      const record = records.get(id)
      if (record) await this.#write(report.name, { ...record, outcome, resets: (record.resets ?? 0) + resets }, false)
    }
  }

  async #write(sensor: string, record: CutRecord, isNew: boolean): Promise<void> {
    const directory = path.join(this.directory, sensor, 'cuts')
    await ensureDirectory(this.directory, directory)
    const temporary = path.join(this.directory, '.tmp', randomBytes(8).toString('hex'))
    try {
      await writeDurably(temporary, JSON.stringify(record))
      await (isNew ? link : rename)(temporary, path.join(directory, record.cut.id))
    } finally {
      await rm(temporary, { force: true })
      this.#known.delete(sensor)
    }
  }

  async #read(sensor: string, now: number): Promise<void> {
    const directory = path.join(this.directory, sensor, 'cuts')
    const records: CutRecord[] = []
    for (const name of await readdir(directory).catch(() => [])) {
      const file = path.join(directory, name)
      const { data } = recordSchema.safeParse(JSON.parse(await readFile(file, 'utf8').catch(() => 'null')))
      if (data && data.cut.until + keptAfter > now) records.push(data)
      else await rm(file, { force: true })
    }
    this.#known.set(sensor, { at: now, records: records.sort((a, b) => b.cut.until - a.cut.until) })
  }
}
