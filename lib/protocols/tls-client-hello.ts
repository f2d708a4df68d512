import { createHash } from 'node:crypto'
import { checkBytes } from '../arguments.js'
import { ByteReader } from './byte-reader.js'

/** What a TLS client offers in the first message of a connection (RFC 8446, section 4.1.2). */
export interface TlsClientHello {
  /** The highest version that the client offers, for example 0x0304 for TLS 1.3. */
  readonly version: number
  /** All versions that it offers, in its order, without GREASE values (RFC 8701). */
  readonly versions: readonly number[]
  /** The host name that it asks for (RFC 6066), as sent. Absent if it sends none. */
  readonly serverName?: string
  /** Application protocols in the client's order (RFC 7301), for example `['h2', 'http/1.1']`. */
  readonly alpn: readonly string[]
  /** Cipher suites in the client's order, without GREASE values. */
  readonly cipherSuites: readonly number[]
  /** Types of the extensions in the client's order, without GREASE values. */
  readonly extensions: readonly number[]
  /** Groups for the key exchange, without GREASE values. */
  readonly groups: readonly number[]
  /** Signature algorithms in the client's order, without GREASE values. */
  readonly signatureAlgorithms: readonly number[]
  /** The JA4 fingerprint of the client (FoxIO, JA4: TLS Client Fingerprinting). */
  readonly ja4: string
  /** Whether the server name may be that of a front, because the client sends an Encrypted Client Hello (RFC 9849). */
  readonly encrypted: boolean
}

const Extension = {
  SERVER_NAME: 0,
  GROUPS: 10,
  SIGNATURE_ALGORITHMS: 13,
  ALPN: 16,
  SUPPORTED_VERSIONS: 43,
  ENCRYPTED_CLIENT_HELLO: 0xfe0d,
} as const

const handshakeRecord = 22
const clientHello = 1
/** A record's payload: 2^14 bytes, and what compression and encryption may add (RFC 5246, section 6.2.3). */
const longestRecord = 16384 + 2048
/** Longer ones are not looked at: a client with post-quantum keys sends some two thousand bytes. */
const longestHello = 65536

/**
 * Reads the ClientHello at the start of a TLS connection, from what the client has sent so far. It may extend over
 * several records, and over several segments of TCP (pass the bytes in order, from the first one on).
 *
 * @param sent What the client has sent, from the start of the connection.
 * @returns The ClientHello; `'incomplete'` if `sent` ends before it does; `undefined` if this is not the start of a TLS
 *   connection, or the message's lengths contradict each other. An extension whose content is malformed is read as empty.
 * @throws CaptureError `ERR_OPTION` if `sent` is not a Uint8Array.
 */
export function parseTlsClientHello(sent: Uint8Array): TlsClientHello | 'incomplete' | undefined {
  checkBytes(sent, 'sent')
  const message = handshakeMessage(sent)
  if (!(message instanceof Uint8Array)) return message
  return parseBody(message)
}

/** The first handshake message, without its header, out of the records that it is spread over. */
function handshakeMessage(sent: Uint8Array): Uint8Array | 'incomplete' | undefined {
  const parts: Uint8Array[] = []
  let gathered = 0
  let wanted = 4 // the message's header: type and length
  for (let at = 0; ; ) {
    // Each byte of a record's header is judged as soon as it is there, so that other protocols are recognised early.
    if (at < sent.length && sent[at] !== handshakeRecord) return undefined
    if (at + 1 < sent.length && sent[at + 1] !== 3) return undefined
    if (at + 5 > sent.length) return 'incomplete'
    const length = ((sent[at + 3] as number) << 8) | (sent[at + 4] as number)
    if (length === 0 || length > longestRecord) return undefined
    const part = sent.subarray(at + 5, at + 5 + length)
    if (gathered === 0 && part.length > 0 && part[0] !== clientHello) return undefined
    parts.push(part)
    gathered += part.length
    if (gathered >= 4 && wanted === 4) {
      const [, high = 0, middle = 0, low = 0] = Buffer.concat(parts, 4)
      wanted = 4 + ((high << 16) | (middle << 8) | low)
      if (wanted > longestHello) return undefined
    }
    if (gathered >= wanted && wanted > 4) return Buffer.concat(parts, wanted).subarray(4)
    if (wanted === 4 && gathered >= 4) return undefined // a message without content
    at += 5 + length
    if (part.length < length) return 'incomplete'
  }
}

