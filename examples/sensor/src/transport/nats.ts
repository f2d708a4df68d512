/** Batches and reports over NATS JetStream. */
import { randomBytes } from 'node:crypto'
import { JetStreamApiError, jetstream, type PubAck } from '@nats-io/jetstream'
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { type Answer, answerSchema } from '../wire/answer.js'
import { toQuery } from '../wire/batch-head.js'
import { header, toHeaders } from '../wire/headers.js'
import type { Identity } from '../wire/identity.js'
import { digestOf, sameSignature, signAnswer, signRequest } from '../wire/signature.js'
import { connectNats, type NatsSettings, pauseBeforeConnecting } from './nats-connection.js'
import {
  batchSubject,
  controlSubject,
  ensureStream,
  messageMethod,
  messagePath,
  queryHeader,
  reportSubject,
  type StreamLimits,
  statusHeader,
} from './nats-stream.js'
import { OwnConnections } from './own-connections.js'
import { type AnnounceConnections, type SealedBatch, type Transport, TransportError } from './transport.js'

export interface NatsTransportOptions {
  readonly settings: NatsSettings
  readonly limits: StreamLimits
  readonly sensor: string
  readonly hmacKey: Uint8Array
  readonly announce: AnnounceConnections
  /**
   * Called with each answer of a collector, whose signature is right: it comes when a collector has dealt with a message,
   * some time after {@link Transport.send} resolved. It may carry peers and connections to cut; `refused`: the collector
   * dropped the message for good.
   */
  readonly onAnswer: (answer: Answer, to: SentMessage) => void
  /** Called when the connection is made or lost, and when an answer is not valid. */
  readonly onEvent?: (level: 'info' | 'warn', text: string) => void
}

/** Which message an answer is about. */
export interface SentMessage extends Identity {
  readonly kind: 'batch' | 'report'
}

/** Milliseconds that an acknowledgement may take. */
const ackTimeout = 10_000

/** How many messages are remembered to check their answers. */
const rememberedMessages = 4096

/** The server's own limit is 1 MiB by default; its headers count. */
const maximumBatch = 512 * 1024
const headerBytes = 4096

/**
 * Messages go to the stream of {@link ensureStream}. The server acknowledges each once it has written it to its file: the
 * crash of the server loses none of them. The crash of its machine may lose those of the last two minutes, unless the
 * server syncs each (`sync_interval: always`, from 2.10 on) or several servers hold each (`replicas`).
 *
 * A message that is sent again is stored once: the server drops an id that it has seen within ten minutes, the collector
 * a sequence that it has stored.
 *
 * Connects in the background, for ever: until then, and while the connection is lost, sending fails at once with
 * {@link TransportError.again}.
 */
export class NatsTransport implements Transport {
  readonly maximumBytes = maximumBatch
  readonly window = 16
  readonly #options: NatsTransportOptions
  readonly #own: OwnConnections
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  /** The connection while it is up. */
  #connection: NatsConnection | undefined
  /** Aborted when the connection is lost. */
  #lost = new AbortController()
  /** The stream is checked once per connection, and again once it is missing. */
  #stream: Promise<void> | undefined
  /** Why there is no connection. */
  #trouble = 'not connected yet'
  /** Messages sent, by nonce. */
  readonly #sent = new Map<string, SentMessage>()
  /** Sends that are in progress, and those that wait for one of them to end. */
  #inProgress = 0
  readonly #waiting: (() => void)[] = []

  constructor(options: NatsTransportOptions) {
    this.#options = options
    this.#own = new OwnConnections(options.announce)
    this.#running = this.#run()
  }

  get connected(): boolean {
    return this.#connection !== undefined
  }

  async send(batch: SealedBatch, signal: AbortSignal): Promise<Answer> {
    const { sensor, boot, sequence, head, bytes } = batch
    if (bytes.length > maximumBatch) throw new TransportError(`a batch of ${bytes.length} bytes is too large`, false)
    const message = { kind: 'batch', sensor, boot, sequence } as const
    const ack = await this.#publish(message, toQuery(head), bytes, `${sensor}:${boot}:${sequence}`, signal)
    return { outcome: ack.duplicate ? 'duplicate' : 'stored', time: Date.now() }
  }

  async report({ sensor, boot, sequence }: Identity, report: unknown, signal: AbortSignal): Promise<Answer> {
    const message = { kind: 'report', sensor, boot, sequence } as const
    const body = Buffer.from(JSON.stringify(report))
    await this.#publish(message, '', body, `${sensor}:${boot}:report:${sequence}`, signal)
    return { outcome: 'noted', time: Date.now() }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#connection?.close()
    await this.#running
  }

