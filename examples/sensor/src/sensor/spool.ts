/** Batches that wait until the collector takes them, oldest first. */

import type { Log } from '../common/log.js'
import type { SealedBatch } from '../transport/transport.js'
import { noLosses } from '../wire/batch-head.js'
import { type Accounts, type Amount, type Counted, nothing } from './accounts.js'
import { decode, decodeHead, encode, headRoom } from './spool-file.js'
import { type DiskStore, roomOf, type SpoolStore } from './spool-store.js'

export interface SpoolOptions {
  /** Bytes at most, of all sensors that share the path. */
  readonly bytes: number
  /** Batches at most. Default 100 000: each needs memory too. */
  readonly entries?: number
  /** Bytes that stay free on its disk. */
  readonly minimumFree: number
  /** When this sensor started, milliseconds since 1970-01-01 UTC: batches of earlier starts are older. */
  readonly startedAt: number
  readonly accounts: Accounts
  readonly log: Log
}

/** What this start of the sensor has counted, for the next one if this one is killed. */
export interface Journal {
  /** Packets captured, and those that were recovered. */
  readonly received: number
  /** Packets that were stored or lost. */
  readonly settled: number
}

/** The journal with the batches that are among the settled ones, and whose files may still be there: boot-sequence. */
interface WrittenJournal extends Journal {
  readonly removing?: readonly string[] | undefined
}

/** How many of them are written down at most: more than are under way at once. */
const maximumRemoving = 128

/** Batches at most, where {@link SpoolOptions} do not say. */
const defaultEntries = 100_000

/** A batch in the spool. */
export interface Spooled extends Counted {
  readonly name: string
  /** The time of its earliest packet, nanoseconds since 1970-01-01 UTC. */
  readonly first: bigint
}

interface Entry extends Spooled {
  /** Bytes that its file takes up. */
  readonly room: number
  /** How often it was put at the back. */
  turn: number
  /** Being sent: it is not evicted. */
  taken: boolean
}

export class Spool {
  readonly #store: SpoolStore
  readonly #options: SpoolOptions
  /** Oldest first, by their names; those that were put at the back come last. */
  readonly #entries: Entry[] = []
  readonly #byName = new Map<string, Entry>()
  readonly #held: Amount = nothing()
  /** Bytes that the files take up. */
  #room = 0
  /** Bytes that other sensors hold below the same path. */
  #elsewhere = 0
  /** Writes one after another: each may evict. */
  #writing: Promise<unknown> = Promise.resolve()
  #full = false
  /** Batches that are settled and not yet removed, by {@link keyOf}. */
  readonly #removing = new Set<string>()

  constructor(store: SpoolStore, options: SpoolOptions) {
    this.#store = store
    this.#options = options
  }

  get lasting(): boolean {
    return this.#store.lasting
  }

  /** What it holds, batches that are being sent included. */
  get held(): Readonly<Amount> {
    return this.#held
  }

  /** Whether older batches had to make room for the last one. */
  get full(): boolean {
    return this.#full
  }

  /** Whether a tenth of it is free. */
  get roomy(): boolean {
    const { bytes, entries = defaultEntries } = this.#options
    return this.#room + this.#elsewhere < bytes * 0.9 && this.#entries.length < entries * 0.9
  }

  /** The time of the earliest packet in it. */
  get oldest(): bigint | undefined {
    const oldest = this.#entries.find(({ packets }) => packets > 0)?.first
    const behind = this.#behind().filter(({ packets }) => packets > 0)
    return behind.reduce((least, { first }) => (least === undefined || first < least ? first : least), oldest)
  }

  free(): Promise<number | undefined> {
    return this.#store.free()
  }

  /**
   * Stores a batch, and takes it ({@link take}).
   *
   * @param evict Whether the oldest batches make room for it.
   * @returns `undefined` if there is no room for it, or it cannot be written; it is not counted as lost
   */
  put(batch: SealedBatch, evict: boolean): Promise<Spooled | undefined> {
    const done = this.#writing.then(() => this.#put(batch, evict))
    this.#writing = done
    return done
  }

