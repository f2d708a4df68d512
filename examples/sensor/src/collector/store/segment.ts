/**
 * A segment: a directory with up to 1000 batches of one boot, and their index.
 *
 * The index is a file to which lines are appended, by all collectors that share the store. Each collector reads what was
 * appended since it last did; what it keeps in memory is a summary and the state of each batch, and of a segment that has
 * no file any more ranges.
 */
import { open, rename, stat } from 'node:fs/promises'
import path from 'node:path'
import { type Losses, lossCauses, noLosses } from '../../wire/batch-head.js'
import { syncDirectory, writeDurably } from './durable.js'
import { type Entry, formatLine, type Line, parseLine, toRanges } from './entry.js'

export const segmentSize = 1000

/** `rebuilt`: stored, and its line was made from its file. `removed`: it was stored, and its file was removed. */
export type BatchState = 'unknown' | 'rebuilt' | 'stored' | 'removed'

const states: readonly BatchState[] = ['unknown', 'rebuilt', 'stored', 'removed']

export interface Totals {
  /** Files that exist, and their bytes. */
  files: number
  bytes: number
  /** Packets and losses of all batches, those whose files were removed included. */
  packets: number
  lost: Record<(typeof lossCauses)[number], number>
  /** The earliest and the latest time of packets; 0 without packets. */
  first: bigint
  last: bigint
}

export function noTotals(): Totals {
  return { files: 0, bytes: 0, packets: 0, lost: noLosses(), first: 0n, last: 0n }
}

export function addTotals(to: Totals, more: Readonly<Totals>): void {
  to.files += more.files
  to.bytes += more.bytes
  to.packets += more.packets
  addLosses(to.lost, more.lost)
  widen(to, more)
}

/** Of each batch: its state, and while its file exists the bytes of it and when it was stored. */
interface Batches {
  readonly state: Uint8Array
  readonly bytes: Uint32Array
  readonly stored: Float64Array
}

export class Segment {
  readonly #index: string
  /** Undefined: the batches of {@link #former} were removed, and of others nothing is known. */
  #batches: Batches | undefined
  #former: readonly (readonly [number, number])[] = []
  #totals = noTotals()
  #offset = 0
  #inode = 0
  #compacted = false
  #modified = Date.now()
  #queue: Promise<unknown> = Promise.resolve()
  #appending: { lines: string[]; done: Promise<void> } | undefined

  /** `number`: that of its first batch, divided by {@link segmentSize}. */
  constructor(
    readonly directory: string,
    readonly sensor: string,
    readonly boot: string,
    readonly number: number,
  ) {
    this.#index = path.join(directory, 'index')
  }

  get totals(): Readonly<Totals> {
    return this.#totals
  }

  /** When the index was written last, milliseconds since 1970-01-01 UTC. */
  get modified(): number {
    return this.#modified
  }

  /** Whether its lines were replaced by one. */
  get compacted(): boolean {
    return this.#compacted
  }

  /** Whether it has no file any more, and is not expected to have one again. */
  get idle(): boolean {
    return this.#compacted && !this.#batches
  }

  /** When the first of the batches whose files exist was stored. */
  get oldest(): number | undefined {
    let oldest = Number.POSITIVE_INFINITY
    if (!this.#batches || this.#totals.files === 0) return undefined
    const { bytes, stored } = this.#batches
    for (let at = 0; at < segmentSize; at++) {
      if (bytes[at]! > 0 && stored[at]! < oldest) oldest = stored[at]!
    }
    return oldest
  }

  stateOf(sequence: number): BatchState {
    if (this.#batches) return states[this.#batches.state[this.#at(sequence)]!]!
    return this.#former.some(([from, to]) => from <= sequence && sequence <= to) ? 'removed' : 'unknown'
  }

  /** The batches whose files exist, those that were stored first ahead. */
  files(): { sequence: number; bytes: number; stored: number }[] {
    const found: { sequence: number; bytes: number; stored: number }[] = []
    this.#batches?.bytes.forEach((bytes, at) => {
      if (bytes > 0) found.push({ sequence: this.number * segmentSize + at, bytes, stored: this.#batches!.stored[at]! })
    })
    return found.sort((a, b) => a.stored - b.stored)
  }

  /**
   * Appends a line, and reads the index up to it. The line, and the names in the directory, are durable then. Lines
   * that are appended meanwhile share one write.
   */
  append(line: Line): Promise<void> {
    if (this.#appending) {
      this.#appending.lines.push(formatLine(line))
    } else {
      const lines = [formatLine(line)]
      const done = this.#inTurn(async () => {
        this.#appending = undefined
        await this.#write(lines.join(''))
        await this.#read()
      })
      this.#appending = { lines, done }
    }
    return this.#appending.done
  }