/** Reads a ClientHello message without its header. */
function parseBody(message: Uint8Array): TlsClientHello | undefined {
  const body = new ByteReader(message)
  const legacyVersion = body.u16()
  body.skip(32) // random
  body.skip(body.u8()) // session id
  const cipherSuites = body.part(body.u16()).u16s().filter(isNoGrease)
  body.skip(body.u8()) // compression methods
  const extensions = new Map<number, ByteReader>()
  const order: number[] = []
  if (body.left > 0) {
    const list = body.part(body.u16())
    while (list.left > 0 && !list.failed) {
      const type = list.u16()
      const content = list.part(list.u16())
      if (!isNoGrease(type)) continue
      order.push(type)
      if (!extensions.has(type)) extensions.set(type, content)
    }
    if (list.failed) return undefined
  }
  if (body.failed) return undefined

  const list16 = (type: number, lengthBytes: 1 | 2) => {
    const content = extensions.get(type)
    if (!content) return []
    return content
      .part(lengthBytes === 1 ? content.u8() : content.u16())
      .u16s()
      .filter(isNoGrease)
  }
  const offered = list16(Extension.SUPPORTED_VERSIONS, 1)
  const versions = offered.length > 0 ? offered : [legacyVersion]
  const serverName = serverNameIn(extensions.get(Extension.SERVER_NAME))
  const alpn = protocolsIn(extensions.get(Extension.ALPN))
  const signatureAlgorithms = list16(Extension.SIGNATURE_ALGORITHMS, 2)
  const version = Math.max(...versions)
  return {
    version,
    versions,
    ...(serverName !== undefined && { serverName }),
    alpn: alpn.map((name) => Buffer.from(name).toString('latin1')),
    cipherSuites,
    extensions: order,
    groups: list16(Extension.GROUPS, 2),
    signatureAlgorithms,
    ja4: fingerprint(version, cipherSuites, order, signatureAlgorithms, alpn[0]),
    encrypted: extensions.has(Extension.ENCRYPTED_CLIENT_HELLO),
  }
}

/** Not one of the sixteen reserved values 0x0a0a, 0x1a1a … 0xfafa (RFC 8701). */
function isNoGrease(value: number): boolean {
  return (value & 0x0f0f) !== 0x0a0a || value >>> 8 !== (value & 0xff)
}

/** The first entry of type host_name. */
function serverNameIn(content: ByteReader | undefined): string | undefined {
  if (!content) return undefined
  const list = content.part(content.u16())
  while (list.left > 0 && !list.failed) {
    const type = list.u8()
    const name = list.bytes(list.u16())
    if (type === 0 && !list.failed) return Buffer.from(name).toString('latin1')
  }
  return undefined
}

function protocolsIn(content: ByteReader | undefined): Uint8Array[] {
  const names: Uint8Array[] = []
  if (!content) return names
  const list = content.part(content.u16())
  while (list.left > 0) {
    const name = list.bytes(list.u8())
    if (list.failed) break
    names.push(name)
  }
  return names
}

const versionNames: ReadonlyMap<number, string> = new Map([
  [0x0304, '13'],
  [0x0303, '12'],
  [0x0302, '11'],
  [0x0301, '10'],
  [0x0300, 's3'],
  [0x0002, 's2'],
])

function fingerprint(
  version: number,
  cipherSuites: readonly number[],
  extensions: readonly number[],
  signatureAlgorithms: readonly number[],
  protocol: Uint8Array | undefined,
): string {
  const hex = (values: readonly number[]) => values.map((value) => value.toString(16).padStart(4, '0'))
  const count = (values: readonly number[]) => String(Math.min(values.length, 99)).padStart(2, '0')
  const named = extensions.includes(Extension.SERVER_NAME) ? 'd' : 'i'
  const hashed = extensions.filter((type) => type !== Extension.SERVER_NAME && type !== Extension.ALPN)
  const text = hex(hashed).sort().join(',')
  const algorithms = signatureAlgorithms.length > 0 ? `_${hex(signatureAlgorithms).join(',')}` : ''
  return [
    `t${versionNames.get(version) ?? '00'}${named}${count(cipherSuites)}${count(extensions)}${ends(protocol)}`,
    digest(hex(cipherSuites).sort().join(',')),
    digest(extensions.length > 0 ? `${text}${algorithms}` : ''),
  ].join('_')
}

/** The first and the last character of a protocol's name; of its hexadecimal digits, if one of them is unprintable. */
function ends(protocol: Uint8Array | undefined): string {
  if (!protocol || protocol.length === 0) return '00'
  const text = Buffer.from(protocol).toString('latin1')
  const shown = /^[0-9A-Za-z](.*[0-9A-Za-z])?$/s.test(text) ? text : Buffer.from(protocol).toString('hex')
  return `${shown[0]}${shown.at(-1)}`
}

/** The first twelve hexadecimal digits of the SHA-256 of a list; zeros for an empty one. */
function digest(list: string): string {
  return list === '' ? '000000000000' : createHash('sha256').update(list).digest('hex').slice(0, 12)
}