  /** Replaces the journal. */
  note({ received, settled }: Journal): void {
    const removing = [...this.#removing].slice(-maximumRemoving)
    this.#store.writeJournal(JSON.stringify({ received, settled, ...(removing.length > 0 && { removing }) }))
  }

  /** The oldest batch that is not taken; it is not evicted until it is removed or released. */
  async take(): Promise<{ readonly entry: Spooled; readonly batch: SealedBatch } | undefined> {
    for (;;) {
      const entry = this.#entries.find(({ taken }) => !taken)
      if (!entry) return undefined
      entry.taken = true
      const batch = await this.#read(entry)
      if (batch) return { entry, batch }
    }
  }

  get hasWaiting(): boolean {
    return this.#entries.some(({ taken }) => !taken)
  }

  /** It may be taken or evicted again. */
  release(entry: Spooled): void {
    const found = this.#byName.get(entry.name)
    if (found) found.taken = false
  }

  /** As {@link release}, but all others come first. */
  postpone(entry: Spooled): void {
    const found = this.#byName.get(entry.name)
    if (!found) return
    this.#entries.splice(this.#indexOf(found), 1)
    found.turn++
    this.#entries.splice(this.#indexOf(found), 0, found)
    found.taken = false
  }

  /**
   * Removes a batch that is accounted for.
   *
   * @param settle Accounts for it. Called at once: a journal that counts it so also says that its file may be there.
   */
  async remove(entry: Spooled, settle: () => void): Promise<void> {
    const key = keyOf(entry.name)
    this.#removing.add(key)
    settle()
    this.#forget(entry)
    await this.#store.remove(entry.name)
    this.#removing.delete(key)
  }

  /** Takes over what earlier starts have left; `store` is the disk's. */
  async recover(store: DiskStore): Promise<void> {
    const { accounts, log } = this.#options
    const { folders, elsewhere } = await store.adopt()
    this.#elsewhere = elsewhere
    for (const { names, journal } of folders) {
      const { received, settled, removing = [] } = parseJournal(journal)
      let damaged = 0
      let found = 0
      for (const name of names) {
        const before = accounts.recovered.packets
        if (!(await this.#recoverFile(store, name))) damaged++
        // It was killed between settling and removing this one.
        if (!removing.includes(keyOf(name))) found += accounts.recovered.packets - before
      }
      if (names.length > 0) log.info(`${names.length} batches of an earlier run recovered, ${damaged} of them damaged`)
      const missing = received - settled - found
      if (!(missing > 0)) continue
      accounts.recoverKilled(missing)
      log.warn('an earlier run was killed, and what it had in memory is lost', { packets: missing })
    }
  }

  /** Takes over a file that is in the store's folder now; false if it is damaged. */
  async #recoverFile(store: DiskStore, name: string): Promise<boolean> {
    const { accounts, log } = this.#options
    // Its digest is checked when it is sent: a large spool does not delay the start.
    const file = await store.readStart(name, headRoom)
    const start = decodeHead(file.start)
    const counted: Counted = {
      packets: start?.head.batch.packets ?? 0,
      bytes: start?.head.length ?? 0,
      lost: start?.head.batch.lost ?? noLosses(),
    }
    accounts.recover(counted)
    if (start && file.size === start.offset + start.head.length) {
      this.#insert({ ...counted, name, first: start.head.batch.first, room: roomOf(file.size), turn: 0, taken: false })
      return true
    }
    accounts.lose(counted, 'spool')
    log.warn('a spooled batch is damaged, and lost', {
      file: name,
      packets: start ? counted.packets : 'unknown, its head was not written',
    })
    await store.remove(name)
    return false
  }

  /** Gives up every batch, as the process ends and its memory with it. */
  async abandon(): Promise<void> {
    for (const entry of [...this.#entries]) {
      await this.remove(entry, () => this.#options.accounts.lose(entry, 'unsent'))
    }
  }

  /** Ends the store, once everything that was to be written is. */
  async close(): Promise<void> {
    await this.#writing
    await this.#store.close()
  }

  async #put(batch: SealedBatch, evict: boolean): Promise<Spooled | undefined> {
    const { log, startedAt } = this.#options
    const parts = encode(batch)
    const size = parts.reduce((sum, part) => sum + part.length, 0)
    const { boot, sequence, head } = batch
    const order = [String(startedAt).padStart(14, '0'), boot, String(sequence).padStart(12, '0'), size]
    const entry: Entry = {
      name: `${order.join('-')}.batch`,
      packets: head.packets,
      bytes: batch.bytes.length,
      lost: head.lost,
      first: head.first,
      room: roomOf(size),
      turn: 0,
      taken: true,
    }
    this.#full = false
    for (;;) {
      try {
        if (await this.#hasRoom(size)) {
          await this.#store.write(entry.name, parts)
          this.#insert(entry)
          return entry
        }
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException
        if (code !== 'ENOSPC' && code !== 'EDQUOT') {
          log.error(`a batch cannot be spooled: ${message}`, { sequence, packets: head.packets })
          return undefined
        }
      }
      this.#full = evict
      if (!evict || !(await this.#evict())) return undefined
    }
  }

  async #hasRoom(size: number): Promise<boolean> {
    const { bytes, entries = defaultEntries, minimumFree } = this.#options
    if (this.#entries.length >= entries) return false
    if (this.#room + this.#elsewhere + roomOf(size) > bytes) return false
    const free = await this.#store.free()
    return free === undefined || free - size >= minimumFree
  }

  async #evict(): Promise<boolean> {
    const oldest = this.#entries.find(({ taken }) => !taken)
    if (!oldest) return false
    this.#options.log.debug('a batch was evicted from the spool', { file: oldest.name, packets: oldest.packets })
    await this.remove(oldest, () => this.#options.accounts.lose(oldest, 'spool'))
    return true
  }

  async #read(entry: Entry): Promise<SealedBatch | undefined> {
    let why = 'its digest is wrong'
    try {
      const batch = decode(await this.#store.read(entry.name))
      if (batch) return batch
    } catch (error) {
      why = (error as Error).message
    }
    this.#options.log.error(`a spooled batch is lost: ${why}`, { file: entry.name, packets: entry.packets })
    await this.remove(entry, () => this.#options.accounts.lose(entry, 'spool'))
    return undefined
  }

  #insert(entry: Entry): void {
    this.#entries.splice(this.#indexOf(entry), 0, entry)
    this.#byName.set(entry.name, entry)
    this.#room += entry.room
    this.#held.batches++
    this.#held.packets += entry.packets
    this.#held.bytes += entry.bytes
  }

  #forget(entry: Spooled): void {
    const found = this.#byName.get(entry.name)
    if (!found) return
    this.#byName.delete(entry.name)
    this.#entries.splice(this.#indexOf(found), 1)
    this.#room -= found.room
    this.#held.batches--
    this.#held.packets -= entry.packets
    this.#held.bytes -= entry.bytes
  }

  /** Those that were put at the back. */
  #behind(): readonly Entry[] {
    let from = this.#entries.length
    while (from > 0 && this.#entries[from - 1]!.turn > 0) from--
    return this.#entries.slice(from)
  }

  /** Where an entry is, or belongs: there may be many thousands. */
  #indexOf(entry: Entry): number {
    let [from, to] = [0, this.#entries.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if (isBefore(this.#entries[middle]!, entry)) from = middle + 1
      else to = middle
    }
    return from
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.turn < b.turn || (a.turn === b.turn && a.name < b.name)
}

/** A batch in the journal, by the name of its file. */
function keyOf(name: string): string {
  const [, boot, sequence] = name.split('-')
  return `${boot}-${Number(sequence)}`
}

/** What a run has written down; zeros if there is nothing, or it was not written yet. */
function parseJournal(text: string | undefined): WrittenJournal {
  try {
    const { received, settled, removing } = JSON.parse(text ?? '') as WrittenJournal
    if (Number.isSafeInteger(received) && Number.isSafeInteger(settled)) {
      return { received, settled, removing: Array.isArray(removing) ? removing : [] }
    }
  } catch {
    // As below.
  }
  return { received: 0, settled: 0 }
}
