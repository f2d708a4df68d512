import { checkBytes } from '../arguments.js'

/** The head of an HTTP/1 request (RFC 9112), as far as it says who wants what from whom. */
export interface HttpRequest {
  /** Such as `GET`. */
  readonly method: string
  /** The request target as sent: a path, or a whole URL in requests to a proxy. */
  readonly target: string
  /** `1.0` or `1.1`. */
  readonly version: string
  /** The value of the first Host field. Absent if there is none. */
  readonly host?: string
  /** The value of the first User-Agent field. Absent if there is none. */
  readonly userAgent?: string
  /** Length of the head in bytes, with the empty line that ends it. */
  readonly length: number
}

/** Longer heads are not looked at: servers refuse them too. */
const longestHead = 65536
const longestMethod = 32

/** A token (RFC 9110, section 5.6.2). */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * Reads the head of an HTTP/1 request, from what a client has sent so far. For a second request of the same connection
 * pass the bytes that follow the first.
 *
 * Bytes above 0x7f appear as the characters of Latin-1. Nothing is decoded or normalised.
 *
 * @param sent What the client has sent, from the start of the request.
 * @returns The head; `'incomplete'` if `sent` ends before it does; `undefined` if this is not the start of an HTTP/1
 *   request.
 * @throws CaptureError `ERR_OPTION` if `sent` is not a Uint8Array.
 */
export function parseHttpRequest(sent: Uint8Array): HttpRequest | 'incomplete' | undefined {
  checkBytes(sent, 'sent')
  const bytes = Buffer.from(sent.buffer, sent.byteOffset, Math.min(sent.byteLength, longestHead))
  const space = bytes.indexOf(0x20)
  const begun = bytes.toString('latin1', 0, space < 0 ? Math.min(bytes.length, longestMethod + 1) : space)
  if (begun.length > longestMethod || (begun !== '' && !token.test(begun)) || space === 0) return undefined
  const end = headEnd(bytes)
  if (end === undefined) return lineMayFollow(bytes) && sent.byteLength < longestHead ? 'incomplete' : undefined
  const [line = '', ...fields] = bytes.toString('latin1', 0, end).split(/\r?\n/)
  const parts = /^(\S+) (\S+) HTTP\/(1\.[01])$/.exec(line)
  if (!parts) return undefined
  const value = (name: string) => {
    const field = fields.find((one) => one.slice(0, name.length + 1).toLowerCase() === `${name}:`)
    return field?.slice(name.length + 1).trim()
  }
  const host = value('host')
  const userAgent = value('user-agent')
  return {
    method: parts[1] as string,
    target: parts[2] as string,
    version: parts[3] as string,
    ...(host !== undefined && { host }),
    ...(userAgent !== undefined && { userAgent }),
    length: end,
  }
}

/** The position behind the empty line, which may end in LF alone (RFC 9112, section 2.2). */
function headEnd(bytes: Buffer): number | undefined {
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) {
    if (bytes[at + 1] === 0x0a) return at + 2
    if (bytes[at + 1] === 0x0d && bytes[at + 2] === 0x0a) return at + 3
  }
  return undefined
}

/** Whether what is there can still become a request: its first line, once complete, must be a request line. */
function lineMayFollow(bytes: Buffer): boolean {
  const end = bytes.indexOf(0x0a)
  if (end < 0) return true
  return /^\S+ \S+ HTTP\/1\.[01]\r?$/.test(bytes.toString('latin1', 0, end))
}
