/**
 * Batches and reports from NATS JetStream. Any number of collectors take from one durable consumer; each message goes to
 * one of them, and to another if that one does not settle it in time.
 */
import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { backoff } from '../common/backoff.js'
import { connectNats, type NatsSettings, pauseBeforeConnecting } from '../transport/nats-connection.js'
import {
  batchSubject,
  consumerName,
  controlSubject,
  ensureStream,
  messageMethod,
  messagePath,
  queryHeader,
  reportSubject,
  type StreamLimits,
  statusHeader,
  streamName,
} from '../transport/nats-stream.js'
import { fromHeaders, header } from '../wire/headers.js'
import type { Intake, Reply } from './intake.js'

export interface NatsSourceOptions {
  readonly settings: NatsSettings
  /** Of the stream, if it does not exist yet. Default: 1 GiB, on one server. */
  readonly limits?: StreamLimits
  readonly intake: Pick<Intake, 'admit' | 'accept' | 'acceptReport' | 'refuse'>
  /** Messages that are being stored at a time. Default 32, of at most 512 KiB each; nothing is fetched ahead of them. */
  readonly inFlight?: number
  readonly onEvent?: (level: 'info' | 'warn', text: string) => void
}

/** Milliseconds after which the server gives a message that is not settled to another collector. */
const ackWait = 30_000

/** Milliseconds after which the server answers a request for messages if there are none. */
const pullFor = 3000

/** Milliseconds between two looks for settled messages that are still in the stream. */
const sweepInterval = 10_000

/** How often a message is tried whose sensor or signature is not known: its key may be about to be added. */
const keyAttempts = 8

export class NatsSource {
  readonly #options: NatsSourceOptions
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  readonly #working = new Set<Promise<void>>()
  #problem: string | undefined = 'not connected yet'

  /** Connects in the background, and goes on for ever until {@link close}. */
  constructor(options: NatsSourceOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** Why no messages come now; undefined: they do, if there are any. */
  get problem(): string | undefined {
    return this.#problem
  }

  /**
   * Takes no further messages, and resolves when those at hand are settled. What the server still delivers on its last
   * request is given back, and goes to another collector at once. Takes up to {@link pullFor}, and the time to store.
   */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt++) {
      let connection: NatsConnection | undefined
      try {
        connection = await connectNats(this.#options.settings)
        await ensureStream(connection, this.#options.limits ?? { bytes: 2 ** 30, replicas: 1 })
        await ensureConsumer(connection)
        attempt = 0
        await this.#consume(connection)
      } catch (error) {
        this.#fail((error as Error).message || (error as Error).name)
      }
      await Promise.all(this.#working)
      // The acknowledgements that are still in memory.
      await connection?.drain().catch(() => {})
      await pauseBeforeConnecting(attempt, signal)
    }
  }

  /** Settles messages until it is closed, or the connection or the consumer is gone for good. */
  async #consume(connection: NatsConnection): Promise<void> {
    const { signal } = this.#closing
    const consumer = await jetstream(connection).consumers.get(streamName, consumerName)
    const pulls = new Pulls(consumer)
    // The last request is left to end by itself; its end does not come if the connection is lost.
    const stop = () => setTimeout(() => pulls.end(), pullFor + 1000).unref()
    signal.addEventListener('abort', stop)
    void this.#follow(connection, () => pulls.end())
    const sweep = () =>
      this.#sweep(connection).catch((error: Error) => this.#event('warn', `no sweep: ${error.message}`))
    await sweep()
    const sweeping = setInterval(() => connection.isClosed() || void sweep(), sweepInterval)
    this.#problem = undefined
    this.#event('info', `takes messages from ${connection.getServer()}`)
    try {
      while (!signal.aborted && !pulls.ended) await this.#pull(connection, pulls)
    } finally {
      clearInterval(sweeping)
      signal.removeEventListener('abort', stop)
      if (!signal.aborted) this.#fail('the consumer has ended')
    }
  }

  /**
   * Requests as many messages as may be stored beside those that are being stored. Each is taken from the client as soon
   * as it arrives: a request that is not read has missed the server's heartbeats.
   */
  async #pull(connection: NatsConnection, pulls: Pulls): Promise<void> {
    const { inFlight = 32 } = this.#options
    for await (const message of await pulls.next(inFlight - this.#working.size)) {
      if (this.#closing.signal.aborted) {
        message.nak()
        continue
      }
      const work = this.#settle(connection, message).finally(() => this.#working.delete(work))
      this.#working.add(work)
    }
    // Half of them at a time: a request for each single message would cost as much as the message.
    while (this.#working.size > inFlight / 2) await Promise.race(this.#working)
  }

  /**
   * Settles the messages that the consumer counts as settled and the stream still has. A server that was killed may have
   * messages again that were settled, and may have forgotten of others that they were not; it delivers neither, and they
   * would take up the stream's space for ever. So they go to the store like any other, which knows what it has.
   */
  async #sweep(connection: NatsConnection): Promise<void> {
    const { streams, consumers } = await jetstreamManager(connection, { checkAPI: false })
    while (!this.#closing.signal.aborted) {
      const { ack_floor: floor } = await consumers.info(streamName, consumerName)
      const { state } = await streams.info(streamName)
      if (state.messages === 0 || state.first_seq > floor.stream_seq) return
      const message = await streams.getMessage(streamName, { seq: state.first_seq })
      // It was being removed.
      if (message === null) return
      const { status } = await this.#handle({ subject: message.subject, headers: message.header, data: message.data })
      if (status >= 500) return
      await streams.deleteMessage(streamName, state.first_seq, false)
    }
  }

  /** Follows the state of a connection. The client pulls again by itself when it has reconnected. */
  async #follow(connection: NatsConnection, stop: () => void): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#fail('the connection is lost')
      else if (status.type === 'error') this.#event('warn', status.error.message)
      else if (status.type === 'reconnect') {
        // The stream may be gone: it is checked, and created if it is.
        stop()
      }
    }
  }

  async #settle(connection: NatsConnection, message: JsMsg): Promise<void> {
    const reply = await this.#handle(message)
    const attempt = message.info.deliveryCount
    const unknown = reply.answer.reason === 'unknown-sensor' || reply.answer.reason === 'signature'
    if (reply.status === 200) message.ack()
    else if (reply.status >= 500 || (unknown && attempt < keyAttempts)) return message.nak(backoff(1000, attempt - 1))
    // Without the reason: servers before 2.10.4 take a reason for a message of another kind, and redeliver.
    else message.term()
    const sensor = message.headers?.get(header.sensor)
    const nonce = message.headers?.get(header.nonce)
    if (reply.signature === undefined || !sensor || !nonce) return
    const fields = headers()
    fields.set(header.nonce, nonce)
    fields.set(statusHeader, String(reply.status))
    fields.set(header.answer, reply.signature)
    connection.publish(controlSubject(sensor), reply.body, { headers: fields })
  }

  async #handle(message: Pick<JsMsg, 'subject' | 'headers' | 'data'>): Promise<Reply> {
    const { intake } = this.#options
    const { subject, headers: fields, data: body } = message
    const from = 'NATS'
    const path = messagePath(subject, fields?.get(queryHeader) ?? '')
    const head = fromHeaders(messageMethod, path, (name) => fields?.get(name))
    if ('malformed' in head) return intake.refuse('malformed', `${head.malformed} is missing or malformed`, { from })
    const isBatch = subject === batchSubject(head.sensor)
    if (!isBatch && subject !== reportSubject(head.sensor)) {
      return intake.refuse('malformed', `the subject is not that of ${head.sensor}`, { from })
    }
    const request = { head, body, fresh: false, from }
    const refusal = intake.admit(request)
    if (refusal) return refusal
    return isBatch ? await intake.accept(request) : await intake.acceptReport(request)
  }

  #fail(problem: string): void {
    if (this.#problem !== problem) this.#event('warn', problem)
    this.#problem = problem
  }

  #event(level: 'info' | 'warn', text: string): void {
    this.#options.onEvent?.(level, `NATS: ${text}`)
  }
}

