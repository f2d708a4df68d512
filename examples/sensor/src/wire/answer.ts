/** What the collector answers. Every answer is signed, except to a request whose sender it cannot tell. */
import { z } from 'zod'

/** Why a request is refused, with its HTTP status, and whether the same bytes may be accepted later. */
export const refusals = {
  /** A header or the query is missing or malformed. */
  malformed: { status: 400, again: false },
  /** The body's digest differs from the signed one. */
  digest: { status: 400, again: true },
  /** No key is known for this sensor. */
  'unknown-sensor': { status: 401, again: true },
  signature: { status: 401, again: true },
  /** The request's time is more than {@link clockWindow} away from the collector's clock. */
  time: { status: 401, again: true },
  /** The nonce was used before. */
  replay: { status: 409, again: true },
  /** Another body was stored under the same sequence. */
  conflict: { status: 409, again: false },
  size: { status: 413, again: false },
  /** Too many requests at once, or too many bytes in memory. */
  busy: { status: 503, again: true },
  /** It cannot be stored: the disk is full or failed. */
  storage: { status: 507, again: true },
} as const

export type RefusalReason = keyof typeof refusals

const port = z.int().min(0).max(65_535)

/** A TCP connection to be cut, from the collector. Addresses as text, IPv4 or IPv6. */
export const cutSchema = z.strictObject({
  /** Chosen by the collector; a report names it. */
  id: z.string().regex(/^[\w-]{1,64}$/),
  source: z.union([z.ipv4(), z.ipv6()]),
  sourcePort: port,
  destination: z.union([z.ipv4(), z.ipv6()]),
  destinationPort: port,
  /** Milliseconds since 1970-01-01 UTC at which it ends. */
  until: z.int().min(0),
})

export type Cut = z.output<typeof cutSchema>

export const answerSchema = z.object({
  /** `duplicate`: this sequence was stored before, and is not stored twice. `noted`: a report. */
  outcome: z.enum(['stored', 'duplicate', 'noted', 'refused']),
  /** Of a refusal. */
  reason: z.string().optional(),
  detail: z.string().optional(),
  /** The collector's clock, milliseconds since 1970-01-01 UTC. */
  time: z.int().min(0),
  /** Hosts whose traffic is kept out, all of them: other sensors, the collector. Absent: as before. */
  peers: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .max(10_000)
    .optional(),
  /** Connections to cut, those that are new. */
  cut: z.array(cutSchema).max(1000).optional(),
})

export type Answer = z.output<typeof answerSchema>
