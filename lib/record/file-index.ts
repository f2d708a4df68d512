import type { TimeSpan } from '../savefile/time-span.js'
import type { RecordedFile } from './recorded-file.js'

/** The complete files of a recording that have packets, by the times of these. @internal */
export class FileIndex {
  readonly #maxFiles: number
  /** In the order in which they were written. */
  #files: RecordedFile[] = []

  /** @param keep How many files exist at most; `undefined`: any number. */
  constructor(keep: number | undefined) {
    this.#maxFiles = keep ?? Number.POSITIVE_INFINITY
  }

  add(file: RecordedFile): void {
    this.#files.push(file)
    if (this.#files.length > this.#maxFiles) this.#files.shift()
  }

  /** Whether a time is before the last packet of the last file, so that no later file has packets up to it. */
  isBehind(time: bigint): boolean {
    const last = this.#files.at(-1)
    return last !== undefined && time < last.lastTimestamp
  }

  /** The files that may have packets within the span; if there are none, the last one, which describes its interfaces. */
  within({ from, to }: TimeSpan): readonly RecordedFile[] {
    const found = this.#files.filter(
      ({ packets, firstTimestamp, lastTimestamp }) => packets > 0 && lastTimestamp >= from && firstTimestamp <= to,
    )
    return found.length > 0 ? found : this.#files.slice(-1)
  }
}
