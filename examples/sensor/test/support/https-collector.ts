/** The collector's intake and store behind a bare HTTPS server, which tests can cut off, slow down and make lie. */
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Intake, type IntakeEvents, type Reply } from '../../src/collector/intake.js'
import { Keys } from '../../src/collector/keys.js'
import { Store } from '../../src/collector/store/store.js'
import type { BatchHead, Losses } from '../../src/wire/batch-head.js'
import { fromHeaders, header, type SignedHead } from '../../src/wire/headers.js'
import type { Report } from '../../src/wire/report.js'
import type { Certificates } from './certificates.js'

export interface StoredBatch {
  readonly head: SignedHead
  readonly batch: BatchHead
}

export interface CollectorOptions {
  readonly folder: string
  readonly certificates: Certificates
  readonly keys?: Readonly<Record<string, string>>
  /** Demand a client certificate. */
  readonly clients?: boolean
  readonly now?: () => number
  readonly extras?: IntakeEvents['extras']
}

export const key = 'a key that is long enough'

export class HttpsCollector {
  readonly batches: StoredBatch[] = []
  readonly reports: Report[] = []
  readonly refused: string[] = []
  duplicates = 0
  /** How many connections were made to it. */
  connections = 0
  /** Called ahead of the answer to a batch: holds it up, or changes it. */
  onReply: ((reply: Reply) => Promise<Reply | 'hang up'> | Reply | 'hang up') | undefined
  readonly #options: CollectorOptions
  readonly #sockets = new Set<Socket>()
  #intake: Intake | undefined
  #server: Server | undefined
  #port = 0

  constructor(options: CollectorOptions) {
    this.#options = options
  }

  get port(): number {
    return this.#port
  }

  get packets(): number {
    return this.batches.reduce((sum, { batch }) => sum + batch.packets, 0)
  }

  /** Sum of the losses in the heads of all batches. */
  get lost(): Partial<Losses> {
    const sum: Record<string, number> = {}
    for (const { batch } of this.batches) {
      for (const [cause, count] of Object.entries(batch.lost)) if (count > 0) sum[cause] = (sum[cause] ?? 0) + count
    }
    return sum
  }

  /** Listens, on the same port as before if it was closed. */
  async listen(): Promise<this> {
    const { folder, certificates, keys = { '*': key }, clients = false, now, extras } = this.#options
    mkdirSync(folder, { recursive: true })
    const store = await Store.open({ directory: folder, minFree: 0 })
    this.#intake = new Intake({
      store,
      keys: Keys.of(keys),
      ...(now && { now }),
      events: {
        refused: (reason) => this.refused.push(reason),
        batch: ({ head }, batch, outcome) => {
          if (outcome === 'stored') this.batches.push({ head, batch })
          else this.duplicates++
        },
        report: async (_request, report) => {
          this.reports.push(report)
        },
        ...(extras && { extras }),
      },
    })
    this.#server = createServer({
      cert: readFileSync(certificates.server.cert),
      key: readFileSync(certificates.server.key),
      // As the collector's: with Node's 5 seconds each report would come on a connection of its own.
      keepAliveTimeout: 75_000,
      ...(clients && { ca: readFileSync(certificates.ca), requestCert: true, rejectUnauthorized: true }),
    })
    this.#server.on('connection', (socket: Socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('request', (request, response) => {
      this.#reply(request.method ?? '', request.url ?? '', request.headers, request).then(
        (reply) => {
          if (reply === 'hang up') return response.destroy()
          const headers = reply.signature === undefined ? {} : { [header.answer]: reply.signature }
          response.writeHead(reply.status, headers).end(reply.body)
        },
        () => response.destroy(),
      )
    })
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  /** Ends it and its connections at once. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(server, 'close')
  }

  async #reply(
    method: string,
    url: string,
    headers: Record<string, string | string[] | undefined>,
    stream: AsyncIterable<Buffer>,
  ): Promise<Reply | 'hang up'> {
    const intake = this.#intake!
    const head = fromHeaders(method, url, (name) => headers[name] as string | undefined)
    if ('malformed' in head) return intake.refuse('malformed', head.malformed, {})
    const body = await buffer(stream)
    const request = { head, body, fresh: true }
    const refused = intake.admit(request)
    if (refused) return refused
    if (url === '/v1/reports') return intake.acceptReport(request)
    const reply = await intake.accept(request)
    return this.onReply ? this.onReply(reply) : reply
  }
}
