/**
 * The batches of all sensors, as files: `SENSOR/BOOT/SEGMENT/SEQUENCE.pcapng.zst`.
 *
 * Collectors on one machine or one file system may share a directory. A batch is claimed by the name of its file: it is
 * written under a temporary name, made durable, and linked to its own, which fails if another collector was faster. A
 * batch is acknowledged when its file, its name and its line in the index are durable.
 */
import { randomBytes } from 'node:crypto'
import { link, readdir, readFile, rm, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { type BatchHead, type encodings, noLosses } from '../../wire/batch-head.js'
import { type Identity, isBoot, isSensorName } from '../../wire/identity.js'
import { digestOf } from '../../wire/signature.js'
import { ensureDirectory, writeDurably } from './durable.js'
import { type Entry, toRanges } from './entry.js'
import { examine } from './examine.js'
import { planRemovals, type Removal, type RetentionLimits } from './retention.js'
import { addTotals, noTotals, Segment, segmentSize, type Totals } from './segment.js'

export interface StoreOptions extends RetentionLimits {
  readonly directory: string
  /** Called with what happened beside storing: a file whose line was missing, files that were removed. */
  readonly onEvent?: (event: StoreEvent) => void
}

export type StoreEvent =
  /** A file without a line in the index, after a crash; its line was made anew, or it is `damaged` and left as it is. */
  | { readonly kind: 'rebuilt'; readonly file: string; readonly damaged?: string }
  | { readonly kind: 'removed'; readonly files: number; readonly bytes: number; readonly reason: string }

export interface BatchToStore extends Identity {
  readonly head: BatchHead
  readonly bytes: Uint8Array
  /** SHA-256 of the bytes, hexadecimal. */
  readonly digest: string
}

/** `conflict`: other bytes are stored under this sequence. */
export type Stored = 'stored' | 'duplicate' | 'conflict'

/** The batch could not be stored; it may be later. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
}

/** A stored batch: its entry in the index, and its file. */
export type StoredBatch = Entry & Identity & { readonly file: string }

const extensions: Readonly<Record<(typeof encodings)[number], string>> = {
  zstd: '.pcapng.zst',
  gzip: '.pcapng.gz',
  identity: '.pcapng',
}
const temporaryDirectory = '.tmp'
/** Milliseconds after which a temporary file, or a file without a line, cannot be another collector's at work. */
const abandonedAfter = 60_000
/** Milliseconds after which the index of a segment without files is shortened. */
const compactAfter = 24 * 3_600_000
/** Milliseconds after which nothing is sent again of a boot without files. */
const forgetAfter = 30 * 24 * 3_600_000

/** Passes of maintenance until each segment without files was looked at. */
const idleTurns = 128

export class Store {
  readonly #directory: string
  readonly #options: StoreOptions
  readonly #segments = new Map<string, Segment>()
  readonly #turns = new Map<string, Promise<unknown>>()
  /** When the directory of a segment was modified, at the time its files and its index were found to agree. */
  readonly #reconciled = new WeakMap<Segment, number>()
  #maintenance: Promise<void> | undefined
  #pass = 0
  #free = { at: 0, bytes: 0 }

  /** Opens a directory, which is created if it does not exist, and recovers what a crash has left. */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options)
    await ensureDirectory('/', store.#directory)
    await ensureDirectory(store.#directory, path.join(store.#directory, temporaryDirectory))
    await store.maintain()
    return store
  }

  private constructor(options: StoreOptions) {
    this.#options = options
    this.#directory = path.resolve(options.directory)
  }

  /**
   * Stores a batch once. It is durable when the promise resolves.
   *
   * @throws StorageError
   */
  async add(batch: BatchToStore): Promise<Stored> {
    // One after the other if the same batch is sent twice at once.
    const key = `${batch.sensor}/${batch.boot}/${batch.sequence}`
    const before = this.#turns.get(key) ?? Promise.resolve()
    const turn = before.then(
      () => this.#add(batch),
      () => this.#add(batch),
    )
    this.#turns.set(key, turn)
    try {
      return await turn
    } catch (error) {
      throw error instanceof StorageError ? error : new StorageError((error as Error).message, { cause: error })
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }

  async #add(batch: BatchToStore): Promise<Stored> {
    const segment = this.#segment(batch.sensor, batch.boot, Math.floor(batch.sequence / segmentSize))
    const state = segment.stateOf(batch.sequence)
    if (state === 'removed') return 'duplicate'
    if (state !== 'unknown') return this.#addAgain(segment, batch)
    await this.#ensureRoom(batch.bytes.length)
    if (await this.#claim(segment, batch)) {
      await segment.append(entryOf(batch))
      return this.#unlessRemoved(segment, batch, 'stored')
    }
    return this.#addAgain(segment, batch)
  }

  /** Whether the file of the batch is now its own, and not one that was there before. */
  async #claim(segment: Segment, batch: BatchToStore): Promise<boolean> {
    if (await this.#findFile(segment, batch.sequence)) return false
    const temporary = this.#temporary()
    try {
      await ensureDirectory(this.#directory, segment.directory)
      await writeDurably(temporary, batch.bytes)
      await link(temporary, fileOf(segment, batch.sequence, batch.head.encoding))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    } finally {
      await rm(temporary, { force: true })
    }
  }

  /** A batch whose file exists, from an earlier request or from another collector. */
  async #addAgain(segment: Segment, batch: BatchToStore): Promise<Stored> {
    const file = await this.#findFile(segment, batch.sequence)
    if (file === undefined) {
      await segment.refresh()
      if (segment.stateOf(batch.sequence) === 'removed') return 'duplicate'
      throw new StorageError(`the file of ${batch.sensor}/${batch.boot}/${batch.sequence} is missing`)
    }
    if (digestOf(await readFile(file)) !== batch.digest) return 'conflict'
    // The line of the collector that was faster may be missing, after a crash, or not be durable yet.
    await segment.append(entryOf(batch))
    return this.#unlessRemoved(segment, batch, 'duplicate')
  }

  /** After its line was appended: a batch that another collector had removed before is not kept a second time. */
  async #unlessRemoved(segment: Segment, batch: BatchToStore, stored: Stored): Promise<Stored> {
    if (segment.stateOf(batch.sequence) !== 'removed') return stored
    await rm(fileOf(segment, batch.sequence, batch.head.encoding), { force: true })
    return 'duplicate'
  }

  /** The names of the sensors of which something is stored. */
  sensors(): string[] {
    return [...new Set([...this.#segments.values()].map(({ sensor }) => sensor))].sort()
  }

  /** What is stored of a sensor; without a name, of all. */
  totals(sensor?: string): Totals {
    const totals = noTotals()
    for (const segment of this.#segments.values()) {
      if (sensor === undefined || segment.sensor === sensor) addTotals(totals, segment.totals)
    }
    return totals
  }

  /**
   * The batches of a sensor that have packets of a time range, which includes both ends, by the time of their first
   * packet. Nanoseconds since 1970-01-01 UTC.
   */
  async select(sensor: string, from: bigint, to: bigint): Promise<StoredBatch[]> {
    await this.refresh()
    const found: StoredBatch[] = []
    for (const segment of this.#segments.values()) {
      const { first, last } = segment.totals
      if (segment.sensor !== sensor || last < from || first > to) continue
      for (const entry of await segment.entries()) {
        if (entry.packets === 0 || entry.last < from || entry.first > to) continue
        const { boot } = segment
        found.push({ ...entry, sensor, boot, file: fileOf(segment, entry.sequence, entry.encoding) })
      }
    }
    return found.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
  }

  /** Bytes that are free on the disk. */
  async free(): Promise<number> {
    if (Date.now() - this.#free.at >= 1000) {
      const { bavail, bsize } = await statfs(this.#directory)
      this.#free = { at: Date.now(), bytes: bavail * bsize }
    }
    return this.#free.bytes
  }

  /** Finds what other collectors have stored and removed; in idle segments, which may be many, only in turn. */
  async refresh(): Promise<void> {
    for (const sensor of await namesIn(this.#directory, isSensorName)) {
      for (const boot of await namesIn(path.join(this.#directory, sensor), isBoot)) {
        const numbers = await namesIn(path.join(this.#directory, sensor, boot), isNumber)
        for (const number of numbers) {
          const segment = this.#segment(sensor, boot, Number(number))
          if (this.#isDue(segment)) await segment.refresh()
        }
      }
    }
  }

  /** Recovers, removes what is beyond the limits, and cleans up. To be called every few seconds. */
  maintain(): Promise<void> {
    this.#maintenance ??= this.#maintain().finally(() => {
      this.#maintenance = undefined
    })
    return this.#maintenance
  }

  async #maintain(): Promise<void> {
    this.#pass++
    await this.#removeAbandoned()
    await this.refresh()
    for (const segment of [...this.#segments.values()]) {
      if (this.#isDue(segment) || !this.#reconciled.has(segment)) await this.#reconcile(segment)
    }
    await this.#removeOldest()
    for (const [directory, segments] of this.#boots()) await this.#retire(directory, segments)
  }

  #isDue({ idle, number }: Segment): boolean {
    return !idle || number % idleTurns === this.#pass % idleTurns
  }

  /** The segments of each boot, by its directory. */
  #boots(): Map<string, Segment[]> {
    const boots = new Map<string, Segment[]>()
    for (const segment of this.#segments.values()) {
      const directory = path.dirname(segment.directory)
      const segments = boots.get(directory)
      if (segments) segments.push(segment)
      else boots.set(directory, [segment])
    }
    return boots
  }

  /** Removes temporary files that a killed collector has left. */
  async #removeAbandoned(): Promise<void> {
    const directory = path.join(this.#directory, temporaryDirectory)
    for (const name of await namesIn(directory, () => true)) {
      const file = path.join(directory, name)
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }))
      if (Date.now() - mtimeMs > abandonedAfter) await rm(file, { force: true })
    }
  }

  /** Brings the index and the files of a segment together, after a crash or where files were removed by hand. */
  async #reconcile(segment: Segment): Promise<void> {
    const { mtimeMs } = await stat(segment.directory).catch(() => ({ mtimeMs: 0 }))
    if (this.#reconciled.get(segment) === mtimeMs) return
    let complete = true
    // Ahead of the names: a file that is linked from here on has a line soon, and is in none of the names.
    const known = segment.files()
    const present = new Set<number>()
    for (const name of await namesIn(segment.directory, (name) => sequenceOf(name) !== undefined)) {
      const sequence = sequenceOf(name)!
      present.add(sequence)
      const state = segment.stateOf(sequence)
      if (state === 'stored' || state === 'rebuilt') continue
      if (!(await this.#adopt(segment, sequence, path.join(segment.directory, name)))) complete = false
    }
    const missing: number[] = []
    for (const { sequence } of known) {
      if (!present.has(sequence) && !(await this.#findFile(segment, sequence))) missing.push(sequence)
    }
    if (missing.length > 0) await segment.append({ removed: toRanges(missing) })
    if (complete) this.#reconciled.set(segment, mtimeMs)
  }

  /** A file without a line. False: it may be another collector's at work, and is left alone for now. */
  async #adopt(segment: Segment, sequence: number, file: string): Promise<boolean> {
    const found = await stat(file).catch(gone)
    if (!found) return true
    const { ctimeMs, size } = found
    if (Date.now() - ctimeMs < abandonedAfter) return false
    await segment.refresh()
    const state = segment.stateOf(sequence)
    // Its line is written by who removes the file, or by who has seen that there is none: it is left from a crash.
    if (state === 'removed') await rm(file, { force: true })
    if (state !== 'unknown') return true
    const event = { kind: 'rebuilt', file } as const
    try {
      const contents = await examine(file)
      const encoding = (Object.keys(extensions) as (keyof typeof extensions)[]).find(
        (one) => file === fileOf(segment, sequence, one),
      )!
      const digest = digestOf(await readFile(file))
      const stored = Math.floor(ctimeMs)
      await segment.append({
        ...{ sequence, stored, bytes: size, encoding, digest, ...contents },
        lost: noLosses(),
        rebuilt: true,
      })
      this.#options.onEvent?.(event)
    } catch (error) {
      // Another collector may have made its line, and removed it, meanwhile.
      if (!(await exists(file))) return true
      this.#options.onEvent?.({ ...event, damaged: (error as Error).message })
    }
    return true
  }

  /** Makes sure that so many bytes can be written without the disk being filled beyond the limit. */
  async #ensureRoom(bytes: number): Promise<void> {
    const { minFree } = this.#options
    if ((await this.free()) - bytes < minFree) {
      await this.maintain()
      if ((await this.#measureFree()) - bytes < minFree) await this.#removeOldest(bytes)
      const free = await this.#measureFree()
      if (free - bytes < minFree) {
        throw new StorageError(`the disk of ${this.#directory} has ${free} bytes free; ${minFree} are to remain free`)
      }
    }
    this.#free.bytes -= bytes
  }

  #measureFree(): Promise<number> {
    this.#free.at = 0
    return this.free()
  }

  /** Removes what is beyond the limits; `room`: bytes that are about to be written. */
  async #removeOldest(room = 0): Promise<void> {
    const { maxBytes = Number.POSITIVE_INFINITY, maxAge, minFree } = this.#options
    const space = minFree - ((await this.#measureFree()) - room)
    const excess = Math.max(0, space, this.totals().bytes + room - maxBytes)
    const deadline = maxAge === undefined ? 0 : Date.now() - maxAge
    const removals = planRemovals(this.#segments.values(), excess, deadline)
    for (const removal of removals) await this.#remove(removal)
    const files = removals.flatMap((removal) => removal.files)
    if (files.length === 0) return
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const reason = excess === 0 ? 'age' : excess === space ? 'free disk' : 'size of the store'
    this.#options.onEvent?.({ kind: 'removed', files: files.length, bytes, reason })
    this.#free.at = 0
  }

  async #remove({ segment, files }: Removal): Promise<void> {
    const sequences = files.map(({ sequence }) => sequence)
    const line = { removed: toRanges(sequences) }
    const names = await namesIn(segment.directory, (name) => sequences.includes(sequenceOf(name) ?? -1))
    const unlinkAll = async () => {
      for (const name of names) await rm(path.join(segment.directory, name), { force: true })
    }
    try {
      // First the line: a late duplicate of a batch without a file is recognised by it.
      await segment.append(line)
      await unlinkAll()
    } catch {
      // The line needs room on a disk that may have none.
      await unlinkAll()
      await segment.append(line)
    }
  }

  /** Shortens the indexes of segments whose files are gone, and at last forgets their boot. */
  async #retire(directory: string, segments: readonly Segment[]): Promise<void> {
    const isOver = ({ totals, modified }: Segment, age: number) => totals.files === 0 && Date.now() - modified > age
    const canForget = () => segments.every((segment) => isOver(segment, forgetAfter))
    if (canForget()) {
      for (const segment of segments) await segment.refresh()
      if (!canForget()) return
      await rm(directory, { recursive: true, force: true })
      for (const segment of segments) this.#segments.delete(segment.directory)
      return
    }
    for (const segment of segments) {
      if (!segment.compacted && isOver(segment, compactAfter)) await segment.compact(this.#temporary())
    }
  }

  #segment(sensor: string, boot: string, number: number): Segment {
    const directory = path.join(this.#directory, sensor, boot, String(number))
    let segment = this.#segments.get(directory)
    if (!segment) {
      segment = new Segment(directory, sensor, boot, number)
      this.#segments.set(directory, segment)
    }
    return segment
  }

  async #findFile(segment: Segment, sequence: number): Promise<string | undefined> {
    for (const encoding of Object.keys(extensions) as (keyof typeof extensions)[]) {
      const file = fileOf(segment, sequence, encoding)
      if (await exists(file)) return file
    }
    return undefined
  }

  #temporary(): string {
    return path.join(this.#directory, temporaryDirectory, randomBytes(8).toString('hex'))
  }
}

function entryOf({ sequence, head, bytes, digest }: BatchToStore): Entry {
  const { packets, encoding, first, last, lost } = head
  return { sequence, stored: Date.now(), bytes: bytes.length, packets, encoding, first, last, digest, lost }
}

function fileOf(segment: Segment, sequence: number, encoding: keyof typeof extensions): string {
  return path.join(segment.directory, `${sequence}${extensions[encoding]}`)
}

function sequenceOf(name: string): number | undefined {
  const match = /^(0|[1-9]\d{0,14})\.pcapng(\.zst|\.gz)?$/.exec(name)
  return match ? Number(match[1]) : undefined
}

function isNumber(name: string): boolean {
  return /^(0|[1-9]\d{0,14})$/.test(name)
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(gone)) !== undefined
}

function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** The names in a directory, which may not exist. */
async function namesIn(directory: string, accept: (name: string) => boolean): Promise<string[]> {
  try {
    return (await readdir(directory)).filter(accept)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}
