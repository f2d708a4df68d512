/** What the page asks for, and programs with the token: figures, downloads, and connections to cut. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Log } from '../../common/log.js'
import { cutSchema } from '../../wire/answer.js'
import { isSensorName } from '../../wire/identity.js'
import { parseTime, startDownload } from '../download/download.js'
import type { TimeRange } from '../download/merge.js'
import type { Metrics } from '../metrics.js'
import type { RangeView } from '../page/api.js'
import type { Cuts } from '../sensors/cuts.js'
import { type OverviewSource, overviewOf } from './overview.js'

export interface ApiRoutesOptions extends OverviewSource {
  readonly metrics: Metrics
  readonly cuts: Cuts
  readonly log: Log
  /** The maximum number of concurrent downloads. */
  readonly downloads: number
}

const cutRequest = cutSchema.omit({ id: true, until: true }).extend({
  sensor: z.string().refine(isSensorName),
  /** How long. */
  seconds: z.int().min(1).max(86_400).default(60),
})

/** `closed`: the options of a route that is for those with access. */
export function addApiRoutes(server: FastifyInstance, options: ApiRoutesOptions, closed: object): void {
  const { log } = options
  server.get('/metrics', closed, async (_, reply) => {
    const { registry } = options.metrics
    return reply.type(registry.contentType).send(await registry.metrics())
  })
  server.get('/api/overview', closed, () => overviewOf(options))
  server.get<{ Params: { sensor: string }; Querystring: { seconds?: string } }>(
    '/api/sensors/:sensor/rates',
    closed,
    async (request, reply) => {
      const seconds = Number(request.query.seconds ?? 3600)
      if (!isSensorName(request.params.sensor) || !(seconds > 0 && seconds <= 7 * 86_400)) return badRequest(reply)
      return options.book.rates(request.params.sensor, Date.now() - seconds * 1000, 500)
    },
  )
  server.get<RangeRequest>('/api/sensors/:sensor/stored', closed, async (request, reply) => {
    const range = rangeOf(request)
    if (!range) return badRequest(reply)
    const batches = await options.store.select(range.sensor, range.from, range.to)
    const sum = (figure: 'packets' | 'bytes') => batches.reduce((total, batch) => total + batch[figure], 0)
    return { batches: batches.length, packets: sum('packets'), bytes: sum('bytes') } satisfies RangeView
  })
  server.get<{ Params: { sensor: string } }>('/api/sensors/:sensor/cuts', closed, async (request, reply) => {
    return isSensorName(request.params.sensor) ? options.cuts.list(request.params.sensor) : badRequest(reply)
  })
  server.post('/api/cuts', closed, async (request, reply) => {
    const { data } = cutRequest.safeParse(request.body)
    if (!data) return badRequest(reply)
    const { sensor, seconds, ...connection } = data
    const cut = await options.cuts.add(sensor, { ...connection, until: Date.now() + seconds * 1000 })
    log.info('a connection is to be cut', { sensor, ...cut })
    return reply.code(201).send(cut)
  })
  addDownload(server, options, closed)
}

function addDownload(server: FastifyInstance, options: ApiRoutesOptions, closed: object): void {
  const { store, log } = options
  let running = 0
  server.get<RangeRequest>('/api/sensors/:sensor/packets', closed, async (request, reply) => {
    const range = rangeOf(request)
    if (!range) return badRequest(reply)
    const { sensor } = range
    if (running >= options.downloads) {
      return reply.code(503).header('retry-after', '10').send({ error: 'too many downloads at once' })
    }
    running++
    try {
      const onProblem = (file: string, error: Error) => log.error(`left out of a download: ${error.message}`, { file })
      const download = await startDownload(store, sensor, range, onProblem)
      if (!download) {
        running--
        return reply.code(404).send({ error: 'nothing is stored of this time' })
      }
      download.done
        .then(
          (packets) => log.info('a download', { sensor, packets, from: request.ip }),
          (error: Error) => log.warn(`a download ended early: ${error.message}`, { sensor, from: request.ip }),
        )
        .finally(() => running--)
      const name = `${sensor}-${request.query.from}.pcapng`.replaceAll(/[^\w.-]/g, '')
      return reply
        .type('application/x-pcapng')
        .header('content-disposition', `attachment; filename="${name}"`)
        .send(download.stream)
    } catch (error) {
      running--
      throw error
    }
  })
}

interface RangeRequest {
  readonly Params: { readonly sensor: string }
  readonly Querystring: { readonly from?: string; readonly to?: string }
}

function rangeOf({
  params,
  query,
}: FastifyRequest<RangeRequest>): (TimeRange & { readonly sensor: string }) | undefined {
  const { sensor } = params
  const [from, to] = [query.from, query.to].map((text) => parseTime(String(text ?? '')))
  if (!isSensorName(sensor) || from === undefined || to === undefined || from > to) return undefined
  return { sensor, from, to }
}

function badRequest(reply: FastifyReply): FastifyReply {
  return reply.code(400).send({ error: 'a parameter is missing or wrong' })
}
