import { checkFilter, checkGroup, checkInteger, checkName, orElse } from '../arguments.js'
import { optionError } from '../errors.js'
import type { NativeSavefileForm } from '../savefile/native.js'
import { formKeys, normaliseForm, type SavefileFormOptions } from '../savefile/savefile-form.js'
import { checkOwners, type OwnersOption } from './recorded-owners.js'

/** A key, a certificate, or several, as node:tls takes them: PEM. */
export type Pem = string | Buffer | readonly (string | Buffer)[]

/** TLS of {@link Capture.serve}; see tls.createSecureContext() of Node.js for the fields. */
export interface ServeTlsOptions {
  /** The server's private key. */
  key: Pem
  /** The server's certificate, with its chain. */
  cert: Pem
  /** Readers need a certificate of one of these authorities. Default: readers need none. */
  ca?: Pem | undefined
}

/** Options of {@link Capture.serve}. All are optional. */
export interface ServeOptions extends SavefileFormOptions, OwnersOption {
  /**
   * The address to listen on, or a name of it. Default `'127.0.0.1'`. Whoever can connect gets the packets: the protocol has no
   * authentication, and on loopback that is every user of the machine.
   */
  host?: string | undefined
  /** The TCP port, 0 to 65535; 0: one that is free. Default 57012, the usual one of PCAP-over-IP. */
  port?: number | undefined
  /** Readers at the same time, 1 to 256; further connections are closed at once. Default 16. */
  maxReaders?: number | undefined
  /**
   * Bytes of memory for packets that readers have not taken yet, all readers together, 1 MiB to 2⁴⁰. A packet takes its captured
   * bytes and some 44 more. Beside it each reader takes up to 4 MB and a thread. Default 64 MiB.
   */
  memory?: number | undefined
  /** Milliseconds that a packet may wait to be sent together with others, 10 to 10000. Default 100. */
  milliseconds?: number | undefined
  /**
   * A pcap-filter(7) expression, in addition to that of the capture; as for files, it cannot test the direction of an Ethernet
   * packet. Default: none.
   */
  filter?: string | undefined
  /** Serve over TLS, which Wireshark does not speak itself (stunnel and socat do). Default: plain TCP. */
  tls?: ServeTlsOptions | undefined
}

/** @internal */
export interface NormalisedServeOptions {
  readonly form: NativeSavefileForm
  readonly host: string
  readonly port: number
  readonly maxReaders: number
  readonly memory: number
  readonly milliseconds: number
  readonly filter: string | undefined
  readonly owners: boolean
  readonly tls: { key: string | Buffer | (string | Buffer)[]; cert: string | Buffer | (string | Buffer)[] } | undefined
}

const tlsKeys = ['key', 'cert', 'ca'] as const

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseServeOptions(given: ServeOptions | undefined): NormalisedServeOptions {
  const keys = ['host', 'port', 'maxReaders', 'memory', 'milliseconds', 'filter', 'tls', 'owners', ...formKeys] as const
  const options = checkGroup(given, 'options', keys)
  const { format, precision, comment, application } = options
  return {
    form: normaliseForm({ format, precision, comment, application }),
    host: checkName(orElse(options.host, '127.0.0.1'), 'host', 'an address or a name to listen on'),
    port: checkInteger(orElse(options.port, 57012), 'port', 0, 65535),
    maxReaders: checkInteger(orElse(options.maxReaders, 16), 'maxReaders', 1, 256),
    memory: checkInteger(orElse(options.memory, 64 << 20), 'memory', 1 << 20, 2 ** 40, 'bytes'),
    milliseconds: checkInteger(orElse(options.milliseconds, 100), 'milliseconds', 10, 10_000, 'milliseconds'),
    filter: checkFilter(options.filter, 'filter'),
    owners: checkOwners(options, format),
    tls: options.tls === undefined ? undefined : checkTls(options.tls),
  }
}

function checkTls(given: ServeTlsOptions) {
  const { key, cert, ca } = checkGroup(given, 'tls', tlsKeys)
  return {
    key: checkPem(key, 'tls.key'),
    cert: checkPem(cert, 'tls.cert'),
    // As Node.js has it: with rejectUnauthorized, a reader without a right certificate is refused.
    ...(ca !== undefined && { ca: checkPem(ca, 'tls.ca'), requestCert: true, rejectUnauthorized: true }),
  }
}

function checkPem(value: unknown, label: string): string | Buffer | (string | Buffer)[] {
  const isPem = (one: unknown): one is string | Buffer => typeof one === 'string' || Buffer.isBuffer(one)
  if (isPem(value)) return value
  if (Array.isArray(value) && value.length > 0 && value.every(isPem)) return [...value]
  throw optionError(label, 'PEM as a string or a Buffer, or an array of them', value)
}
