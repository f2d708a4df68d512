/** The collector's server: what sensors send, and the page. */
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify'
import type { Registry } from 'prom-client'
import type { Log } from '../../common/log.js'
import type { Intake } from '../intake.js'
import type { MemoryBudget } from '../memory-budget.js'
import type { RefusalLog } from '../refusal-log.js'
import type { Settings } from '../settings.js'
import { type PageRoutesOptions, pageRoutes } from './page-routes.js'
import { sensorRoutes } from './sensor-routes.js'

export interface ServerOptions {
  readonly settings: Pick<Settings, 'tls' | 'connections' | 'batchBytes'>
  readonly intake: Intake
  readonly memory: MemoryBudget
  readonly log: Log
  readonly wrongRequests: RefusalLog
  /** Whether it can store: not while it starts or ends, or the disk is full. */
  readonly healthy: () => string | undefined
  /** Undefined: there is no page. */
  readonly page: PageRoutesOptions | undefined
}

export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const { settings, intake, memory, log, wrongRequests, healthy, page } = options
  const { tls } = settings
  const server = (fastify as (options: object) => FastifyInstance)({
    ...(tls && {
      https: {
        cert: tls.cert,
        key: tls.key,
        minVersion: 'TLSv1.2',
        // People who open the page have no certificate: the routes of sensors check it.
        ...(tls.clientCa && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: false }),
      },
    }),
    bodyLimit: 64 * 1024,
    requestTimeout: 120_000,
    keepAliveTimeout: 75_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    exposeHeadRoutes: false,
    logger: false,
  })
  server.server.maxConnections = settings.connections
  server.server.headersTimeout = 20_000
  server.setErrorHandler((error: { statusCode?: number; message: string }, request, reply) => {
    const status = error.statusCode ?? 500
    const fields = { from: request.ip, method: request.method, path: request.url.split('?')[0], status }
    if (status >= 500) log.error(error.message, fields)
    else wrongRequests.add(error.message, fields)
    reply.code(status).send({ error: status >= 500 ? 'an error of the collector; its log has more' : error.message })
  })
  server.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'there is nothing here' }))
  await server.register(sensorRoutes, { intake, memory, clientCertificates: tls?.clientCa !== undefined })
  if (page) await server.register(pageRoutes, page)
  addHealth(server, healthy)
  return server
}

/** The server of a port of its own for probes and Prometheus, without TLS and without a token. */
export function buildHealthServer(healthy: () => string | undefined, metrics: Registry): FastifyInstance {
  const server = fastify({ logger: false, forceCloseConnections: true })
  addHealth(server, healthy)
  server.get('/readyz', (_, reply) => answerHealth(reply, healthy()))
  server.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
  return server
}

function addHealth(server: FastifyInstance, healthy: () => string | undefined): void {
  server.get('/healthz', (_, reply) => answerHealth(reply, healthy()))
}

function answerHealth(reply: FastifyReply, problem: string | undefined): FastifyReply {
  return reply.code(problem === undefined ? 200 : 503).send({ status: problem ?? 'ok' })
}
