import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type ConsumerSpec, settings } from './consumer.js'
import { builtTool } from './tools.js'

/** The C program in one of its modes (bench/native/c_loop.cpp), or a library in Node. */
export type Who =
  | { loop: 'lengths' | 'fields' | 'sockets'; spec?: never }
  | { loop?: never; spec: Pick<ConsumerSpec, 'who' | 'visit' | 'addresses' | 'ring'> }

/** Figures reported by a consumer. */
export interface Reading {
  /** Packets and captured bytes since the last mark or fill. */
  packets: number
  bytes: number
  /** After a fill: packets per second, from the first packet to the last. */
  rate: number
  /** Seconds of processor time of all threads, user and system. */
  cpu: number
  /** Voluntary context switches in Node; returns from poll() in C. */
  wakeups: number
}

/** A process that reads packets from interfaces of this namespace until it is stopped. */
export class ConsumerProcess {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  #errors = ''
  /** Seconds taken to open the capture. */
  openSeconds = 0

  private constructor(command: string, args: string[], environment?: NodeJS.ProcessEnv) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], env: environment ?? process.env })
    this.#child.stderr?.on('data', (text) => (this.#errors += text))
    this.#child.stdin?.on('error', () => {})
    this.#answers = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }

  /**
   * Resolves when the consumer is receiving.
   *
   * @throws Error with the consumer's standard error output.
   */
  static async start(
    who: Who,
    interfaces: string[],
    ring: Partial<typeof settings> = {},
    environment?: NodeJS.ProcessEnv,
  ): Promise<ConsumerProcess> {
    const { memory, blockSize, retire, snapshotLength } = { ...settings, ...ring }
    const self =
      who.loop !== undefined
        ? new ConsumerProcess(
            builtTool('c_loop'),
            [who.loop, blockSize, Math.floor(memory / blockSize), retire, snapshotLength, ...interfaces].map(String),
          )
        : new ConsumerProcess(
            process.execPath,
            [
              fileURLToPath(new URL('../capture/consumer.trial.js', import.meta.url)),
              JSON.stringify({ ...who.spec, interfaces, retire } satisfies ConsumerSpec),
            ],
            environment,
          )
    const { seconds } = await self.#answer<{ seconds: number }>()
    self.openSeconds = seconds
    return self
  }

  /** Starts a new count. */
  async mark(): Promise<void> {
    this.#say('mark')
    await this.#answer()
  }

  async report(): Promise<Reading> {
    this.#say('report')
    return await this.#answer<Reading>()
  }

  /** Stops the consumer while `traffic` fills its buffer, then lets it read until the buffer is empty. */
  async fill(traffic: () => Promise<void>): Promise<Reading> {
    this.#say('fill')
    await this.#answer()
    await traffic()
    ;(this.#child.stdio[3] as Writable).write('.')
    return await this.#answer<Reading>()
  }

  async end(): Promise<void> {
    this.#say('end')
    const killed = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close')
    clearTimeout(killed)
  }

  #say(command: string): void {
    this.#child.stdin?.write(`${command}\n`)
  }

  async #answer<T>(): Promise<T> {
    const line = await this.#answers.next()
    if (!line.done) return JSON.parse(line.value) as T
    const why = this.#errors.match(/^(?:\w*Error|FATAL ERROR).*/m)?.[0] ?? this.#errors.trim().split('\n').at(-1)
    throw new Error(why || `ended with ${this.#child.exitCode ?? this.#child.signalCode}`)
  }
}
