/** The lines of an index: what is known of each batch in a segment. */
import { z } from 'zod'
import { encodings, type Losses, lossCauses, noLosses } from '../../wire/batch-head.js'

const count = z.int().min(0)
const nanoseconds = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt)
const losses = z.partialRecord(z.enum(lossCauses), count).transform((given): Losses => ({ ...noLosses(), ...given }))
const ranges = z.array(z.tuple([count, count]))

const entrySchema = z.strictObject({
  sequence: count,
  /** When it was stored, milliseconds since 1970-01-01 UTC. */
  stored: count,
  /** Bytes of the file. */
  bytes: count,
  packets: count,
  encoding: z.enum(encodings),
  /** The earliest and the latest time of its packets; 0 without packets. */
  first: nanoseconds,
  last: nanoseconds,
  /** SHA-256 of the file, hexadecimal. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  lost: losses,
  /** Read from the file, because its line was missing: the losses that were sent with it are not known. */
  rebuilt: z.literal(true).optional(),
})

/** Batches whose files were removed; each range includes both ends. */
const removedSchema = z.strictObject({ removed: ranges })

/** In place of the lines of a segment that has no file any more: batches, packets and losses that it had. */
const formerSchema = z.strictObject({ former: ranges, packets: count, lost: losses })

const lineSchema = z.union([entrySchema, removedSchema, formerSchema])

export type Entry = z.output<typeof entrySchema>
export type Line = z.output<typeof lineSchema>

/**
 * The bytes of a line as they are appended: with a line break at each end, so that a torn line ahead of it, from a crash
 * or a full disk, does not spoil it.
 */
export function formatLine(line: Line): string {
  const text = JSON.stringify(line, (key, value) => {
    if (typeof value === 'bigint') return String(value)
    if (key === 'lost') return Object.fromEntries(Object.entries(value as Losses).filter(([, packets]) => packets > 0))
    return value
  })
  return `\n${text}\n`
}

/** The line, or undefined if it is torn. */
export function parseLine(text: string): Line | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** The numbers as ranges that include both ends, in ascending order. */
export function toRanges(numbers: readonly number[]): [number, number][] {
  const ranges: [number, number][] = []
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && number <= last[1] + 1) last[1] = number
    else ranges.push([number, number])
  }
  return ranges
}
