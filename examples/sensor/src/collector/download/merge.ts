/** The packets of many batches, in the order of time, with few of the files open at once. */
import { type Chunk, openFile, type Packet, type Savefile } from 'ringtap'
import type { StoredBatch } from '../store/store.js'

export interface TimeRange {
  /** Nanoseconds since 1970-01-01 UTC; both ends are included. */
  readonly from: bigint
  readonly to: bigint
}

/** Files open at once at most. Batches of one sensor overlap little; if more do, the order is not kept any more. */
const maxOpen = 24
/**
 * Bytes of packets of one file that are put in order at once. Packets of several rings are out of order by less than a
 * batch; most batches are smaller than this.
 */
const runBytes = 8 * 1024 * 1024
const packetsAtOnce = 2000

/**
 * Yields the packets of a time range. `batches`: by the time of their first packet, as the store selects them. A file
 * that was removed meanwhile, or is damaged, is left out from there on, and reported.
 */
export async function* mergeByTime(
  batches: readonly StoredBatch[],
  range: TimeRange,
  onProblem: (file: string, error: Error) => void,
): AsyncGenerator<readonly Packet[]> {
  const open: Source[] = []
  let next = 0
  try {
    for (;;) {
      open.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
      while (next < batches.length && open.length < maxOpen) {
        const batch = batches[next]!
        if (open[0] && open[0].time < batch.first) break
        next++
        const source = new Source(batch.file, range, onProblem)
        if (!(await source.load())) continue
        const at = open.findIndex(({ time }) => time > source.time)
        open.splice(at < 0 ? open.length : at, 0, source)
      }
      const [earliest, second] = open
      if (!earliest) return
      const unopened = open.length < maxOpen ? batches[next]?.first : undefined
      const until = earlier(second?.time, unopened)
      yield earliest.take(until)
      if (earliest.empty && !(await earliest.load())) open.shift()
    }
  } finally {
    for (const source of open) await source.close()
  }
}

/** The packets of one file. */
class Source {
  #savefile: Savefile | undefined
  #chunks: AsyncIterator<Chunk> | undefined
  #run: Packet[] = []
  #at = 0

  constructor(
    readonly file: string,
    readonly range: TimeRange,
    readonly onProblem: (file: string, error: Error) => void,
  ) {}

  /** The time of the next packet; not if {@link empty}. */
  get time(): bigint {
    return this.#run[this.#at]!.timestamp
  }

  get empty(): boolean {
    return this.#at >= this.#run.length
  }

  /** Reads the next packets and puts them in order. False: there are none; the file is closed. */
  async load(): Promise<boolean> {
    this.#run = []
    this.#at = 0
    try {
      if (!this.#chunks) {
        this.#savefile = await openFile(this.file)
        this.#chunks = this.#savefile[Symbol.asyncIterator]()
      }
      await this.#fill(this.#chunks)
    } catch (error) {
      this.onProblem(this.file, error as Error)
    }
    if (this.#run.length === 0) await this.close()
    return this.#run.length > 0
  }

  /** The next packets, up to a time, and not more than some thousand; at least one. */
  take(until: bigint | undefined): readonly Packet[] {
    const from = this.#at
    const end = Math.min(this.#run.length, from + packetsAtOnce)
    do this.#at++
    while (this.#at < end && (until === undefined || this.#run[this.#at]!.timestamp <= until))
    return this.#run.slice(from, this.#at)
  }

  async close(): Promise<void> {
    await this.#savefile?.close()
  }

  async #fill(chunks: AsyncIterator<Chunk>): Promise<void> {
    const { from, to } = this.range
    let bytes = 0
    let ordered = true
    let previous = 0n
    while (bytes < runBytes) {
      const { done, value: chunk } = await chunks.next()
      if (done) break
      // A chunk is released when the next one is asked for.
      const kept = chunk.retain()
      bytes += chunk.byteLength
      for (const packet of kept) {
        const { timestamp } = packet
        if (timestamp < from || timestamp > to) continue
        if (timestamp < previous) ordered = false
        previous = timestamp
        this.#run.push(packet)
      }
      // Chunks without a packet of the range are read over.
      if (this.#run.length === 0) bytes = 0
    }
    if (ordered) return
    this.#run.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0))
  }
}

function earlier(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? a : b
}
