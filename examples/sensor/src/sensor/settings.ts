/** The sensor's configuration: variables of the environment. docs/sensor.md describes each. */
import { accessSync, closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { CaptureError, compileFilter, explainSelection, type InterfaceRules, type InterfaceSelection } from 'ringtap'
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
  words,
} from '../common/variables.js'
import { parseNatsUrl } from '../transport/nats-connection.js'
import { isSensorName } from '../wire/identity.js'
import { defaultBatch, defaultMemory } from './memory.js'

const text = z.string().optional()
const MiB = 2 ** 20

/** How each variable is read. */
const forms = z.object({
  VSENSOR_HOSTNAME: text,
  VSENSOR_HMAC_KEY: z
    .string({ error: 'is required: the key that the collector has for this sensor' })
    .refine((key) => Buffer.byteLength(key) >= 16, 'must be at least 16 bytes long'),
  VSENSOR_PORT: integer(1, 65_535).default(443),
  NATS_URL: text,
  NATS_CREDS_FILE: text,
  SENSOR_NATS_BYTES: bytes(MiB).default(1024 * MiB),
  SENSOR_NATS_REPLICAS: integer(1, 5).default(1),
  OSSENSOR_NETWORK_DEVICE: text,
  OSSENSOR_CONFIG_PATH: text,
  OSSENSOR_LOGFILE_PATH: text,
  OSSENSOR_DEBUG: integer(0, 5).default(1),
  OSSENSOR_STATISTICS: integer(1, 86_400).default(10),
  ANTIGENA_ENABLED: flag.default(true),
  ANTIGENA_TIME_PERIOD: integer(1, 86_400).default(5),
  NETWORK_DEVICE_INCLUDELIST: words,
  NETWORK_DEVICE_WHITELIST: words,
  NETWORK_DEVICE_EXCLUDELIST: words,
  NETWORK_DEVICE_BLACKLIST: words,
  NETWORK_DEVICE_ANY: flag.default(false),
  INTERFACE_WAIT_SECS: integer(0, 86_400).default(5),
  INTERFACE_WAIT_ATTEMPTS: integer(0, 1_000_000).default(3),
  BPF: text,
  IFACE: text,
  LOG_LVL: choice(['debug', 'info', 'warn']).default('info'),
  SENSOR_NAME: text.refine(
    (name) => name === undefined || isSensorName(name),
    'must be 1 to 63 letters, digits, - and _, the first a letter or digit',
  ),
  SENSOR_COMPRESS: choice(['zstd', 'gzip', 'none']).default('zstd'),
  SENSOR_BATCH_BYTES: bytes(4096).optional(),
  SENSOR_BATCH_MILLISECONDS: integer(10, 600_000).default(1000),
  SENSOR_SNAPSHOT_LENGTH: integer(64, 262_144).default(262_144),
  SENSOR_PROMISCUOUS: flag.default(false),
  SENSOR_WINDOW: integer(1, 64).default(4),
  SENSOR_SPOOL_PATH: text,
  SENSOR_SPOOL_BYTES: bytes(0).optional(),
  SENSOR_SPOOL_MIN_FREE: bytes(0).default(256 * MiB),
  SENSOR_LIMIT_BYTES: bytes(0).default(0),
  SENSOR_LIMIT_PACKETS: integer(0, 1e12).default(0),
  SENSOR_LIMIT_ACTION: choice(['wait', 'drop']).default('wait'),
  SENSOR_MEMORY: bytes(128 * MiB).optional(),
  SENSOR_HEALTH_PORT: integer(0, 65_535).default(0),
  SENSOR_HEALTH_ADDRESS: text,
  SENSOR_HEALTH_SOCKET: text,
  SENSOR_REPORT_SECONDS: integer(1, 3600).default(5),
  SENSOR_HOST_ROOT: text,
  SENSOR_HOST_PROC: text,
  SENSOR_TLS_CA: text,
  SENSOR_TLS_CERT: text,
  SENSOR_TLS_KEY: text,
  SENSOR_TLS_NAME: text,
})

type Variable = keyof typeof forms.shape
type Values = z.output<typeof forms>
/** Values of which those that are wrong are missing. */
type Partly = Omit<Values, 'VSENSOR_HMAC_KEY'> & { VSENSOR_HMAC_KEY?: string | undefined }

const names = Object.keys(forms.shape) as Variable[]

/** Variables whose value may be in a file named by NAME_FILE, and is masked wherever it is shown. */
const secrets: readonly Variable[] = ['VSENSOR_HMAC_KEY', 'NATS_URL']

