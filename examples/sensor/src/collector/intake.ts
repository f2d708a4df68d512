/**
 * What is done with a request of a sensor, whichever way it came: it is verified, what it brings is stored, and the answer
 * is signed.
 */
import { type Answer, type RefusalReason, refusals } from '../wire/answer.js'
import { type BatchHead, type encodings, fromQuery } from '../wire/batch-head.js'
import type { SignedHead } from '../wire/headers.js'
import { type Report, reportSchema } from '../wire/report.js'
import { clockWindow, digestOf, sameSignature, signAnswer, signRequest } from '../wire/signature.js'
import type { Keys } from './keys.js'
import { Nonces } from './nonces.js'
import type { Store } from './store/store.js'

export interface SensorRequest {
  /** Its `path` ends with the query, which describes a batch. */
  readonly head: SignedHead
  readonly body: Uint8Array
  /** Whether its time and its nonce are checked. Not those of a message, which may have waited in a stream. */
  readonly fresh: boolean
  /** The address of the sender, for the log. */
  readonly from?: string | undefined
}

export interface Reply {
  /** Of HTTP; of a message, 2xx and 4xx settle it, except for 401 and 409 if `again`. */
  readonly status: number
  readonly answer: Answer
  /** The answer as JSON. */
  readonly body: Buffer
  /** Of the answer, for the header `x-collector-signature`; absent if the sensor is unknown. */
  readonly signature: string | undefined
  /** Whether the same batch may be accepted later. */
  readonly again: boolean
}

export interface IntakeEvents {
  /** A request was refused. */
  refused?(reason: RefusalReason, detail: string, request: { readonly head?: SignedHead; readonly from?: string }): void
  /** A batch was stored, or had been before. */
  batch?(request: SensorRequest, batch: BatchHead, outcome: 'stored' | 'duplicate'): void
  /** A report came. It rejects if it cannot be stored. */
  report?(request: SensorRequest, report: Report): Promise<void>
  /** What an answer to this sensor says beside the outcome. */
  extras?(sensor: string): Promise<Pick<Answer, 'peers' | 'cut'>>
}

export interface IntakeOptions {
  readonly store: Store
  readonly keys: Keys
  readonly events?: IntakeEvents
  /** Bytes of a batch or report at most. */
  readonly maxBytes?: number
  readonly nonces?: Nonces
  /** The clock, milliseconds since 1970-01-01 UTC. */
  readonly now?: () => number
}

interface Refusal {
  readonly reason: RefusalReason
  readonly detail: string
}

/** The first bytes of a batch. */
const magics: Readonly<Record<(typeof encodings)[number], readonly number[]>> = {
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  gzip: [0x1f, 0x8b, 0x08],
  identity: [0x0a, 0x0d, 0x0d, 0x0a],
}

export class Intake {
  readonly maxBytes: number
  readonly #store: Store
  readonly #keys: Keys
  readonly #events: IntakeEvents
  readonly #nonces: Nonces
  readonly #now: () => number

  constructor(options: IntakeOptions) {
    const { store, keys, events = {}, maxBytes = 8 * 1024 * 1024, nonces = new Nonces(), now = Date.now } = options
    this.#store = store
    this.#keys = keys
    this.#events = events
    this.#nonces = nonces
    this.#now = now
    this.maxBytes = maxBytes
  }

  /**
   * Verifies everything but the body: the reply that refuses the request, or undefined. A request is to be admitted
   * once, ahead of {@link accept} or {@link acceptReport}, and at best before its body is read. The nonce is used up.
   */
  admit(request: Omit<SensorRequest, 'body'>): Reply | undefined {
    const { head, fresh } = request
    const key = this.#keys.get(head.sensor)
    const refuse = (reason: RefusalReason, detail: string) => this.refuse(reason, detail, request)
    if (!key) return refuse('unknown-sensor', `there is no key for ${head.sensor}`)
    // Ahead of all that depends on what the head says.
    if (!sameSignature(signRequest(key, head, head.digest), head.signature)) {
      return refuse('signature', 'the signature is not that of the key')
    }
    if (!fresh) return undefined
    const late = this.#now() - head.time
    if (Math.abs(late) > clockWindow) return refuse('time', `the time of the request is ${late} ms behind`)
    const nonce = this.#nonces.note(`${head.sensor} ${head.nonce}`, this.#now())
    if (nonce === 'seen') return refuse('replay', 'the nonce was used before')
    return nonce === 'full' ? refuse('busy', 'too many requests in the last minutes') : undefined
  }

