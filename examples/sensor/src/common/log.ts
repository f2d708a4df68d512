/** The log: lines for people on a terminal, JSON otherwise. */
import { openSync } from 'node:fs'
import { Writable } from 'node:stream'
import pino, { type Logger } from 'pino'
import { printable } from './printable.js'

/** What the debug levels add (OSSENSOR_DEBUG); each includes those before it. */
export const detail = { statistics: 1, sending: 2, response: 3, chunks: 4, packets: 5 } as const

export type Fields = Readonly<Record<string, unknown>>

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn'
  /** The debug level of details. Default 0: none. */
  readonly debug?: number
  /** Of a file, which is appended to. Default: standard output. */
  readonly path?: string | undefined
}

/** Bytes of log lines that wait for a slow reader; beyond them lines are dropped. */
const maximumWaiting = 16 * 2 ** 20

/**
 * Lines are written asynchronously and in order, and Node.js does not end a program before they are written. A program
 * therefore sets process.exitCode and ends by itself: a synchronous flush would put its last lines before one that is
 * still being written.
 */
export class Log {
  readonly #logger: Logger
  readonly #debug: number
  readonly #destination: { reopen?(): void }

  private constructor(logger: Logger, debug: number, destination: { reopen?(): void }) {
    this.#logger = logger
    this.#debug = debug
    this.#destination = destination
  }

  /** @throws Error if the log's file cannot be opened. */
  static open({ level, debug = 0, path }: LogOptions): Log {
    const options = {
      level,
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level: string) => ({ level }) },
    }
    if (path === undefined && process.stdout.isTTY) {
      const lines = forPeople()
      return new Log(pino(options, lines), debug, {})
    }
    // At once: a path that cannot be written is a mistake in the configuration, and a process that exits can write its lines.
    const fd = path === undefined ? 1 : openSync(path, 'a', 0o640)
    const destination = pino.destination({ fd, mode: 0o640, sync: false, maxLength: maximumWaiting })
    // For reopen(), as if it had been opened by its path.
    if (path !== undefined) Object.assign(destination, { file: path })
    // A full disk or a reader that has gone must not end the program: lines are lost until it is over.
    destination.on('error', () => {})
    return new Log(pino(options, destination), debug, destination)
  }

  /** Whether details of a level are logged. */
  wants(level: number): boolean {
    return this.#debug >= level
  }

  /** Logs a detail, if OSSENSOR_DEBUG is at least `level`. */
  detail(level: number, message: string, fields: Fields = {}): void {
    if (this.wants(level)) this.info(message, fields)
  }

  debug(message: string, fields: Fields = {}): void {
    this.#logger.debug(escaped(fields), printable(message))
  }

  info(message: string, fields: Fields = {}): void {
    this.#logger.info(escaped(fields), printable(message))
  }

  warn(message: string, fields: Fields = {}): void {
    this.#logger.warn(escaped(fields), printable(message))
  }

  error(message: string, fields: Fields = {}): void {
    this.#logger.error(escaped(fields), printable(message))
  }

  /** Opens the log's file anew, after it was renamed by logrotate(8). */
  reopen(): void {
    this.#destination.reopen?.()
  }
}

/** Fields with every text in them escaped, but for `dump`: lines of a hex dump, which has no other characters. */
function escaped(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, name === 'dump' ? value : escapeValue(value)]),
  )
}

function escapeValue(value: unknown): unknown {
  if (typeof value === 'string') return printable(value)
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map(escapeValue)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [printable(key), escapeValue(inner)]))
  }
  return value
}

/** Turns each JSON line into a line for people. Fields that the message has no room for follow it. */
function forPeople(): Writable {
  return new Writable({
    decodeStrings: false,
    write(line: string | Buffer, _encoding, done) {
      process.stdout.write(toLine(String(line)), () => done())
    },
  })
}

/** `12:34:56.789 warn  text  name=value`. */
export function toLine(json: string): string {
  const { level, time, message, dump, ...fields } = JSON.parse(json) as Record<string, unknown>
  const clock = new Date(String(time)).toTimeString().slice(0, 8) + String(time).slice(19, 23)
  const rest = Object.entries(fields).map(([name, value]) => `  ${name}=${asText(value)}`)
  const lines = dump === undefined ? '' : `\n${String(dump).trimEnd()}`
  const word = level === 'info' ? '     ' : String(level).padEnd(5)
  return `${clock} ${word} ${message}${rest.join('')}${lines}\n`
}

function asText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
