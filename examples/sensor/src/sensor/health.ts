/** The sensor's state for probes and Prometheus, on a port and on a socket of its own. */
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Log } from '../common/log.js'

export interface HealthOptions {
  /** 0: no port. */
  readonly port: number
  readonly address: string
  /** Path of a Unix socket; `undefined`: none. */
  readonly socket: string | undefined
  readonly log: Log
  /** Whether packets are being captured. */
  readonly ready: () => boolean
  /** Figures in Prometheus' text format. */
  readonly metrics: () => Promise<string>
  readonly contentType: string
}

/** Milliseconds between attempts to get a port that another process has. */
const retryEvery = 1000

export class Health {
  readonly #options: HealthOptions
  readonly #servers: FastifyInstance[] = []
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /**
   * Listens. A port or socket that another sensor has, which is about to be replaced by this one, is tried again until
   * it is free; other failures are logged.
   */
  async start(): Promise<void> {
    const { port, address, socket } = this.#options
    if (port > 0) await this.#listen(`port ${port}`, (server) => server.listen({ port, host: address }))
    if (socket !== undefined) {
      await this.#listen(socket, async (server) => {
        if (!(await answers(socket))) await rm(socket, { force: true })
        return server.listen({ path: socket })
      })
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  async #listen(where: string, listen: (server: FastifyInstance) => Promise<unknown>, again = false): Promise<void> {
    if (this.#closed) return
    const { log } = this.#options
    const server = this.#build()
    try {
      await listen(server)
      this.#servers.push(server)
      if (again) log.info(`health is served on ${where} now`)
    } catch (error) {
      await server.close()
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE') {
        log.error(`health cannot be served on ${where}: ${message}`)
        return
      }
      if (!again) log.warn(`${where} is in use: health is served there as soon as it is free`)
      this.#timer = setTimeout(() => void this.#listen(where, listen, true), retryEvery).unref()
    }
  }

  #build(): FastifyInstance {
    const { ready, metrics, contentType } = this.#options
    const server = Fastify({ forceCloseConnections: true, requestTimeout: 10_000 })
    // That it is answered shows that the event loop turns.
    server.get('/healthz', () => 'ok\n')
    server.get('/readyz', (_, reply) =>
      reply.code(ready() ? 200 : 503).send(ready() ? 'capturing\n' : 'not capturing\n'),
    )
    server.get('/metrics', async (_, reply) => reply.type(contentType).send(await metrics()))
    return server
  }
}

/** Whether a process listens on a Unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
