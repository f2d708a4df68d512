/** Collectors as processes of their own, and requests to them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type RequestOptions, request } from 'node:https'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Answer } from '../../../src/wire/answer.js'
import { type SignedHead, toHeaders } from '../../../src/wire/headers.js'
import { key } from './batches.js'
import { makeCertificate } from './certificate.js'

export const token = 'the-token-of-the-page'
export const main = fileURLToPath(new URL('../../../src/collector/main.js', import.meta.url))

export interface Running {
  readonly process: ChildProcess
  readonly port: number
  readonly store: string
  /** The lines of its log, up to now. */
  readonly log: { readonly message: string; readonly [field: string]: unknown }[]
  /** Of its certificate. */
  readonly ca: string
  kill(signal: NodeJS.Signals): Promise<number | null>
}

/** Starts a collector in a directory of its own, or in that of another one; it is killed at the end of the test. */
export async function startCollector(
  t: Test,
  environment: Readonly<Record<string, string>> = {},
  directory = t.testdir(),
): Promise<Running> {
  mkdirSync(directory, { recursive: true })
  const { cert, key: certKey, text: ca } = makeCertificate(directory)
  const keys = path.join(directory, 'keys')
  writeFileSync(keys, `# of the tests\nnode-1 ${key}\n* ${key}-of-all\n`)
  const store = environment.COLLECTOR_STORE ?? path.join(directory, 'store')
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env.PATH,
      COLLECTOR_LISTEN: '127.0.0.1',
      COLLECTOR_PORT: '0',
      COLLECTOR_STORE: store,
      COLLECTOR_KEYS: keys,
      COLLECTOR_TLS_CERT: cert,
      COLLECTOR_TLS_KEY: certKey,
      COLLECTOR_TOKEN: token,
      COLLECTOR_MIN_FREE: '0',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // With its output: the whole of its log is there.
  const closed = once(child, 'close') as Promise<[number | null]>
  t.teardown(() => child.kill('SIGKILL'))
  const log: Running['log'] = []
  const port = await new Promise<number>((resolve, reject) => {
    createInterface(child.stdout!).on('line', (line) => {
      const entry = JSON.parse(line)
      log.push(entry)
      const match = /^listens on .*:(\d+)$/.exec(entry.message)
      if (match) resolve(Number(match[1]))
    })
    closed.then(([code]) => reject(new Error(`the collector ended with ${code}`)))
  })
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    return (await closed)[0]
  }
  return { process: child, port, store, log, ca, kill }
}

export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export async function send(
  { port, ca }: Pick<Running, 'port' | 'ca'>,
  options: RequestOptions & { readonly body?: Uint8Array | string },
): Promise<Response> {
  const sent = request({ host: '127.0.0.1', port, ca, agent: false, ...options })
  sent.end(options.body)
  const [response] = await once(sent, 'response')
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
}

/** Sends what a head signs, and returns the answer. */
export async function sendSigned(
  to: Pick<Running, 'port' | 'ca'>,
  head: SignedHead,
  body: Uint8Array,
): Promise<Response & { readonly answer: Answer }> {
  const response = await send(to, {
    method: head.method,
    path: head.path,
    headers: { ...toHeaders(head), 'content-length': body.length },
    body,
  })
  return { ...response, answer: JSON.parse(response.body.toString()) }
}
