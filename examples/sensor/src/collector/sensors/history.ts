/**
 * The samples of one sensor, in a file for each day: `samples-2026-11-28`. Collectors that share a store append to the same
 * files.
 */
import { appendFile, open, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { type Sample, sampleSchema } from './sample.js'

/** Bytes of a day's file beyond which samples are without interfaces. */
const fullDay = 8 * 1024 * 1024
/** Days that are kept, this one included. */
const days = 7
const readSize = 256 * 1024

export class History {
  constructor(readonly directory: string) {}

  async append(sample: Sample): Promise<void> {
    const file = this.#file(sample.time)
    const { size } = await stat(file).catch(() => ({ size: 0 }))
    if (size === 0) await this.#removeOld(sample.time)
    const { interfaces, ...totals } = sample
    const line = size < fullDay ? { ...totals, interfaces } : totals
    await appendFile(file, `\n${JSON.stringify(line)}\n`, { mode: 0o600 })
  }

  /** The samples since a time, in order. */
  async since(time: number, now: number): Promise<Sample[]> {
    const found: Sample[] = []
    for (let day = now; ; day -= 24 * 3_600_000) {
      found.unshift(...(await readBack(this.#file(day), time)))
      if (day <= time) break
    }
    return found.filter((sample) => sample.time >= time).sort((a, b) => a.time - b.time)
  }

  #file(time: number): string {
    return path.join(this.directory, `samples-${new Date(time).toISOString().slice(0, 10)}`)
  }

  async #removeOld(now: number): Promise<void> {
    const first = path.basename(this.#file(now - (days - 1) * 24 * 3_600_000))
    for (const name of await readdir(this.directory)) {
      if (name.startsWith('samples-') && name < first) await rm(path.join(this.directory, name), { force: true })
    }
  }
}

/** The samples at the end of a file, back to a time or a little further. */
async function readBack(file: string, since: number): Promise<Sample[]> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    const { size } = await handle.stat()
    let from = size
    let bytes: Buffer = Buffer.alloc(0)
    while (from > 0) {
      const at = Math.max(0, from - readSize)
      const part = Buffer.alloc(from - at)
      await handle.read(part, 0, part.length, at)
      bytes = Buffer.concat([part, bytes])
      from = at
      const first = samplesIn(part.toString())[0]
      if (first && first.time < since) break
    }
    return samplesIn(bytes.toString())
  } finally {
    await handle.close()
  }
}

function samplesIn(text: string): Sample[] {
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    try {
      const { data } = sampleSchema.safeParse(line === '' ? undefined : JSON.parse(line))
      if (data) samples.push(data)
    } catch {
      // Cut by a crash, or by where the reading began.
    }
  }
  return samples
}
