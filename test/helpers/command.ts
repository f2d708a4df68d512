import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'

/** The command `ringtap` of this tree, as built. */
export const command = path.join(path.dirname(createRequire(import.meta.url).resolve('ringtap')), 'cli', 'main.js')

/** A time zone in which no minute is that of UTC. */
export const timeZone = 'Asia/Kolkata'

/** The environment of a user's shell: without tap's loaders, in a time zone that is not UTC. */
export function shell(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, TZ: timeZone, TERM: 'xterm' }
  // What else decides on colours: see tty.WriteStream.getColorDepth() of Node.
  for (const name of ['NODE_OPTIONS', 'NO_COLOR', 'FORCE_COLOR', 'CI', 'COLORTERM', 'TMUX', 'TERM_PROGRAM'])
    delete env[name]
  return { ...env, ...extra }
}

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `ringtap` to its end. */
export function ringtap(args: string[], options: { input?: Uint8Array; env?: Record<string, string> } = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    env: shell(options.env),
    maxBuffer: 1 << 28,
    input: options.input ?? '',
  })
  return { code: status, stdout: stdout.toString(), stderr: stderr.toString() }
}

/** The bytes that a shell command line writes to a terminal of 80 columns; `ringtap` is `"$@"` in it. */
export function onTerminal(line: string, env: Record<string, string> = {}): string {
  const quoted = `stty cols 80; set -- '${process.execPath}' '${command}'; ${line}`
  const { stdout } = spawnSync('script', ['-qec', quoted, '/dev/null'], { env: shell(env), input: '' })
  return stdout.toString()
}

/** A program that runs beside the test. */
export class Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #closed: Promise<unknown[]>
  stdout = ''
  stderr = ''

  constructor(t: { teardown(end: () => void): unknown }, program: string, args: string[]) {
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: shell() })
    this.child.stdout.setEncoding('latin1').on('data', (text: string) => (this.stdout += text))
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#closed = once(this.child, 'close')
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  /** Resolves when standard error matches; rejects if the program ends before. */
  async said(what: RegExp): Promise<void> {
    let ended = false
    void this.#closed.then(() => (ended = true))
    while (!what.test(this.stderr)) {
      if (ended) throw new Error(`it ended without ${what}: ${this.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async end(): Promise<Outcome> {
    await this.#closed
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr }
  }
}
