import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { patience } from './wait.js'

/** Exit status and complete output of a program. */
export interface Ended {
  /** Exit code, or the name of the signal that ended the program. */
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** The part of tap's test object that is used here. */
export interface Test {
  teardown(end: () => void): unknown
}

/** A running program from examples/. */
export class Example {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #closed: Promise<unknown[]>
  stdout = ''
  stderr = ''

  /**
   * @param t the test; the program is ended at its teardown at the latest
   * @param name name of the example
   * @param environment variables added to this process's environment
   * @param wrapper a command that runs the program, such as setpriv
   */
  constructor(
    t: Test,
    name: string,
    args: string[] = [],
    environment: Record<string, string> = {},
    wrapper: string[] = [],
  ) {
    const script = fileURLToPath(new URL(`../../../examples/${name}.js`, import.meta.url))
    // Programs of the project run without tap's loaders.
    const { NODE_OPTIONS: _, ...rest } = process.env
    const [command = '', ...words] = [...wrapper, process.execPath, script, ...args]
    this.#child = spawn(command, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...rest, ...environment },
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#closed = once(this.#child, 'close')
    t.teardown(() => this.kill('SIGKILL'))
  }

  /** Resolves when the output matches; rejects if the program ends first or the output does not match in 20 seconds. */
  async said(what: RegExp | ((stdout: string) => boolean)): Promise<void> {
    const fits = () => (typeof what === 'function' ? what(this.stdout) : what.test(this.stdout))
    for (const deadline = Date.now() + 20_000 * patience; !fits(); ) {
      const over = this.#child.exitCode !== null || this.#child.signalCode !== null
      if (over) await this.#closed
      if (fits()) return
      if (over || Date.now() > deadline) {
        throw new Error(`${over ? 'ended' : 'waited in vain'} before ${what}:\n${this.stdout}\n${this.stderr}`)
      }
      await sleep(10)
    }
  }

  /** Sends a signal. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves when the program has ended. */
  async ended(): Promise<Ended> {
    const [code, signal] = await this.#closed
    return { code: (signal ?? code) as number | string | null, stdout: this.stdout, stderr: this.stderr }
  }

  /** Sends the signal to stop, and resolves when the program has ended. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.kill(signal)
    return this.ended()
  }
}

/** Sum of the packets and bytes of all chunk lines. */
export function chunksIn(stdout: string): { packets: number; bytes: number } {
  const sum = { packets: 0, bytes: 0 }
  for (const line of stdout.matchAll(/ ([\d,]+) packets? +([\d,]+) bytes? /g)) {
    sum.packets += number(line[1])
    sum.bytes += number(line[2])
  }
  return sum
}

/** The counters in a line of the ledger; `undefined` if there is no such line. */
export function ledgerLine(
  stdout: string,
  name: string,
): { delivered: number; unselected: number; bytes: number } | undefined {
  const line = new RegExp(`^ {2}${name}(?: \\(gone\\))? +(.*)$`, 'm').exec(
    stdout.slice(stdout.lastIndexOf('  interface ')),
  )
  const [, delivered, , unselected, , bytes] = line?.[1]?.split(/ +/) ?? []
  return line ? { delivered: number(delivered), unselected: number(unselected), bytes: number(bytes) } : undefined
}

function number(text: string | undefined): number {
  return Number((text ?? 'nothing').replaceAll(',', ''))
}
