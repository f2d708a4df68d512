/** The way to the collector over HTTPS. */
import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import { type TLSSocket, connect as wrap } from 'node:tls'
import { type Dispatcher, Pool } from 'undici'
import { type Answer, answerSchema, type RefusalReason, refusals } from '../wire/answer.js'
import { toQuery } from '../wire/batch-head.js'
import { header, toHeaders } from '../wire/headers.js'
import type { Identity } from '../wire/identity.js'
import { digestOf, type RequestHead, sameSignature, signAnswer, signRequest } from '../wire/signature.js'
import { OwnConnections } from './own-connections.js'
import { type AnnounceConnections, type SealedBatch, type Transport, TransportError } from './transport.js'

export interface HttpsOptions {
  /** Host name or address, and port. */
  readonly host: string
  readonly port: number
  /** The key shared with the collector. */
  readonly key: Uint8Array
  /** Certificates as PEM: of the authority that signed the collector's, and the client's own with its private key. */
  readonly ca?: Buffer | undefined
  readonly cert?: Buffer | undefined
  readonly clientKey?: Buffer | undefined
  /** The name in the collector's certificate. Default: `host`. */
  readonly name?: string | undefined
  /** How many batches may be on their way at once, each on a connection of its own. */
  readonly window: number
  readonly announce: AnnounceConnections
  /** Milliseconds for an answer, once the request is sent. Default 60 000. */
  readonly timeout?: number | undefined
  /** Called when the collector's clock differs from ours by more than requests may: milliseconds it is ahead. */
  readonly onClock?: ((offset: number) => void) | undefined
}

/** Milliseconds for a connection with its TLS handshake. */
const connectTimeout = 10_000

/** Bytes of an answer at most. */
const maximumAnswer = 2 ** 20

/** Milliseconds that `retry-after` can demand at most. */
const maximumWait = 60_000

export class HttpsTransport implements Transport {
  readonly maximumBytes = 8 * 2 ** 20
  readonly window: number
  readonly #options: HttpsOptions
  readonly #connections: OwnConnections
  readonly #pool: Pool
  /** The address that worked last is tried first, so that a dead one does not cost its time-out each time. */
  #lastAddress: string | undefined
  /** Milliseconds that the collector's clock is ahead of ours. */
  #offset = 0