/**
 * Requests for messages, one at a time. Each ends by itself once the server has answered it in full: unlike one that is
 * broken off, it leaves no message on the way, which nobody would settle before {@link ackWait} is over.
 */
class Pulls {
  readonly #consumer: Consumer
  #messages: ConsumerMessages | undefined
  ended = false

  constructor(consumer: Consumer) {
    this.#consumer = consumer
  }

  async next(messages: number): Promise<ConsumerMessages> {
    this.#messages = await this.#consumer.fetch({ max_messages: messages, expires: pullFor })
    if (this.ended) this.#messages.stop()
    return this.#messages
  }

  /** Breaks off the present request, and makes no other. */
  end(): void {
    this.ended = true
    this.#messages?.stop()
  }
}

/** Creates the consumer, or checks the one that exists. @throws Error which names what could lose messages. */
async function ensureConsumer(connection: NatsConnection): Promise<void> {
  const { consumers } = await jetstreamManager(connection, { checkAPI: false })
  let config: ConsumerConfig
  try {
    config = (await consumers.info(streamName, consumerName)).config
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.ConsumerNotFound) throw error
    // If another collector creates it now as well, the server finds the two to be the same.
    config = (await consumers.add(streamName, wantedConsumer)).config
  }
  const {
    ack_policy: policy,
    max_deliver: maxDeliveries = -1,
    filter_subject: filter,
    filter_subjects: filters,
  } = config
  const faults = [
    ...(policy === AckPolicy.Explicit ? [] : [`ack_policy is ${policy}, not explicit`]),
    ...(maxDeliveries > 0 ? ['max_deliver is set'] : []),
    ...(filter || filters?.length ? ['it has a filter'] : []),
    ...(config.deliver_subject ? ['it is a push consumer'] : []),
  ]
  if (faults.length > 0) throw new Error(`consumer ${consumerName} would lose messages: ${faults.join('; ')}`)
}

const wantedConsumer = {
  durable_name: consumerName,
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  ack_wait: ackWait * 1e6,
  // Of all collectors together: messages that wait for their next attempt count as well.
  max_ack_pending: 1024,
  max_deliver: -1,
}
