// The sensor and the collector as processes of their own, followed by the lines of their logs.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { inside } from './network.js'

export interface Line {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

/** The sensor's last line. */
export interface FinalLine extends Line {
  readonly captured: number
  readonly recovered: number
  readonly stored: number
  readonly spooled: number
  readonly lost: Readonly<Record<string, number>>
}

export interface ProgramOptions {
  /** All settings it has: nothing of this process's environment but PATH. */
  readonly environment: Readonly<Record<string, string>>
  /** A process in the network namespace to run it in. */
  readonly namespace?: number
  /** A command that runs it. */
  readonly wrapper?: readonly string[]
  readonly onLine?: (line: Line) => void
}

export class Program {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #closed: Promise<unknown[]>
  readonly #name: string
  readonly lines: Line[] = []
  #rest = ''
  #waiting: (() => void)[] = []
  stderr = ''

  constructor(name: 'sensor' | 'collector', options: ProgramOptions) {
    const { environment, namespace, wrapper = [], onLine } = options
    this.#name = name
    const script = fileURLToPath(new URL(`../${name}/main.js`, import.meta.url))
    // They end with this process, and are in process groups of their own: Ctrl-C reaches this process alone.
    const follow = ['setpriv', '--pdeathsig', 'KILL', '--']
    const [command, ...args] = inside(namespace, [...follow, ...wrapper, process.execPath, script])
    this.#child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...environment },
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (this.#rest + text).split('\n')
      this.#rest = parts.pop()!
      for (const part of parts) {
        const line = JSON.parse(part) as Line
        this.lines.push(line)
        onLine?.(line)
      }
      this.#change()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.#closed = once(this.#child, 'close')
    this.#closed.then(
      () => this.#change(),
      () => this.#change(),
    )
  }

  /** nsenter(1) and setpriv(1) become the program: it is the process itself. */
  get pid(): number {
    return this.#child.pid!
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Resolves to the first line whose message matches, of those after the first `skip`; rejects if the program ends. */
  async said(message: RegExp, skip = 0): Promise<Line> {
    for (;;) {
      const { running } = this
      // What it logged last may arrive after its end.
      if (!running) await this.#closed
      const found = this.lines.slice(skip).find((line) => message.test(line.message))
      if (found) return found
      if (!running) throw new Error(`the ${this.#name} has ended before it logged ${message}:\n${this.log()}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves to the exit code, or the signal, once it has ended. */
  async ended(): Promise<number | string> {
    const [code, signal] = await this.#closed
    return (signal ?? code) as number | string
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    this.kill(signal)
    return this.ended()
  }

  /** The line that the sensor's accounts end with. */
  get final(): FinalLine {
    const line = this.lines.find((line) => line['final'] === true)
    if (!line) throw new Error(`the sensor has logged no final line:\n${this.log()}`)
    return line as FinalLine
  }

  /** What it has logged, for messages. */
  log(): string {
    return [...this.lines.slice(-50).map((line) => JSON.stringify(line)), this.stderr].join('\n')
  }

  #change(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