  constructor(options: HttpsOptions) {
    this.#options = options
    this.window = options.window
    this.#connections = new OwnConnections(options.announce)
    const { host, port, timeout = 60_000 } = options
    this.#pool = new Pool(`https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`, {
      // One more than batches, for reports.
      connections: options.window + 1,
      pipelining: 1,
      headersTimeout: timeout,
      bodyTimeout: timeout,
      keepAliveTimeout: 30_000,
      connect: (_, done) => {
        this.#connect().then(
          (socket) => done(null, socket),
          (error: Error) => done(error, null),
        )
      },
    })
  }

  send(batch: SealedBatch, signal: AbortSignal): Promise<Answer> {
    return this.#post(`/v1/batches?${toQuery(batch.head)}`, batch, batch.bytes, signal)
  }

  report(identity: Identity, report: unknown, signal: AbortSignal): Promise<Answer> {
    return this.#post('/v1/reports', identity, Buffer.from(JSON.stringify(report)), signal)
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #connect(): Promise<TLSSocket> {
    const { host, ca, cert, clientKey: key, name = host } = this.#options
    const signal = AbortSignal.timeout(connectTimeout)
    const socket = wrap({
      socket: await this.#open(signal),
      ...(isIP(name) ? {} : { servername: name }),
      host: name,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
    })
    try {
      await once(socket, 'secureConnect', { signal })
    } catch (error) {
      socket.destroy()
      throw signal.aborted ? new Error(`the TLS handshake took longer than ${connectTimeout / 1000} s`) : error
    }
    return socket
  }

  /** Connects to one of the host's addresses. Its name is resolved anew each time. */
  async #open(signal: AbortSignal): Promise<Socket> {
    const { host, port } = this.#options
    const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address)
    addresses.sort((a, b) => Number(b === this.#lastAddress) - Number(a === this.#lastAddress))
    let failure: unknown = new Error(`${host} has no address`)
    for (const [i, address] of addresses.entries()) {
      try {
        // Each has an equal share of the time that is left.
        const share = connectTimeout / (addresses.length - i)
        const socket = await this.#connections.connect(
          address,
          port,
          AbortSignal.any([signal, AbortSignal.timeout(share)]),
        )
        this.#lastAddress = address
        return socket
      } catch (error) {
        const late = (error as Error).name === 'AbortError' || (error as Error).name === 'TimeoutError'
        failure = late ? new Error(`connecting to ${address} port ${port} took too long`) : error
      }
    }
    throw failure
  }

  async #post(path: string, identity: Identity, body: Uint8Array, signal: AbortSignal): Promise<Answer> {
    const digest = digestOf(body)
    const first = await this.#attempt(path, identity, body, digest, signal)
    if ('answer' in first) return first.answer
    // The collector's time came signed, for a nonce of ours: it can be trusted like its answers.
    this.#offset = first.time - Date.now()
    this.#options.onClock?.(this.#offset)
    const second = await this.#attempt(path, identity, body, digest, signal)
    if ('answer' in second) return second.answer
    throw new TransportError('the collector refuses the time of requests, although it was corrected', true, undefined, {
      answered: true,
    })
  }

  /** Sends once. Returns the collector's time if it refused the request's. */
  async #attempt(
    path: string,
    { sensor, boot, sequence }: Identity,
    body: Uint8Array,
    digest: string,
    signal: AbortSignal,
  ): Promise<{ answer: Answer } | { time: number }> {
    const { key } = this.#options
    const nonce = randomBytes(16).toString('hex')
    const head: RequestHead = {
      method: 'POST',
      path,
      time: Date.now() + this.#offset,
      nonce,
      sensor,
      boot,
      sequence,
    }
    const signed = toHeaders({ ...head, digest, signature: signRequest(key, head, digest) })
    const { statusCode, headers, text } = await this.#exchange(path, signed, body, signal)
    const given = headers[header.answer]
    const expected = signAnswer(key, statusCode, nonce, digestOf(text))
    const retryAfter = waitOf(headers['retry-after'])
    if (typeof given !== 'string' || !sameSignature(expected, given)) {
      // Not from the collector, or it has another key for this sensor: whatever it is, nothing is given up for it.
      throw new TransportError(
        `status ${statusCode}, not signed with the sensor's key${excerpt(text)}`,
        true,
        retryAfter,
        { answered: true },
      )
    }
    const answer = parseAnswer(text)
    if (statusCode === 200 && answer.outcome !== 'refused') return { answer }
    const { reason = 'no reason', detail = '', time } = answer
    if (reason === 'time') return { time }
    const again = refusals[reason as RefusalReason]?.again ?? true
    throw new TransportError(`refused: ${reason}${detail && `, ${detail}`}`, again, retryAfter, { answered: true })
  }

  async #exchange(path: string, headers: Record<string, string>, body: Uint8Array, signal: AbortSignal) {
    try {
      const response = await orAborted(
        signal,
        this.#pool.request({
          method: 'POST',
          path,
          headers: {
            ...headers,
            'content-type': path.startsWith('/v1/r') ? 'application/json' : 'application/x-pcapng',
          },
          body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
          signal,
        }),
      )
      return { statusCode: response.statusCode, headers: response.headers, text: await textOf(response) }
    } catch (error) {
      if (error instanceof TransportError) throw error
      // Without the local port, which differs each time, so that the same trouble has the same text.
      const text = ((error as Error).message || String(error)).replace(/ - Local \(.*\)$/, '')
      throw new TransportError(text, true, undefined, { cause: error })
    }
  }
}

/** Rejects as soon as the signal is aborted; undici does once it is connected. */
function orAborted<Result>(signal: AbortSignal, promise: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error('aborted'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

async function textOf({ body }: Dispatcher.ResponseData): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of body as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maximumAnswer) throw new TransportError(`the answer has more than ${maximumAnswer} bytes`, true)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function parseAnswer(text: Buffer): Answer {
  try {
    return answerSchema.parse(JSON.parse(text.toString('utf8')))
  } catch (error) {
    throw new TransportError(`the collector's answer is not understood: ${(error as Error).message}`, true)
  }
}

/** Milliseconds in a `retry-after` header. */
function waitOf(value: string | string[] | undefined): number | undefined {
  const seconds = typeof value === 'string' ? Number(value) : Number.NaN
  return seconds >= 0 ? Math.min(seconds * 1000, maximumWait) : undefined
}

/** The beginning of an answer that no collector of ours gave, for the log. */
function excerpt(text: Buffer): string {
  const line = text.toString('utf8').slice(0, 200).replaceAll(/\s+/g, ' ').trim()
  return line && `: ${line}`
}