export interface Settings {
  readonly name: string
  readonly key: Uint8Array
  /** Where batches go over HTTPS; `undefined` with NATS. */
  readonly collector: Collector | undefined
  readonly nats: Nats | undefined
  readonly interfaces: InterfaceSelection
  /** For an interface at the start, unless later ones are taken too. */
  readonly wait: { readonly seconds: number; readonly attempts: number }
  readonly filter: string | undefined
  readonly snapshotLength: number
  readonly promiscuous: boolean
  readonly batch: {
    readonly bytes: number
    readonly milliseconds: number
    readonly compress: 'zstd' | 'gzip' | false
  }
  readonly window: number
  readonly spool: { readonly path: string | undefined; readonly bytes: number; readonly minimumFree: number }
  /** Per second; 0: no limit. */
  readonly limit: { readonly bytes: number; readonly packets: number; readonly action: 'wait' | 'drop' }
  readonly memory: number
  readonly health: { readonly port: number; readonly address: string; readonly socket: string | undefined }
  readonly reportSeconds: number
  readonly response: { readonly enabled: boolean; readonly period: number }
  readonly log: {
    readonly debug: number
    readonly level: 'debug' | 'info' | 'warn'
    readonly path: string | undefined
    readonly statisticsSeconds: number
  }
  /** Where the host's file system and its procfs are mounted, to find containers. */
  readonly host: { readonly root: string; readonly procfs: string }
  /** Where the effective configuration is written. */
  readonly configPath: string | undefined
  /** The effective value of every variable, secrets masked. */
  readonly effective: Readonly<Record<string, unknown>>
  /** Variables that look like settings and are none. */
  readonly unknown: readonly string[]
}

export interface Nats {
  readonly url: string
  /** Texts, not paths. */
  readonly credentials: string | undefined
  readonly ca: string | undefined
  readonly certificate: string | undefined
  readonly key: string | undefined
  /** Bytes that wait in the stream at most, and how many servers hold each message. */
  readonly bytes: number
  readonly replicas: number
}

export interface Collector {
  readonly host: string
  readonly port: number
  readonly ca: Buffer | undefined
  readonly cert: Buffer | undefined
  readonly key: Buffer | undefined
  /** The name in the collector's certificate, if it differs from the host name. */
  readonly name: string | undefined
}

/** The settings, or all mistakes in them. */
export async function readSettings(
  environment: Environment,
): Promise<{ readonly settings: Settings } | { readonly mistakes: readonly Mistake[] }> {
  const mistakes: Mistake[] = []
  const given: Record<string, string> = {}
  for (const name of names) {
    try {
      const value = secrets.includes(name) ? secretOf(environment, name) : settingOf(environment, name)
      if (value !== undefined) given[name] = value
    } catch (error) {
      mistakes.push({ variable: name, message: (error as Error).message })
    }
  }
  const parsed = forms.safeParse(given)
  for (const { path, message } of parsed.error?.issues ?? []) {
    const variable = String(path[0])
    // A key whose file cannot be read is not also reported as missing.
    if (!mistakes.some((mistake) => mistake.variable === variable)) mistakes.push({ variable, message })
  }
  // What the variables mean together is checked with those that are right.
  const wrong = new Set(mistakes.map(({ variable }) => variable))
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !wrong.has(name)))
  const values = forms.partial({ VSENSOR_HMAC_KEY: true }).parse(rest)
  const check = new Check(values, mistakes)
  const nats = check.nats()
  const collector = nats ? undefined : check.collector()
  const interfaces = check.interfaces()
  await check.filter()
  // What starts with right settings opens these itself, and then they are its mistakes.
  if (mistakes.length > 0) check.places()
  if (mistakes.length > 0) return { mistakes }
  return { settings: assemble(values as Values, environment, { collector, nats, interfaces }) }
}

/** What more than one variable decides, or needs the library or a file. */
class Check {
  readonly #values: Partly
  readonly #mistakes: Mistake[]

  constructor(values: Partly, mistakes: Mistake[]) {
    this.#values = values
    this.#mistakes = mistakes
  }

