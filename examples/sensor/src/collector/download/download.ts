/** A time range of a sensor as one pcapng file, streamed. */
import { PassThrough, type Readable } from 'node:stream'
import { SavefileWriter } from 'ringtap'
import type { Store } from '../store/store.js'
import { mergeByTime, type TimeRange } from './merge.js'

export interface Download {
  readonly stream: Readable
  /** Resolves to the number of packets when all are written; rejects if the reader went away. */
  readonly done: Promise<number>
}

/** Begins a download; undefined: nothing is stored of this range. */
export async function startDownload(
  store: Store,
  sensor: string,
  range: TimeRange,
  onProblem: (file: string, error: Error) => void,
): Promise<Download | undefined> {
  const batches = await store.select(sensor, range.from, range.to)
  if (batches.length === 0) return undefined
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 })
  const comment = `${sensor}, ${batches.length} batches`
  const writer = new SavefileWriter(stream, { application: 'ringtap-collector', comment })
  const write = async () => {
    for await (const packets of mergeByTime(batches, range, onProblem)) {
      if (stream.destroyed) throw new Error('the reader went away')
      await writer.write(packets)
    }
    return (await writer.close()).packets
  }
  const done = write()
  done.catch((error) => stream.destroy(error))
  return { stream, done }
}

/**
 * A time as nanoseconds since 1970-01-01 UTC: ISO 8601 with up to 9 digits of a second and `Z`, or these nanoseconds in
 * decimal. Undefined: neither.
 */
export function parseTime(text: string): bigint | undefined {
  if (/^\d{1,19}$/.test(text)) return BigInt(text)
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?Z$/.exec(text)
  if (!match) return undefined
  const milliseconds = Date.parse(`${match[1]}Z`)
  if (Number.isNaN(milliseconds) || milliseconds < 0) return undefined
  return BigInt(milliseconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}
