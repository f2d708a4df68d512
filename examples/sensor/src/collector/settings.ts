/** The collector's configuration: variables of the environment. docs/sensor.md describes each. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import {
  bytes,
  choice,
  type Environment,
  flag,
  integer,
  type Mistake,
  secretOf,
  settingOf,
} from '../common/variables.js'

const text = z.string().optional()
const MiB = 2 ** 20
const day = 24 * 3_600_000

/** How each variable is read. */
const forms = z.object({
  COLLECTOR_LISTEN: z.string().default('::'),
  COLLECTOR_PORT: integer(0, 65_535).default(8443),
  COLLECTOR_STORE: z.string({ error: 'is required: the directory for the batches' }),
  COLLECTOR_KEYS: z.string({ error: 'is required: the file with a line `SENSOR KEY` for each sensor' }),
  COLLECTOR_TLS_CERT: text,
  COLLECTOR_TLS_KEY: text,
  COLLECTOR_PLAIN_HTTP: flag.default(false),
  COLLECTOR_CLIENT_CA: text,
  COLLECTOR_TOKEN: z.string().min(16, 'must be at least 16 characters long').optional(),
  COLLECTOR_BATCH_BYTES: bytes(64 * 1024).default(8 * MiB),
  COLLECTOR_MEMORY: bytes(MiB).default(128 * MiB),
  COLLECTOR_CONNECTIONS: integer(1, 1_000_000).default(4096),
  COLLECTOR_MAX_BYTES: bytes(0).optional(),
  COLLECTOR_MAX_DAYS: integer(1, 36_500).optional(),
  COLLECTOR_MIN_FREE: bytes(0).default(1024 * MiB),
  COLLECTOR_SILENT_SECS: integer(1, 86_400).default(60),
  COLLECTOR_DOWNLOADS: integer(1, 100).default(2),
  COLLECTOR_EXCLUDE_PEERS: flag.default(false),
  COLLECTOR_HEALTH_LISTEN: z.string().default('::'),
  COLLECTOR_HEALTH_PORT: integer(0, 65_535).optional(),
  NATS_URL: text,
  NATS_CREDS_FILE: text,
  LOG_LVL: choice(['debug', 'info', 'warn']).default('info'),
})

type Values = z.output<typeof forms>
type Variable = keyof Values

const names = Object.keys(forms.shape) as Variable[]
const secrets: readonly Variable[] = ['COLLECTOR_TOKEN', 'NATS_URL']

export interface Settings {
  readonly listen: { readonly host: string; readonly port: number }
  /** Undefined: plain HTTP, behind a proxy that ends TLS. */
  readonly tls:
    | {
        readonly cert: Buffer
        readonly key: Buffer /** Of sensors' certificates, which are required then. */
        readonly clientCa?: Buffer
      }
    | undefined
  readonly keys: string
  readonly store: {
    readonly directory: string
    readonly maxBytes: number | undefined
    /** Milliseconds. */
    readonly maxAge: number | undefined
    readonly minFree: number
  }
  /** Opens the page; undefined: there is none. */
  readonly token: string | undefined
  /** Bytes of one batch, and of all that are being received, at most. */
  readonly batchBytes: number
  readonly memory: number
  readonly connections: number
  /** Downloads at once. */
  readonly downloads: number
  /** Milliseconds without a word of a sensor after which it is called silent. */
  readonly silent: number
  /** Whether sensors are told to keep out the traffic of others, so that it is reported once. */
  readonly excludePeers: boolean
  readonly health: { readonly host: string; readonly port: number } | undefined
  readonly nats: { readonly url: string; readonly credentials: string | undefined } | undefined
  readonly level: 'debug' | 'info' | 'warn'
  /** Variables that look like settings and are none. */
  readonly unknown: readonly string[]
}

