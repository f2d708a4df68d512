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
  inverse(text: string): string
}

/**
 * Colours as parameters of SGR: of the terminal's own 16, of which many themes make some that vanish on a light background, and of
 * the 256 with fixed values, those that can be read on dark and on light.
 */
const colors = {
  red: ['31', '38;5;160'],
  green: ['32', '38;5;28'],
  yellow: ['33', '38;5;130'],
  cyan: ['36', '38;5;30'],
} as const

/** Whether the terminal of standard output has the 256 colours. */
function hasFixedColors(): boolean {
  return (process.stdout.getColorDepth?.() ?? 1) >= 8
}

export function paintFor(color: boolean): Paint {
  const code = (on: string, off: number) => (text: string) => (color ? `\x1b[${on}m${text}\x1b[${off}m` : text)
  const fixed = color && hasFixedColors() ? 1 : 0
  return {
    dim: code('2', 22),
    bold: code('1', 22),
    red: code(colors.red[fixed], 39),
    green: code(colors.green[fixed], 39),
    yellow: code(colors.yellow[fixed], 39),
    cyan: code(colors.cyan[fixed], 39),
    inverse: code('7', 27),
  }
}

/** A coloured hexdump with fixed colours in place of the terminal's own, if it has them. */
export function withFixedColors(dump: string): string {
  if (!hasFixedColors()) return dump
  return dump.replaceAll('\x1b[33m', `\x1b[${colors.yellow[1]}m`).replaceAll('\x1b[36m', `\x1b[${colors.cyan[1]}m`)
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

/** An amount with a metric prefix and its unit: `12 B`, `3.4 kB`. */
export function quantity(value: number, unit: string): string {
  const text = metric(value)
  return text.includes(' ') ? text + unit : `${text} ${unit}`
}

/** A number with separators between groups of three digits. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

/**
 * Prose with line feeds between words, as wide as the terminal; unchanged where the stream is none. Words with a no-break space
 * between them stay together, with a plain space.
 */
export function wrapped(text: string, stream: { isTTY?: boolean; columns?: number } = process.stdout): string {
  const width = stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY
  let line = ''
  let result = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length >= width) {
      result += `${line}\n`
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return (result + line).replaceAll('\u00a0', ' ')
}

/** `1 packet`, `2,000 packets`. */
export function amount(count: number, what: string): string {
  return `${grouped(count)} ${what}${count === 1 ? '' : 's'}`
}

/**
 * Rows as columns, each as wide as its widest cell; numbers are aligned to the right. On a terminal that is too narrow for a
 * row, the last cell of each row is on a line of its own.
 */
export function table(
  rows: readonly (readonly (string | number | undefined)[])[],
  stream: { isTTY?: boolean; columns?: number } = process.stdout,
): string {
  const text = rows.map((row) => row.map((cell) => (cell === undefined ? '-' : String(cell))))
  const columns = Math.max(0, ...text.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...text.map((row) => row[i]?.length ?? 0)))
  const numeric = widths.map((_, i) => rows.some((row) => typeof row[i] === 'number'))
  const padded = text.map((row) =>
    row.map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))),
  )
  const width = widths.reduce((sum, one) => sum + one + 2, -2)
  const room = stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY
  if (width <= room || columns < 3) return padded.map((row) => `${row.join('  ').trimEnd()}\n`).join('')
  const indent = ' '.repeat((widths[0] ?? 0) + 2)
  const below = (cell: string) =>
    wrapped(cell.trimEnd(), { isTTY: true, columns: room - indent.length + 1 }).replaceAll('\n', `\n${indent}`)
  return padded
    .map((row) => {
      const last = row.length === columns ? below(row.at(-1)!) : ''
      const line = row.slice(0, columns - 1).join('  ')
      return `${line.trimEnd()}\n${last === '' ? '' : `${indent}${last}\n`}`
    })
    .join('')
}

/** A text cut to this many characters, which its end shows; with `pad`, filled up with spaces. */
export function fit(text: string, width: number, pad = false): string {
  const characters = Array.from(text)
  if (characters.length > width) return width < 1 ? '' : `${characters.slice(0, width - 1).join('')}~`
  return pad ? text + ' '.repeat(width - characters.length) : text
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

/** `[########............]  42 %`, for a share from 0 to 1. */
export function bar(share: number, width = 20): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${String(Math.floor(Math.min(1, share) * 100)).padStart(3)} %`
}

/** Seconds as `7 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