  collector(): Collector | undefined {
    const { VSENSOR_HOSTNAME, VSENSOR_PORT, SENSOR_TLS_CERT, SENSOR_TLS_KEY, SENSOR_TLS_NAME } = this.#values
    if ((SENSOR_TLS_CERT === undefined) !== (SENSOR_TLS_KEY === undefined)) {
      const [missing, present] = SENSOR_TLS_CERT ? ['SENSOR_TLS_KEY', 'CERT'] : ['SENSOR_TLS_CERT', 'KEY']
      this.#add(missing as Variable, `is required with SENSOR_TLS_${present}`)
    }
    const files = {
      ca: this.#file('SENSOR_TLS_CA'),
      cert: this.#file('SENSOR_TLS_CERT'),
      key: this.#file('SENSOR_TLS_KEY'),
    }
    if (VSENSOR_HOSTNAME === undefined) {
      this.#add('VSENSOR_HOSTNAME', 'is required: the host name or address of the collector')
      return undefined
    }
    const host = VSENSOR_HOSTNAME.replace(/^\[(.*)\]$/, '$1')
    const problem = hostProblem(host)
    if (problem) this.#add('VSENSOR_HOSTNAME', problem)
    return { host, port: VSENSOR_PORT, ...files, name: SENSOR_TLS_NAME }
  }

  nats(): Nats | undefined {
    const { NATS_URL: url, SENSOR_NATS_BYTES, SENSOR_NATS_REPLICAS } = this.#values
    if (url === undefined) return undefined
    try {
      parseNatsUrl(url)
    } catch (error) {
      this.#add('NATS_URL', (error as Error).message)
    }
    const text = (name: Variable) => this.#file(name)?.toString()
    return {
      url,
      credentials: text('NATS_CREDS_FILE'),
      ca: text('SENSOR_TLS_CA'),
      certificate: text('SENSOR_TLS_CERT'),
      key: text('SENSOR_TLS_KEY'),
      bytes: SENSOR_NATS_BYTES,
      replicas: SENSOR_NATS_REPLICAS,
    }
  }

  interfaces(): InterfaceSelection {
    const values = this.#values
    const { OSSENSOR_NETWORK_DEVICE: device, IFACE } = values
    if (device !== undefined && IFACE !== undefined && device !== IFACE) {
      this.#add('IFACE', `names another interface than OSSENSOR_NETWORK_DEVICE, "${device}": set one of them`)
    }
    const exact = device ?? IFACE
    const include = this.#patterns('NETWORK_DEVICE_INCLUDELIST', 'NETWORK_DEVICE_WHITELIST')
    const exclude = this.#patterns('NETWORK_DEVICE_EXCLUDELIST', 'NETWORK_DEVICE_BLACKLIST')
    if (exact !== undefined) {
      if (!/^[^\s/:]{1,15}$/.test(exact)) {
        this.#add(device ? 'OSSENSOR_NETWORK_DEVICE' : 'IFACE', 'must be the name of one interface')
      }
      return [exact]
    }
    // Loopback is selected only if a pattern matches its name.
    return {
      include,
      exclude,
      loopback: include.length > 0,
      hotplug: values.NETWORK_DEVICE_ANY,
    } satisfies InterfaceRules
  }

  /** The patterns of a list, or of its older name where it is empty. */
  #patterns(name: Variable, older: Variable): string[] {
    const list = this.#values[name] as string[]
    const [variable, patterns] = list.length > 0 ? [name, list] : [older, this.#values[older] as string[]]
    for (const pattern of patterns) {
      try {
        explainSelection('lo', { include: pattern })
      } catch (error) {
        if (!(error instanceof CaptureError)) throw error
        this.#add(variable, error.message.replace(/^interfaces\.include(\[0\])?: /, ''))
      }
    }
    return patterns
  }

  /** The filter alone: an expression such as `) or (` must not become valid by what is put around it. */
  async filter(): Promise<void> {
    const { BPF } = this.#values
    if (BPF === undefined) return
    try {
      await compileFilter(BPF)
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error
      this.#add('BPF', error.message)
    }
  }

  /** Whether what the sensor would write can be opened. */
  places(): void {
    const append = (path: string) => closeSync(openSync(path, 'a', 0o640))
    this.#place('OSSENSOR_CONFIG_PATH', append)
    this.#place('OSSENSOR_LOGFILE_PATH', append)
    this.#place('SENSOR_SPOOL_PATH', (path) => {
      mkdirSync(path, { recursive: true, mode: 0o750 })
      accessSync(path, constants.W_OK)
    })
  }

  #place(name: Variable, open: (path: string) => void): void {
    const path = this.#values[name] as string | undefined
    if (path === undefined) return
    try {
      open(path)
    } catch (error) {
      // A full disk is no mistake.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') this.#add(name, (error as Error).message)
    }
  }

  #file(name: Variable): Buffer | undefined {
    const path = this.#values[name] as string | undefined
    if (path === undefined) return undefined
    try {
      return readFileSync(path)
    } catch (error) {
      this.#add(name, `cannot be read: ${(error as Error).message}`)
      return undefined
    }
  }

  #add(variable: Variable, message: string): void {
    this.#mistakes.push({ variable, message })
  }
}

