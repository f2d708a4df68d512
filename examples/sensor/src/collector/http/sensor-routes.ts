/**
 * What sensors send over HTTP. A request is verified before its body is read: nobody without a key can make the collector
 * hold memory.
 */
import type { TLSSocket } from 'node:tls'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RefusalReason } from '../../wire/answer.js'
import { fromHeaders, header, type SignedHead } from '../../wire/headers.js'
import type { Intake, Reply, SensorRequest } from '../intake.js'
import type { MemoryBudget } from '../memory-budget.js'

export interface SensorRoutesOptions {
  readonly intake: Intake
  readonly memory: MemoryBudget
  /** Whether a sensor must show a certificate. */
  readonly clientCertificates: boolean
}

interface Admitted {
  readonly head: SignedHead
  readonly release: () => void
  /** Whether its body has arrived: what it holds is released when it is stored, not when its connection ends. */
  handled: boolean
}

/** Routes with a scope of their own, for `register`. */
export async function sensorRoutes(server: FastifyInstance, options: SensorRoutesOptions): Promise<void> {
  const { intake, memory, clientCertificates } = options
  const admitted = new WeakMap<FastifyRequest, Admitted>()

  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: intake.maxBytes }, (_, body, done) =>
    done(null, body),
  )

  server.addHook('onRequest', async (request, reply) => {
    const from = request.ip
    const refuse = (reason: RefusalReason, detail: string, head?: SignedHead) =>
      send(reply, intake.refuse(reason, detail, { ...(head && { head }), from }))
    if (clientCertificates && !(request.raw.socket as TLSSocket).authorized) {
      return refuse('signature', 'a client certificate is required')
    }
    const head = fromHeaders(request.method, request.raw.url ?? '', (name) => textOf(request.headers[name]))
    if ('malformed' in head) return refuse('malformed', `${head.malformed} is missing or malformed`)
    const refusal = intake.admit({ head, fresh: true, from })
    if (refusal) return send(reply, refusal)
    const length = Number(request.headers['content-length'] ?? Number.NaN)
    if (!Number.isSafeInteger(length)) return refuse('malformed', 'content-length is missing', head)
    if (length > intake.maxBytes) return refuse('size', `more than ${intake.maxBytes} bytes`, head)
    const release = memory.take(length)
    if (!release) return refuse('busy', 'too much is being received at once', head)
    const state = { head, release, handled: false }
    admitted.set(request, state)
    reply.raw.once('close', () => state.handled || release())
  })

  const handle = (accept: (request: SensorRequest) => Promise<Reply>) => {
    return async (request: FastifyRequest, reply: FastifyReply) => {
      const state = admitted.get(request)!
      state.handled = true
      try {
        const body = request.body instanceof Uint8Array ? request.body : Buffer.alloc(0)
        return send(reply, await accept({ head: state.head, body, fresh: true, from: request.ip }))
      } finally {
        state.release()
      }
    }
  }
  server.post(
    '/v1/batches',
    handle((request) => intake.accept(request)),
  )
  server.post(
    '/v1/reports',
    handle((request) => intake.acceptReport(request)),
  )
}

function send(reply: FastifyReply, { status, body, signature, answer }: Reply): FastifyReply {
  if (signature) reply.header(header.answer, signature)
  if (status === 503 || status === 507) reply.header('retry-after', status === 503 ? '1' : '10')
  // The rest of a body that was not read would have to be read ahead of the next request.
  if (answer.outcome === 'refused') reply.header('connection', 'close')
  return reply.code(status).type('application/json').send(body)
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? undefined : value
}
