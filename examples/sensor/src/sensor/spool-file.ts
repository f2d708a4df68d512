/** A batch as a file: a line that names the format, its head as a line of JSON, and its bytes. */
import { z } from 'zod'
import type { SealedBatch } from '../transport/transport.js'
import { fromQuery, toQuery } from '../wire/batch-head.js'
import { isBoot, isSensorName } from '../wire/identity.js'
import { digestOf } from '../wire/signature.js'

const magic = 'ringtap-spool 1\n'

/** Bytes of a file in which its head ends. */
export const headRoom = 4096

const schema = z.strictObject({
  sensor: z.string().refine(isSensorName),
  boot: z.string().refine(isBoot),
  sequence: z.int().min(0),
  query: z.string().max(2048),
  /** Number of the bytes that follow, and their SHA-256. */
  length: z.int().min(0),
  digest: z.string(),
})

export type SpoolHead = z.output<typeof schema> & { readonly batch: SealedBatch['head'] }

export function encode({ sensor, boot, sequence, head, bytes }: SealedBatch): Uint8Array[] {
  const fields = { sensor, boot, sequence, query: toQuery(head), length: bytes.length, digest: digestOf(bytes) }
  return [Buffer.from(`${magic}${JSON.stringify(fields)}\n`), bytes]
}

/** The head at the beginning of a file, and where the bytes begin; `undefined` if the file was not written so far. */
export function decodeHead(start: Uint8Array): { head: SpoolHead; offset: number } | undefined {
  const text = Buffer.from(start.buffer, start.byteOffset, Math.min(start.byteLength, headRoom)).toString('latin1')
  const end = text.indexOf('\n', magic.length)
  if (!text.startsWith(magic) || end < 0) return undefined
  try {
    const fields = schema.parse(JSON.parse(text.slice(magic.length, end)))
    const batch = fromQuery(fields.query)
    return 'malformed' in batch ? undefined : { head: { ...fields, batch }, offset: end + 1 }
  } catch {
    return undefined
  }
}

/** The batch in a file; `undefined` if it is damaged. */
export function decode(file: Uint8Array): SealedBatch | undefined {
  const start = decodeHead(file)
  if (!start) return undefined
  const { sensor, boot, sequence, batch: head, digest, length } = start.head
  const bytes = file.subarray(start.offset)
  return bytes.length === length && digestOf(bytes) === digest ? { sensor, boot, sequence, head, bytes } : undefined
}
