/** A real nats-server (Debian's package `nats-server`), by default on loopback, with its streams in a directory of the test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'

const command = process.env['NATS_SERVER'] ?? '/usr/sbin/nats-server'

export class NatsServer {
  readonly directory: string
  /** Lines added to its configuration. */
  config = ''
  /** The address that it listens on. */
  host = '127.0.0.1'
  /** Chosen by the first start, and kept by later ones. */
  port = -1
  #process: ChildProcess | undefined

  constructor(directory: string) {
    this.directory = directory
  }

  get url(): string {
    return `nats://${this.host}:${this.port}`
  }

  /** Resolves when it accepts clients. */
  async start(): Promise<this> {
    const file = path.join(this.directory, 'nats.conf')
    const store = path.join(this.directory, 'streams')
    writeFileSync(file, `listen: "${this.host}:${this.port}"\njetstream { store_dir: "${store}" }\n${this.config}\n`)
    // It ends with this process, also if that is killed.
    const server = spawn('setpriv', ['--pdeathsig', 'KILL', command, '-c', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#process = server
    const lines: string[] = []
    const failed = once(server, 'exit').then(() => {
      throw new Error(`${command} ended: ${lines.join('\n')}`)
    })
    failed.catch(() => {})
    const ready = async () => {
      for await (const line of createInterface({ input: server.stderr! })) {
        lines.push(line)
        const [, port] = /Listening for client connections on .*:(\d+)/.exec(line) ?? []
        if (port) this.port = Number(port)
        if (line.includes('Server is ready')) break
      }
    }
    await Promise.race([ready(), failed])
    server.stderr?.resume()
    return this
  }

  /** Ends it; `SIGKILL` as a crash does. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const server = this.#process
    this.#process = undefined
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill(signal)
    await ended
  }
}
