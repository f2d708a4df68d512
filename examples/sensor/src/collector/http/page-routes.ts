/** The page for people, and what it is made of. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
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
import type { Access } from './access.js'
import { type OverviewSource, overviewOf } from './overview.js'

export interface PageRoutesOptions extends OverviewSource {
  readonly access: Access
  readonly metrics: Metrics
  readonly cuts: Cuts
  readonly log: Log
  /** Downloads at once at most. */
  readonly downloads: number
}

/** The package's directory: its sources and its compiled files are both below it. */
const root = fileURLToPath(new URL('../../../..', import.meta.url))
const uplot = 'node_modules/uplot/dist'

/** What the page consists of: path, file, type, and whether it is served without a session. */
const assets: readonly (readonly [string, string, string, 'open' | 'closed'])[] = [
  ['/app.js', 'dist/src/collector/page/app.js', 'text/javascript; charset=utf-8', 'closed'],
  ['/charts.js', 'dist/src/collector/page/charts.js', 'text/javascript; charset=utf-8', 'closed'],
  ['/format.js', 'dist/src/collector/page/format.js', 'text/javascript; charset=utf-8', 'closed'],
  ['/elements.js', 'dist/src/collector/page/elements.js', 'text/javascript; charset=utf-8', 'closed'],
  ['/uplot.js', `${uplot}/uPlot.iife.min.js`, 'text/javascript; charset=utf-8', 'closed'],
  ['/uplot.css', `${uplot}/uPlot.min.css`, 'text/css; charset=utf-8', 'closed'],
  ['/style.css', 'src/collector/page/style.css', 'text/css; charset=utf-8', 'open'],
  ['/icon.svg', 'src/collector/page/icon.svg', 'image/svg+xml', 'open'],
]

const wrong = '<p class="alert alarm" role="alert">This is not the token.</p>'
const blocked = '<p class="alert alarm" role="alert">Too many wrong tokens. Try again in a minute.</p>'

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const cutRequest = cutSchema.omit({ id: true, until: true }).extend({
  sensor: z.string().refine(isSensorName),
  /** How long. */
  seconds: z.int().min(1).max(86_400).default(60),
})

/** Routes with a scope of their own, for `register`. */
export async function pageRoutes(server: FastifyInstance, options: PageRoutesOptions): Promise<void> {
  const { access, log } = options
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(body as string))),
  )
  server.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    })
    // A form or a script of another site: the cookie would not be sent with it, and the token is not known to it.
    if (request.method !== 'GET' && !isOwnOrigin(request)) return reply.code(403).send({ error: 'another origin' })
  })
  const onlyWithAccess = async (request: FastifyRequest, reply: FastifyReply) => {
    if (!access.allows(request))
      return reply.code(401).send({ error: 'log in, or send the token: Authorization: Bearer' })
  }
  const closed = { preHandler: onlyWithAccess }

  const [page, login] = ['index.html', 'login.html'].map((name) =>
    readFileSync(path.join(root, 'src/collector/page', name), 'utf8'),
  ) as [string, string]
  server.get('/', (request, reply) => {
    if (!access.allows(request)) return reply.redirect('/login')
    return reply.type('text/html; charset=utf-8').send(page)
  })
  for (const [url, file, type, kind] of assets) {
    const bytes = readFileSync(path.join(root, file))
    server.get(url, kind === 'open' ? {} : closed, (_, reply) => reply.type(type).send(bytes))
  }
  server.get('/login', (request, reply) => {
    // Not more of what the address says than which text it is.
    const message = request.url.endsWith('?wrong') ? wrong : request.url.endsWith('?blocked') ? blocked : ''
    return reply.type('text/html; charset=utf-8').send(login.replace('<!-- message -->', message))
  })
  server.post<{ Body: Partial<Record<string, string>> | undefined }>('/login', (request, reply) => {
    const result = access.check(request.body?.token ?? '', request.ip)
    if (result === 'right') {
      access.begin(reply)
      return reply.redirect('/', 303)
    }
    log.warn(`a login with a wrong token${result === 'blocked' ? ', one of too many' : ''}`, { from: request.ip })
    return reply.redirect(`/login?${result}`, 303)
  })
  server.post('/logout', (_, reply) => {
    access.end(reply)
    return reply.redirect('/login', 303)
  })

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
  registerDownload(server, options, closed)
}

function registerDownload(server: FastifyInstance, options: PageRoutesOptions, closed: object): void {
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

/** Whether a request is not that of another site's page. Programs send no origin. */
function isOwnOrigin({ headers }: FastifyRequest): boolean {
  if (headers['sec-fetch-site'] !== undefined)
    return ['same-origin', 'none'].includes(String(headers['sec-fetch-site']))
  return headers.origin === undefined || headers.origin.replace(/^https?:\/\//, '') === headers.host
}
