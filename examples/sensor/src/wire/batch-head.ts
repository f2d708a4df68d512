/** What is sent with a batch beside its bytes: as the query of the request's target, so that the signature covers it. */
import { z } from 'zod'

/** Why a packet that was captured, or should have been, is not at the collector. */
export const lossCauses = [
  /** The ring was full; CaptureStats.droppedByRing. */
  'ring',
  /** The overflow memory was used up; CaptureStats.droppedByOverflow. */
  'overflow',
  /** The kernel's record was malformed; CaptureStats.malformed. */
  'malformed',
  /** Its batch was evicted from the spool, which was full. */
  'spool',
  /** Its batch exceeded a limit of bytes or packets per second. */
  'limit',
  /** The collector refused its batch for good. */
  'refused',
  /** Its batch could neither be sent nor spooled before the end. */
  'unsent',
  /** It was in memory when the sensor was killed; the next start of the sensor counts it. */
  'killed',
] as const

export type LossCause = (typeof lossCauses)[number]

export type Losses = Readonly<Record<LossCause, number>>

export function noLosses(): Record<LossCause, number> {
  return Object.fromEntries(lossCauses.map((cause) => [cause, 0])) as Record<LossCause, number>
}

/** How the bytes of a batch are compressed. */
export const encodings = ['zstd', 'gzip', 'identity'] as const

const count = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const nanoseconds = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt)

const schema = z.strictObject({
  packets: count,
  encoding: z.enum(encodings),
  /** The earliest and the latest time of its packets, nanoseconds since 1970-01-01 UTC; 0 without packets. */
  first: nanoseconds,
  last: nanoseconds,
  /** Losses since the batch before, by cause, those of at least 1: `ring:3,spool:1000`. */
  lost: z
    .string()
    .regex(new RegExp(`^((${lossCauses.join('|')}):[1-9]\\d{0,14}(,|$))*$`))
    .transform(parseLosses),
})

export type BatchHead = z.output<typeof schema>

export function toQuery(head: BatchHead): string {
  const lost = lossCauses.filter((cause) => head.lost[cause] > 0).map((cause) => `${cause}:${head.lost[cause]}`)
  return new URLSearchParams({
    packets: String(head.packets),
    encoding: head.encoding,
    first: String(head.first),
    last: String(head.last),
    lost: lost.join(','),
  }).toString()
}

/** The head in a query that was received, or what is wrong with it. */
export function fromQuery(query: string): BatchHead | { readonly malformed: string } {
  const pairs = [...new URLSearchParams(query)]
  const fields = Object.fromEntries(pairs)
  if (Object.keys(fields).length !== pairs.length) return { malformed: 'a field is given twice' }
  const result = schema.safeParse(fields)
  if (result.success) return result.data
  const { path, message } = result.error.issues[0]!
  return { malformed: `${path.join('.') || 'query'}: ${message}` }
}

function parseLosses(text: string): Losses {
  const losses = noLosses()
  for (const entry of text.split(',').filter(Boolean)) {
    const [cause, packets] = entry.split(':') as [LossCause, string]
    losses[cause] += Number(packets)
  }
  return losses
}
