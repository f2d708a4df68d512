import { printable } from '../errors.js'

/** One line of text from outside (names, comments, messages): no character in it controls the terminal. */
export function oneLine(text: string): string {
  return printable(text).replaceAll('\n', '\\x0a')
}

/** Text of several lines: as {@link oneLine}, but its line feeds stay. */
export const printableLines = printable

/** Whether to colour what goes to this stream: on a terminal, unless NO_COLOR is set or the terminal is `dumb`. */
export function wantsColor(stream: { isTTY?: boolean }, environment = process.env): boolean {
  if (environment['NO_COLOR']) return false
  return stream.isTTY === true && environment['TERM'] !== 'dumb'
}

/** Escape codes (ECMA-48, SGR) around a text, or the text alone. */
export interface Paint {
  dim(text: string): string
  bold(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
}

export function paintFor(color: boolean): Paint {
  const code = (on: number, off: number) => (text: string) => (color ? `\x1b[${on}m${text}\x1b[${off}m` : text)
  return {
    dim: code(2, 22),
    bold: code(1, 22),
    red: code(31, 39),
    green: code(32, 39),
    yellow: code(33, 39),
    cyan: code(36, 39),
  }
}

/** A number with a metric prefix: `12`, `3.4 k`, `1.2 G`. */
export function metric(value: number): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P']
  let step = 0
  while (value >= 999.5 && step < prefixes.length - 1) {
    value /= 1000
    step++
  }
  if (step === 0) return String(Math.round(value))
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${prefixes[step]}`
}

/** A number with separators between groups of three digits. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Prose with line feeds between words, as wide as the terminal; unchanged where standard output is none. */
export function wrapped(text: string): string {
  const width = process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY
  let line = ''
  let result = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length >= width) {
      result += `${line}\n`
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return result + line
}

/** `1 packet`, `2,000 packets`. */
export function amount(count: number, what: string): string {
  return `${grouped(count)} ${what}${count === 1 ? '' : 's'}`
}

/** Rows as columns, each as wide as its widest cell; numbers are aligned to the right. */
export function table(rows: readonly (readonly (string | number | undefined)[])[]): string {
  const text = rows.map((row) => row.map((cell) => (cell === undefined ? '-' : String(cell))))
  const columns = Math.max(0, ...text.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...text.map((row) => row[i]?.length ?? 0)))
  const numeric = widths.map((_, i) => rows.some((row) => typeof row[i] === 'number'))
  return text
    .map((row) => row.map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

/** A line on a terminal's standard error that is rewritten in place. Writes nothing anywhere else. */
export class StatusLine {
  readonly #stream = process.stderr
  #shown = false

  get active(): boolean {
    return this.#stream.isTTY === true
  }

  show(text: string): void {
    if (!this.active) return
    const width = (this.#stream.columns || 80) - 1
    this.#stream.write(`\r\x1b[K${text.slice(0, width)}`)
    this.#shown = true
  }

  /** Removes the line. */
  clear(): void {
    if (this.#shown) this.#stream.write('\r\x1b[K')
    this.#shown = false
  }
}

/** `#####.....  42 %`, for a share from 0 to 1. */
export function bar(share: number, width = 20): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${Math.floor(Math.min(1, share) * 100)} %`
}

/** Seconds as `7 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