/** The settings, or all mistakes in them. */
export function readSettings(
  environment: Environment,
): { readonly settings: Settings } | { readonly mistakes: readonly Mistake[] } {
  const mistakes: Mistake[] = []
  const add = (variable: string, message: string) => {
    // A token whose file cannot be read is not also reported as missing.
    if (!mistakes.some((mistake) => mistake.variable === variable)) mistakes.push({ variable, message })
  }
  const given: Record<string, string> = {}
  for (const name of names) {
    try {
      const value = secrets.includes(name) ? secretOf(environment, name) : settingOf(environment, name)
      if (value !== undefined) given[name] = value
    } catch (error) {
      add(name, (error as Error).message)
    }
  }
  const parsed = forms.safeParse(given)
  for (const { path, message } of parsed.error?.issues ?? []) add(String(path[0]), message)
  const file = (name: Variable): Buffer | undefined => {
    if (given[name] === undefined) return undefined
    try {
      return readFileSync(given[name])
    } catch (error) {
      add(name, `cannot be read: ${(error as Error).message}`)
      return undefined
    }
  }
  const [cert, key, clientCa] = [file('COLLECTOR_TLS_CERT'), file('COLLECTOR_TLS_KEY'), file('COLLECTOR_CLIENT_CA')]
  file('COLLECTOR_KEYS')
  for (const [variable, message] of contradictions(given)) add(variable, message)
  if (given.NATS_URL !== undefined && !/^(nats|tls):\/\/[^\s/]+/.test(given.NATS_URL)) {
    add('NATS_URL', 'must be nats://HOST:PORT or tls://HOST:PORT')
  }
  file('NATS_CREDS_FILE')
  if (mistakes.length > 0 || !parsed.success) return { mistakes }
  const tls = cert && key && { cert, key, ...(clientCa && { clientCa }) }
  return { settings: assemble(parsed.data, tls, Object.keys(environment).filter(isUnknown).sort()) }
}

function contradictions(given: Readonly<Record<string, string>>): [Variable, string][] {
  const { COLLECTOR_TLS_CERT: cert, COLLECTOR_TLS_KEY: key, COLLECTOR_CLIENT_CA: ca } = given
  const plain = flag.safeParse(given.COLLECTOR_PLAIN_HTTP ?? 'false').data === true
  const found: [Variable, string][] = []
  if (plain && (cert ?? key ?? ca) !== undefined) {
    found.push(['COLLECTOR_PLAIN_HTTP', 'is set, and a certificate too: set one of them'])
  } else if (!plain) {
    const hint = 'or COLLECTOR_PLAIN_HTTP=true behind a proxy that ends TLS'
    if (cert === undefined) found.push(['COLLECTOR_TLS_CERT', `is required: the file of the certificate, ${hint}`])
    if (key === undefined) found.push(['COLLECTOR_TLS_KEY', `is required: the file of the certificate's key, ${hint}`])
  }
  return found
}

function assemble(values: Values, tls: Settings['tls'], unknown: readonly string[]): Settings {
  const days = values.COLLECTOR_MAX_DAYS
  return {
    listen: { host: values.COLLECTOR_LISTEN, port: values.COLLECTOR_PORT },
    tls,
    keys: values.COLLECTOR_KEYS,
    store: {
      directory: values.COLLECTOR_STORE,
      maxBytes: values.COLLECTOR_MAX_BYTES,
      maxAge: days === undefined ? undefined : days * day,
      minFree: values.COLLECTOR_MIN_FREE,
    },
    token: values.COLLECTOR_TOKEN,
    batchBytes: values.COLLECTOR_BATCH_BYTES,
    memory: Math.max(values.COLLECTOR_MEMORY, values.COLLECTOR_BATCH_BYTES),
    connections: values.COLLECTOR_CONNECTIONS,
    downloads: values.COLLECTOR_DOWNLOADS,
    silent: values.COLLECTOR_SILENT_SECS * 1000,
    excludePeers: values.COLLECTOR_EXCLUDE_PEERS,
    health:
      values.COLLECTOR_HEALTH_PORT === undefined
        ? undefined
        : { host: values.COLLECTOR_HEALTH_LISTEN, port: values.COLLECTOR_HEALTH_PORT },
    nats: values.NATS_URL === undefined ? undefined : { url: values.NATS_URL, credentials: values.NATS_CREDS_FILE },
    level: values.LOG_LVL,
    unknown,
  }
}

/** Whether a variable looks like a setting of the collector, and is none: a spelling mistake. */
function isUnknown(name: string): boolean {
  if (!name.startsWith('COLLECTOR_')) return false
  return !names.includes(name as Variable) && !secrets.includes(name.replace(/_FILE$/, '') as Variable)
}
