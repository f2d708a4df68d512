/** Who may see the page: whoever has the token, in a header or, after logging in, as a session in a cookie. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Milliseconds that a session lasts. */
const sessionTime = 12 * 3_600_000
/** Wrong tokens from one address within {@link attemptTime}, beyond which none is looked at. */
const maxAttempts = 10
const attemptTime = 60_000
const maxAddresses = 10_000

export class Access {
  readonly #token: string
  readonly #secure: boolean
  readonly #wrong = new Map<string, { count: number; until: number }>()

  /** `secure`: whether the page is served over HTTPS, by this server or a proxy. */
  constructor(token: string, secure: boolean) {
    this.#token = token
    this.#secure = secure
  }

  /** Whether a token is the right one; `blocked`: too many of this address were not. */
  check(token: string, address: string, now = Date.now()): 'right' | 'wrong' | 'blocked' {
    const wrong = this.#wrong.get(address)
    if (wrong && wrong.until > now && wrong.count >= maxAttempts) return 'blocked'
    if (sameText(token, this.#token)) {
      this.#wrong.delete(address)
      return 'right'
    }
    if (this.#wrong.size >= maxAddresses) {
      for (const [key, { until }] of this.#wrong) if (until <= now) this.#wrong.delete(key)
      if (this.#wrong.size >= maxAddresses) return 'blocked'
    }
    if (wrong && wrong.until > now) wrong.count++
    else this.#wrong.set(address, { count: 1, until: now + attemptTime })
    return 'wrong'
  }

  /** Whether a request has the token, or a session that has not ended. */
  allows(request: FastifyRequest, now = Date.now()): boolean {
    const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (bearer !== undefined) return this.check(bearer, request.ip, now) === 'right'
    const [, end, mac] = /(?:^|;\s*)session=(\d{1,15})\.([0-9a-f]{64})(?:;|$)/.exec(request.headers.cookie ?? '') ?? []
    return end !== undefined && Number(end) > now && sameText(mac!, this.#macOf(end))
  }

  /** Begins a session. It is not stored: any collector with the same token accepts it. */
  begin(reply: FastifyReply, now = Date.now()): void {
    const end = String(now + sessionTime)
    this.#setCookie(reply, `${end}.${this.#macOf(end)}`, sessionTime / 1000)
  }

  end(reply: FastifyReply): void {
    this.#setCookie(reply, '', 0)
  }

  #setCookie(reply: FastifyReply, value: string, seconds: number): void {
    const attributes = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${this.#secure ? '; Secure' : ''}`
    reply.header('set-cookie', `session=${value}; ${attributes}`)
  }

  #macOf(end: string): string {
    return createHmac('sha256', this.#token).update(`session ${end}`).digest('hex')
  }
}

/** Compares in a time that depends on neither text. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