  async #publish(message: SentMessage, query: string, body: Uint8Array, id: string, signal: AbortSignal) {
    signal.throwIfAborted()
    if (this.#inProgress >= this.window) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#inProgress++
    try {
      signal.throwIfAborted()
      const connection = this.#connection
      if (!connection) throw new TransportError(`NATS: ${this.#trouble}`, true)
      const ending = AbortSignal.any([signal, this.#lost.signal])
      return await unlessAborted(this.#stored(connection, message, query, body, id), ending)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw this.#explain(error)
    } finally {
      // The place passes to the next one that waits.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#inProgress--
    }
  }

  /** Resolves when the server has acknowledged the message. */
  async #stored(connection: NatsConnection, message: SentMessage, query: string, body: Uint8Array, id: string) {
    const maxPayload = connection.info?.max_payload
    if (maxPayload !== undefined && body.length + headerBytes > maxPayload) {
      throw new TransportError(`the server takes ${maxPayload} bytes (max_payload), too few for ${body.length}`, true)
    }
    this.#stream ??= ensureStream(connection, this.#options.limits)
    await this.#stream
    const subject = (message.kind === 'batch' ? batchSubject : reportSubject)(message.sensor)
    const { sensor, boot, sequence } = message
    const nonce = randomBytes(16).toString('hex')
    const path = messagePath(subject, query)
    const head = { method: messageMethod, path, time: Date.now(), nonce, sensor, boot, sequence }
    const digest = digestOf(body)
    const signature = signRequest(this.#options.hmacKey, head, digest)
    const fields = headers()
    for (const [name, value] of Object.entries(toHeaders({ ...head, digest, signature }))) fields.set(name, value)
    if (query) fields.set(queryHeader, query)
    this.#remember(nonce, message)
    const ack: PubAck = await jetstream(connection).publish(subject, body, {
      msgID: id,
      headers: fields,
      timeout: ackTimeout,
    })
    return ack
  }

  #remember(nonce: string, message: SentMessage): void {
    this.#sent.set(nonce, message)
    const [oldest] = this.#sent.keys()
    if (this.#sent.size > rememberedMessages && oldest !== undefined) this.#sent.delete(oldest)
  }

  /** Every failure may pass: a batch is lost only if a collector refuses it for good, and says so in its answer. */
  #explain(error: unknown): TransportError {
    if (error instanceof TransportError) return error
    const { name, message } = error as Error
    // The stream may be missing, or another one by now: it is checked before the next message.
    if (name !== 'TimeoutError' && !(error instanceof JetStreamApiError)) this.#stream = undefined
    if (error instanceof JetStreamApiError && error.code === 10059) this.#stream = undefined
    return new TransportError(`NATS: ${message || name}`, true, undefined, { cause: error })
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const connection = await connectNats(this.#options.settings, this.#own)
        attempt = 0
        if (signal.aborted) await connection.close()
        else await this.#attend(connection)
      } catch (error) {
        this.#lose((error as Error).message)
      }
      await pauseBeforeConnecting(attempt, signal)
    }
  }

  /** Follows the state of a connection until it is closed for good. */
  async #attend(connection: NatsConnection): Promise<void> {
    connection.subscribe(controlSubject(this.#options.sensor), {
      callback: (error, message) => {
        if (error) this.#event('warn', `answers cannot be received: ${error.message}`)
        else this.#take(message)
      },
    })
    this.#gain(connection)
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#lose('the connection is lost')
      else if (status.type === 'reconnect') this.#gain(connection)
      else if (status.type === 'error') this.#event('warn', status.error.message)
    }
    const reason = await connection.closed()
    this.#lose(reason ? reason.message : 'closed')
  }

  #gain(connection: NatsConnection): void {
    this.#lost = new AbortController()
    this.#stream = undefined
    this.#connection = connection
    this.#event('info', `connected to ${connection.getServer()}`)
  }

  #lose(reason: string): void {
    const connected = this.#connection !== undefined
    this.#connection = undefined
    this.#trouble = reason
    this.#lost.abort(new TransportError(`NATS: ${reason}`, true))
    if (connected || reason !== 'closed') this.#event(this.#closing.signal.aborted ? 'info' : 'warn', reason)
  }

  /** Checks an answer. Each message has one: an answer that comes twice, or to another's message, is dropped. */
  #take(message: Msg): void {
    const nonce = message.headers?.get(header.nonce) ?? ''
    const sent = this.#sent.get(nonce)
    const status = Number(message.headers?.get(statusHeader))
    const expected = signAnswer(this.#options.hmacKey, status, nonce, digestOf(message.data))
    if (!sent || !sameSignature(expected, message.headers?.get(header.answer) ?? '')) {
      // A message that was delivered twice is answered twice.
      if (sent) this.#event('warn', 'an answer is not signed with our key')
      else this.#event('info', 'an answer is to no message that waits for one')
      return
    }
    this.#sent.delete(nonce)
    let text: unknown
    try {
      text = JSON.parse(Buffer.from(message.data).toString())
    } catch {
      text = undefined
    }
    const answer = answerSchema.safeParse(text)
    if (answer.success) this.#options.onAnswer(answer.data, sent)
    else this.#event('warn', 'an answer is malformed')
  }

  #event(level: 'info' | 'warn', text: string): void {
    this.#options.onEvent?.(level, `NATS: ${text}`)
  }
}

/** As the promise, or rejects with the signal's reason as soon as it is aborted. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = withReject()
  const abort = () => reject(signal.reason)
  promise.catch(() => {})
  signal.addEventListener('abort', abort, { once: true })
  try {
    if (signal.aborted) throw signal.reason
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function withReject(): { promise: Promise<never>; reject: (reason: unknown) => void } {
  let reject!: (reason: unknown) => void
  const promise = new Promise<never>((_, fail) => {
    reject = fail
  })
  return { promise, reject }
}