function hostProblem(host: string): string | undefined {
  if (isIP(host)) return undefined
  const port = /^(.*):(\d+)$/.exec(host)
  if (port) return `must not contain a port: set VSENSOR_PORT=${port[2]}`
  if (host.includes('://')) return 'must be a host name, not a URL'
  // Label by label: one pattern for all of them would backtrack without end.
  const labels = host.replace(/\.$/, '').split('.')
  const valid = labels.every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label))
  return valid && labels.join('.').length <= 253 ? undefined : 'must be a host name or an address'
}

function assemble(
  values: Values,
  environment: Environment,
  checked: Pick<Settings, 'collector' | 'nats' | 'interfaces'>,
): Settings {
  const { SENSOR_SPOOL_PATH: path } = values
  const compress = values.SENSOR_COMPRESS === 'none' ? false : values.SENSOR_COMPRESS
  const name = values.SENSOR_NAME ?? defaultName()
  const spool = values.SENSOR_SPOOL_BYTES ?? (path === undefined ? 64 * MiB : 1024 * MiB)
  const memory = values.SENSOR_MEMORY ?? Math.max(defaultMemory(), 128 * MiB)
  const batch = values.SENSOR_BATCH_BYTES ?? defaultBatch(memory)
  return {
    name,
    key: Buffer.from(values.VSENSOR_HMAC_KEY),
    ...checked,
    wait: { seconds: values.INTERFACE_WAIT_SECS, attempts: values.INTERFACE_WAIT_ATTEMPTS },
    filter: values.BPF,
    snapshotLength: values.SENSOR_SNAPSHOT_LENGTH,
    promiscuous: values.SENSOR_PROMISCUOUS,
    batch: { bytes: batch, milliseconds: values.SENSOR_BATCH_MILLISECONDS, compress },
    window: values.SENSOR_WINDOW,
    spool: { path, bytes: spool, minimumFree: values.SENSOR_SPOOL_MIN_FREE },
    limit: {
      bytes: values.SENSOR_LIMIT_BYTES,
      packets: values.SENSOR_LIMIT_PACKETS,
      action: values.SENSOR_LIMIT_ACTION,
    },
    memory,
    health: {
      port: values.SENSOR_HEALTH_PORT,
      address: values.SENSOR_HEALTH_ADDRESS ?? '::',
      socket: values.SENSOR_HEALTH_SOCKET,
    },
    reportSeconds: values.SENSOR_REPORT_SECONDS,
    response: { enabled: values.ANTIGENA_ENABLED, period: values.ANTIGENA_TIME_PERIOD },
    log: {
      debug: values.OSSENSOR_DEBUG,
      level: values.LOG_LVL,
      path: values.OSSENSOR_LOGFILE_PATH,
      statisticsSeconds: values.OSSENSOR_STATISTICS,
    },
    host: { root: values.SENSOR_HOST_ROOT ?? '/', procfs: values.SENSOR_HOST_PROC ?? '/proc' },
    configPath: values.OSSENSOR_CONFIG_PATH,
    effective: mask({
      ...values,
      SENSOR_NAME: name,
      SENSOR_BATCH_BYTES: batch,
      SENSOR_SPOOL_BYTES: spool,
      SENSOR_MEMORY: memory,
    }),
    unknown: Object.keys(environment).filter(isUnknown).sort(),
  }
}

function mask(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      secrets.includes(name as Variable) && value !== undefined ? '********' : value,
    ]),
  )
}

/** Whether a variable looks like a setting of the sensor, and is none: a spelling mistake. */
function isUnknown(name: string): boolean {
  if (!/^(V?SENSOR|OSSENSOR|ANTIGENA|NETWORK_DEVICE|INTERFACE_WAIT)_/.test(name)) return false
  return !names.includes(name.replace(/_FILE$/, '') as Variable) && !names.includes(name as Variable)
}

/** The host name, with characters that a sensor's name may not have replaced by `-`. */
function defaultName(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9_-]/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63)
  return name || 'sensor'
}