  /** Stores the batch of a request that was admitted. */
  async accept(request: SensorRequest): Promise<Reply> {
    const { head, body } = request
    const batch = this.#checkBody(request) ?? checkBatch(head, body)
    if ('reason' in batch) return this.refuse(batch.reason, batch.detail, request)
    const { sensor, boot, sequence, digest } = head
    try {
      const outcome = await this.#store.add({ sensor, boot, sequence, digest, head: batch, bytes: body })
      if (outcome === 'conflict') {
        return this.refuse('conflict', `other bytes are stored as ${sensor}/${boot}/${sequence}`, request)
      }
      this.#events.batch?.(request, batch, outcome)
      return await this.#accepted(head, outcome)
    } catch (error) {
      return this.refuse('storage', (error as Error).message, request)
    }
  }

  /** Takes the report of a request that was admitted. */
  async acceptReport(request: SensorRequest): Promise<Reply> {
    const { head, body } = request
    const report = this.#checkBody(request) ?? checkReport(head, body)
    if ('reason' in report) return this.refuse(report.reason, report.detail, request)
    try {
      await this.#events.report?.(request, report)
    } catch (error) {
      return this.refuse('storage', (error as Error).message, request)
    }
    return this.#accepted(head, 'noted')
  }

  /** A reply that refuses a request; without a head, because it was malformed, it is not signed. */
  refuse(reason: RefusalReason, detail: string, { head, from }: Partial<SensorRequest>): Reply {
    const { status, again } = refusals[reason]
    this.#events.refused?.(reason, detail, { ...(head && { head }), ...(from !== undefined && { from }) })
    return this.#reply(head, status, { outcome: 'refused', reason, detail, time: this.#now() }, again)
  }

  #checkBody({ head, body }: SensorRequest): Refusal | undefined {
    if (body.length > this.maxBytes) return { reason: 'size', detail: `more than ${this.maxBytes} bytes` }
    if (digestOf(body) !== head.digest) return { reason: 'digest', detail: 'the body is not what was signed' }
    return undefined
  }

  async #accepted(head: SignedHead, outcome: Answer['outcome']): Promise<Reply> {
    const extras = await this.#events.extras?.(head.sensor)
    return this.#reply(head, 200, { outcome, time: this.#now(), ...extras }, true)
  }

  #reply(head: SignedHead | undefined, status: number, answer: Answer, again: boolean): Reply {
    const body = Buffer.from(JSON.stringify(answer))
    const key = head && this.#keys.get(head.sensor)
    return { status, answer, body, signature: key && signAnswer(key, status, head.nonce, digestOf(body)), again }
  }
}

function checkBatch({ path }: SignedHead, body: Uint8Array): BatchHead | Refusal {
  const at = path.indexOf('?')
  const head = fromQuery(at < 0 ? '' : path.slice(at + 1))
  if ('malformed' in head) return { reason: 'malformed', detail: head.malformed }
  if (magics[head.encoding].some((byte, index) => body[index] !== byte)) {
    return { reason: 'malformed', detail: `the body does not begin as ${head.encoding} does` }
  }
  return head
}

function checkReport({ sensor, boot }: SignedHead, body: Uint8Array): Report | Refusal {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body).toString())
  } catch {
    return { reason: 'malformed', detail: 'the report is not JSON' }
  }
  const { data, error } = reportSchema.safeParse(value)
  if (!data) {
    const { path, message } = error.issues[0]!
    return { reason: 'malformed', detail: `${path.join('.') || 'the report'}: ${message}` }
  }
  if (data.name !== sensor || data.boot !== boot) {
    return { reason: 'malformed', detail: 'the report is that of another sensor or boot than the request' }
  }
  return data
}
