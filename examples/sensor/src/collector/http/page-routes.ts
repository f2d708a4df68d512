/** The page for people, and what it is made of. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RefusalLog } from '../refusal-log.js'
import type { Access } from './access.js'
import { type ApiRoutesOptions, addApiRoutes } from './api-routes.js'

export interface PageRoutesOptions extends ApiRoutesOptions {
  readonly access: Access
  readonly wrongLogins: RefusalLog
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

/** Routes with a scope of their own, for `register`. */
export async function pageRoutes(server: FastifyInstance, options: PageRoutesOptions): Promise<void> {
  const { access } = options
  addGuard(server)
  const onlyWithAccess = async (request: FastifyRequest, reply: FastifyReply) => {
    if (!access.allows(request))
      return reply.code(401).send({ error: 'log in, or send the token: Authorization: Bearer' })
  }
  const closed = { preHandler: onlyWithAccess }
  addPage(server, access, closed)
  addLogin(server, options)
  addApiRoutes(server, options, closed)
}

/** What a browser must not do with the page, nor another site's page with this server. */
function addGuard(server: FastifyInstance): void {
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
}

function addPage(server: FastifyInstance, access: Access, closed: object): void {
  const page = readFileSync(path.join(root, 'src/collector/page/index.html'), 'utf8')
  server.get('/', (request, reply) => {
    if (!access.allows(request)) return reply.redirect('/login')
    return reply.type('text/html; charset=utf-8').send(page)
  })
  for (const [url, file, type, kind] of assets) {
    const bytes = readFileSync(path.join(root, file))
    server.get(url, kind === 'open' ? {} : closed, (_, reply) => reply.type(type).send(bytes))
  }
}

function addLogin(server: FastifyInstance, { access, wrongLogins }: PageRoutesOptions): void {
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(body as string))),
  )
  const login = readFileSync(path.join(root, 'src/collector/page/login.html'), 'utf8')
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
    wrongLogins.add(`a wrong token${result === 'blocked' ? ', one of too many' : ''}`, { from: request.ip })
    return reply.redirect(`/login?${result}`, 303)
  })
  server.post('/logout', (_, reply) => {
    access.end(reply)
    return reply.redirect('/login', 303)
  })
}

/** Whether a request is not that of another site's page. Programs send no origin. */
function isOwnOrigin({ headers }: FastifyRequest): boolean {
  if (headers['sec-fetch-site'] !== undefined)
    return ['same-origin', 'none'].includes(String(headers['sec-fetch-site']))
  return headers.origin === undefined || headers.origin.replace(/^https?:\/\//, '') === headers.host
}