  /** Reads what was appended to the index, also by other collectors. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#read())
  }

  /** The batches whose files exist, by sequence. */
  async entries(): Promise<Entry[]> {
    await this.refresh()
    const found = new Map<number, Entry>()
    if (this.#inode === 0) return []
    const text = await this.#readFrom(0)
    for (const line of linesOf(text)) {
      if (!('sequence' in line) || !this.#covers(line.sequence) || this.stateOf(line.sequence) === 'removed') continue
      const earlier = found.get(line.sequence)
      if (!earlier || earlier.rebuilt) found.set(line.sequence, line)
    }
    return [...found.values()].sort((a, b) => a.sequence - b.sequence)
  }

  /**
   * Replaces the lines of a segment by one, unless it has files or no index. Lines that another collector appends
   * meanwhile are lost.
   */
  compact(temporary: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#read()
      const { files, packets, lost } = this.#totals
      if (files > 0 || this.#inode === 0) return
      await writeDurably(temporary, formatLine({ former: this.#removed(), packets, lost }))
      await rename(temporary, this.#index)
      await syncDirectory(this.directory)
      await this.#read()
    })
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(task, task)
    this.#queue = turn.catch(() => {})
    return turn
  }

  async #write(text: string): Promise<void> {
    const handle = await open(this.#index, 'a', 0o600)
    try {
      // One write: the kernel keeps writes of several collectors to a local file apart.
      const { bytesWritten } = await handle.write(text)
      if (bytesWritten < Buffer.byteLength(text)) throw new Error(`${this.#index}: the disk is full`)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await syncDirectory(this.directory)
  }

  async #read(): Promise<void> {
    const { size, ino, mtimeMs } = await stat(this.#index).catch(absent)
    if (ino === 0) return
    if (ino !== this.#inode) {
      this.#inode = ino
      this.#offset = 0
      this.#batches = undefined
      this.#former = []
      this.#totals = noTotals()
    }
    this.#modified = mtimeMs
    if (size <= this.#offset) return
    const text = await this.#readFrom(this.#offset)
    this.#offset += text.length
    for (const line of linesOf(text)) this.#apply(line)
    this.#fold()
  }

  /** The whole lines from an offset on. */
  async #readFrom(offset: number): Promise<string> {
    const handle = await open(this.#index, 'r')
    try {
      const bytes = Buffer.alloc(Math.max(0, (await handle.stat()).size - offset))
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset)
      return bytes.toString('latin1', 0, bytes.subarray(0, bytesRead).lastIndexOf('\n') + 1)
    } finally {
      await handle.close()
    }
  }

  #covers(sequence: number): boolean {
    return Math.floor(sequence / segmentSize) === this.number
  }

  #apply(line: Line): void {
    if ('sequence' in line) this.#applyEntry(line)
    else this.#applyRemoval(line)
  }

  #applyRemoval(line: Exclude<Line, Entry>): void {
    const removed = [...this.#inRanges('removed' in line ? line.removed : line.former)]
    if (!this.#batches && this.#former.length === 0) {
      this.#former = toRanges(removed)
    } else {
      const { state, bytes } = this.#unfold()
      for (const sequence of removed) {
        const at = this.#at(sequence)
        if (bytes[at]! > 0) {
          this.#totals.files--
          this.#totals.bytes -= bytes[at]!
        }
        bytes[at] = 0
        state[at] = states.indexOf('removed')
      }
    }
    if ('former' in line) {
      this.#compacted = true
      this.#totals.packets += line.packets
      addLosses(this.#totals.lost, line.lost)
    }
  }

  #applyEntry(entry: Entry): void {
    if (!this.#covers(entry.sequence)) return
    const state = this.stateOf(entry.sequence)
    // Two collectors may have been given the same batch at once.
    if (state === 'stored' || state === 'removed' || (state === 'rebuilt' && entry.rebuilt)) return
    addLosses(this.#totals.lost, entry.lost)
    const at = this.#at(entry.sequence)
    const batches = this.#unfold()
    batches.state[at] = states.indexOf(entry.rebuilt ? 'rebuilt' : 'stored')
    if (state === 'rebuilt') return
    batches.bytes[at] = entry.bytes
    batches.stored[at] = entry.stored
    this.#totals.files++
    this.#totals.bytes += entry.bytes
    this.#totals.packets += entry.packets
    widen(this.#totals, entry)
  }

  /** The batches that were removed. */
  #removed(): [number, number][] {
    const first = this.number * segmentSize
    const sequences = Array.from({ length: segmentSize }, (_, at) => first + at)
    return toRanges(sequences.filter((sequence) => this.stateOf(sequence) === 'removed'))
  }

  #unfold(): Batches {
    if (this.#batches) return this.#batches
    const state = new Uint8Array(segmentSize)
    for (const sequence of this.#inRanges(this.#former)) state[this.#at(sequence)] = states.indexOf('removed')
    this.#batches = { state, bytes: new Uint32Array(segmentSize), stored: new Float64Array(segmentSize) }
    return this.#batches
  }

  /** Keeps ranges in place of states, where these say no more. */
  #fold(): void {
    if (!this.#compacted || !this.#batches) return
    const { state } = this.#batches
    if (state.includes(states.indexOf('stored')) || state.includes(states.indexOf('rebuilt'))) return
    this.#former = this.#removed()
    this.#batches = undefined
  }

  #at(sequence: number): number {
    return sequence - this.number * segmentSize
  }

  *#inRanges(ranges: readonly (readonly [number, number])[]): Generator<number> {
    for (const [from, to] of ranges) {
      for (let sequence = from; sequence <= to && this.#covers(sequence); sequence++) yield sequence
    }
  }
}

function absent(error: NodeJS.ErrnoException): { size: number; ino: number; mtimeMs: number } {
  if (error.code !== 'ENOENT') throw error
  return { size: 0, ino: 0, mtimeMs: 0 }
}

function* linesOf(text: string): Generator<Line> {
  for (const part of text.split('\n')) {
    const line = part === '' ? undefined : parseLine(part)
    if (line) yield line
  }
}

function addLosses(to: Record<(typeof lossCauses)[number], number>, more: Losses): void {
  for (const cause of lossCauses) to[cause] += more[cause]
}

/** Times of 0 are those of a batch without packets. */
function widen(to: Totals, { first, last }: { readonly first: bigint; readonly last: bigint }): void {
  if (first > 0n && (to.first === 0n || first < to.first)) to.first = first
  if (last > to.last) to.last = last
}
