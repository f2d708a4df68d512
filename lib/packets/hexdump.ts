import { constants } from 'node:buffer'
import { types } from 'node:util'
import { CaptureError, optionError } from '../errors.js'

/** How {@link hexdump} lays its lines out. All optional. */
export interface HexdumpOptions {
  /**
   * - `'canonical'`: as hexdump(1) prints with `-C`, with the last line that is only an offset.
   * - `'tcpdump'`: as tcpdump(8) prints with `-X`, without the line about the packet ahead of it.
   *
   * Default `'canonical'`.
   */
  style?: 'canonical' | 'tcpdump' | undefined
  /**
   * The number that the first byte is counted as, from 0 to 2^53 - 1 with the dump's length added. Offsets that need
   * more digits than the style has get them. Default 0.
   */
  offset?: number | undefined
  /** Bytes to show at most, from the first. Default: all. */
  length?: number | undefined
  /** Bytes on a line, 1 to 256. Default 16. */
  width?: number | undefined
  /**
   * Whether lines that repeat the line before them are left out, with one line `*` in their place: true is what
   * `hexdump -C` does, false is `hexdump -Cv`. Default true for `'canonical'`; `'tcpdump'` never squeezes and takes
   * only false.
   */
  squeeze?: boolean | undefined
  /**
   * Whether bytes are coloured with ANSI escape codes: zero grey, printable ones cyan, control characters yellow, those
   * from 0x80 up magenta. Every line ends with the colours reset, and without the codes the text is the same. Default
   * false.
   */
  color?: boolean | undefined
  /** Spaces ahead of every line, 0 to 256. Default 0. */
  indent?: number | undefined
}

interface Layout {
  readonly tcpdump: boolean
  readonly offset: number
  readonly length: number
  readonly width: number
  readonly squeeze: boolean
  readonly color: boolean
  readonly indent: number
}

const plain: Layout = {
  tcpdump: false,
  offset: 0,
  length: Number.MAX_SAFE_INTEGER,
  width: 16,
  squeeze: true,
  color: false,
  indent: 0,
}

const maxWidth = 256
const maxIndent = 256

// One buffer serves every call: the call is synchronous and runs no code of others while it writes. A dump that does
// not fit is made of several strings. 1 MiB: larger pieces gain nothing, strings shorter than that live on V8's heap
// and were slower; of the memory only what dumps have touched is resident.
const scratch = Buffer.allocUnsafeSlow(1 << 20)
const view = new DataView(scratch.buffer)

// More than any line can take: indent, offset, and for each byte three characters of hex, one of text, and the
// colour changing twice; then room for the stores of four bytes that reach beyond what they mean to write.
const maxLine = maxIndent + 64 + maxWidth * 16

/**
 * For every byte, four characters in the order of their addresses: two hex digits, a space, and what the text column
 * shows. One load and one unaligned store of 32 bits then writes a byte's hex, the store of the next byte covers the
 * surplus character, and four of the surplus characters together are 32 bits of the text column. That, with the line
 * of 16 unrolled, was 3 to 4 times as fast as storing single characters from tables of digits.
 */
function cells(firstGraphic: number): Int32Array {
  const digits = '0123456789abcdef'
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const text = byte >= firstGraphic && byte < 0x7f ? byte : 0x2e
    return digits.charCodeAt(byte >> 4) | (digits.charCodeAt(byte & 15) << 8) | (0x20 << 16) | (text << 24)
  })
}

/** hexdump shows what isprint(3) says in the C locale, tcpdump what isgraph(3) says: not the space. */
const printable = cells(0x20)
const graphic = cells(0x21)

const spaces = 0x20202020

/** A cell with its surplus character turned into a space. */
function blank(cell: number): number {
  return (cell & 0x00ffffff) | 0x20000000
}

/**
 * A hex dump of bytes as a string in which every line ends with a newline: byte for byte what `hexdump -C` prints
 * (hexdump(1)), or what `tcpdump -X` prints of a packet (tcpdump(8)).
 *
 * As `hexdump -C` does, the default shows a run of equal lines once and then `*`; `{ squeeze: false }` shows them all.
 *
 * @param data the bytes: any view or buffer, shared ones too. A view counts by its bytes, from its `byteOffset`.
 * @returns the dump; `''` for no bytes, and so for a view of a chunk that was released.
 * @throws CaptureError `ERR_OPTION` where an argument is not what is expected, an option is unknown, or the dump would
 *   be longer than a string can be (about 100 MiB of data): dump such data in parts, with `offset`.
 */
export function hexdump(data: ArrayBufferView | ArrayBufferLike, options?: HexdumpOptions): string {
  const bytes = bytesOf(data)
  const layout = options === undefined ? plain : layoutOf(options)
  const { tcpdump, offset, width, squeeze, color, indent } = layout
  const length = Math.min(bytes.length, layout.length)
  if (length === 0) return ''
  if (offset + length > Number.MAX_SAFE_INTEGER) {
    throw optionError('options.offset', `at most ${Number.MAX_SAFE_INTEGER} less the length of the dump`, offset)
  }

  // Known ahead where every line is shown; append() has the last word.
  if (!squeeze && Math.floor(length / width) * lineLength(layout) > constants.MAX_STRING_LENGTH) throw tooLong()

  const cell = tcpdump ? graphic : printable
  const fullLine = width === 16 && !color
  let text = ''
  let squeezing = false
  let p = 0
  for (let at = 0; at < length; at += width) {
    if (p > scratch.length - 2 * maxLine) {
      text = append(text, p)
      p = 0
    }
    const count = Math.min(width, length - at)
    // hexdump compares only full lines: a short last line is always shown.
    if (squeeze && at > 0 && count === width && repeats(bytes, at, width)) {
      if (!squeezing) p = star(p, indent)
      squeezing = true
      continue
    }
    squeezing = false
    if (indent > 0) p = spaced(p, indent)
    p = tcpdump ? tcpdumpOffset(p, offset + at) : canonicalOffset(p, offset + at)
    if (fullLine && count === 16) p = tcpdump ? tcpdumpLine(bytes, at, p) : canonicalLine(bytes, at, p)
    else p = line(bytes, at, count, p, layout, cell)
  }
  if (!tcpdump) {
    if (indent > 0) p = spaced(p, indent)
    p = canonicalOffset(p, offset + length) - 2
    scratch[p++] = 0x0a
  }
  return append(text, p)
}

function append(text: string, end: number): string {
  if (text.length + end > constants.MAX_STRING_LENGTH) throw tooLong()
  const piece = scratch.toString('latin1', 0, end)
  return text === '' ? piece : text + piece
}

function tooLong(): CaptureError {
  return new CaptureError(
    'ERR_OPTION',
    `data must be short enough for its dump to fit into a string of ${constants.MAX_STRING_LENGTH} characters; ` +
      'dump it in parts, with the option offset',
    { option: 'data' },
  )
}

/** Characters of a full line at least: colours and long offsets come on top. */
function lineLength({ tcpdump, width, indent }: Layout): number {
  return indent + (tcpdump ? 12 + column(width) + width : 14 + 4 * width + ((width - 1) >> 3))
}

function repeats(bytes: Uint8Array, at: number, width: number): boolean {
  for (let i = at; i < at + width; i++) if (bytes[i] !== bytes[i - width]) return false
  return true
}

function star(p: number, indent: number): number {
  p = spaced(p, indent)
  scratch[p] = 0x2a
  scratch[p + 1] = 0x0a
  return p + 2
}

function spaced(p: number, count: number): number {
  for (let i = 0; i < count; i += 4) view.setInt32(p + i, spaces, true)
  return p + count
}

/** At least 8 digits, and the two spaces behind them. */
function canonicalOffset(p: number, offset: number): number {
  if (offset > 0xffffffff) p = digits(p, Math.floor(offset / 0x100000000))
  return lowDigits(p, offset)
}

/** Tab, `0x`, at least 4 digits, and `: `. */
function tcpdumpOffset(p: number, offset: number): number {
  view.setInt32(p, 0x783009, true)
  p += 3
  if (offset > 0xffff) p = digits(p, Math.floor(offset / 0x10000))
  view.setInt32(p, printable[(offset >>> 8) & 0xff]!, true)
  view.setInt32(p + 2, printable[offset & 0xff]!, true)
  view.setInt32(p + 4, 0x20203a, true)
  return p + 6
}

/** As many digits as the number has. */
function digits(p: number, value: number): number {
  const text = value.toString(16)
  for (let i = 0; i < text.length; i++) scratch[p + i] = text.charCodeAt(i)
  return p + text.length
}

/** The low 32 bits as 8 digits, and two spaces. */
function lowDigits(p: number, value: number): number {
  view.setInt32(p, printable[value >>> 24]!, true)
  view.setInt32(p + 2, printable[(value >>> 16) & 0xff]!, true)
  view.setInt32(p + 4, printable[(value >>> 8) & 0xff]!, true)
  view.setInt32(p + 6, blank(printable[value & 0xff]!), true)
  return p + 10
}

/** 32 bits of the text column out of four cells. */
function texts(a: number, b: number, c: number, d: number): number {
  return (a >>> 24) | ((b >>> 16) & 0xff00) | ((c >>> 8) & 0xff0000) | (d & 0xff000000)
}

/** The 16 bytes of a full line, behind the offset. */
function canonicalLine(bytes: Uint8Array, i: number, p: number): number {
  let a = printable[bytes[i]!]!
  let b = printable[bytes[i + 1]!]!
  let c = printable[bytes[i + 2]!]!
  let d = printable[bytes[i + 3]!]!
  view.setInt32(p, a, true)
  view.setInt32(p + 3, b, true)
  view.setInt32(p + 6, c, true)
  view.setInt32(p + 9, d, true)
  view.setInt32(p + 51, texts(a, b, c, d), true)
  a = printable[bytes[i + 4]!]!
  b = printable[bytes[i + 5]!]!
  c = printable[bytes[i + 6]!]!
  d = printable[bytes[i + 7]!]!
  view.setInt32(p + 12, a, true)
  view.setInt32(p + 15, b, true)
  view.setInt32(p + 18, c, true)
  view.setInt32(p + 21, blank(d), true)
  view.setInt32(p + 55, texts(a, b, c, d), true)
  a = printable[bytes[i + 8]!]!
  b = printable[bytes[i + 9]!]!
  c = printable[bytes[i + 10]!]!
  d = printable[bytes[i + 11]!]!
  view.setInt32(p + 25, a, true)
  view.setInt32(p + 28, b, true)
  view.setInt32(p + 31, c, true)
  view.setInt32(p + 34, d, true)
  view.setInt32(p + 59, texts(a, b, c, d), true)
  a = printable[bytes[i + 12]!]!
  b = printable[bytes[i + 13]!]!
  c = printable[bytes[i + 14]!]!
  d = printable[bytes[i + 15]!]!
  view.setInt32(p + 37, a, true)
  view.setInt32(p + 40, b, true)
  view.setInt32(p + 43, c, true)
  view.setInt32(p + 46, blank(d), true)
  view.setInt32(p + 63, texts(a, b, c, d), true)
  scratch[p + 50] = 0x7c
  scratch[p + 67] = 0x7c
  scratch[p + 68] = 0x0a
  return p + 69
}

/** The 16 bytes of a full line, behind the offset. */
function tcpdumpLine(bytes: Uint8Array, i: number, p: number): number {
  scratch[p] = 0x20
  let a = graphic[bytes[i]!]!
  let b = graphic[bytes[i + 1]!]!
  let c = graphic[bytes[i + 2]!]!
  let d = graphic[bytes[i + 3]!]!
  view.setInt32(p + 1, a, true)
  view.setInt32(p + 3, b, true)
  view.setInt32(p + 6, c, true)
  view.setInt32(p + 8, d, true)
  view.setInt32(p + 42, texts(a, b, c, d), true)
  a = graphic[bytes[i + 4]!]!
  b = graphic[bytes[i + 5]!]!
  c = graphic[bytes[i + 6]!]!
  d = graphic[bytes[i + 7]!]!
  view.setInt32(p + 11, a, true)
  view.setInt32(p + 13, b, true)
  view.setInt32(p + 16, c, true)
  view.setInt32(p + 18, d, true)
  view.setInt32(p + 46, texts(a, b, c, d), true)
  a = graphic[bytes[i + 8]!]!
  b = graphic[bytes[i + 9]!]!
  c = graphic[bytes[i + 10]!]!
  d = graphic[bytes[i + 11]!]!
  view.setInt32(p + 21, a, true)
  view.setInt32(p + 23, b, true)
  view.setInt32(p + 26, c, true)
  view.setInt32(p + 28, d, true)
  view.setInt32(p + 50, texts(a, b, c, d), true)
  a = graphic[bytes[i + 12]!]!
  b = graphic[bytes[i + 13]!]!
  c = graphic[bytes[i + 14]!]!
  d = graphic[bytes[i + 15]!]!
  view.setInt32(p + 31, a, true)
  view.setInt32(p + 33, b, true)
  view.setInt32(p + 36, c, true)
  view.setInt32(p + 38, blank(d), true)
  view.setInt32(p + 54, texts(a, b, c, d), true)
  scratch[p + 58] = 0x0a
  return p + 59
}

/** Any line, behind the offset: short, of another width, or in colour. */
function line(bytes: Uint8Array, at: number, count: number, p: number, layout: Layout, cell: Int32Array): number {
  const { tcpdump, width, color } = layout
  let q = p
  if (tcpdump) scratch[q++] = 0x20
  let last = 0
  for (let i = 0; i < count; i++) {
    const byte = bytes[at + i]!
    if (color && last !== kinds[byte]!) {
      last = kinds[byte]!
      q = paint(q, last)
    }
    view.setInt32(q, blank(cell[byte]!), true)
    if (tcpdump) q += i & 1 ? 3 : 2
    else q += (i & 7) === 7 ? 4 : 3
  }
  if (color) q = paint(q, 0)
  q = spaced(q, gap(count, width, tcpdump))
  if (!tcpdump) scratch[q++] = 0x7c
  last = 0
  for (let i = 0; i < count; i++) {
    const byte = bytes[at + i]!
    if (color && last !== kinds[byte]!) {
      last = kinds[byte]!
      q = paint(q, last)
    }
    scratch[q++] = cell[byte]! >>> 24
  }
  if (color) q = paint(q, 0)
  if (!tcpdump) scratch[q++] = 0x7c
  scratch[q++] = 0x0a
  return q
}

/** The spaces between the hex column, as {@link line} leaves it after so many bytes, and the text column. */
function gap(count: number, width: number, tcpdump: boolean): number {
  if (tcpdump) return 2 + column(width) - column(count) - (count & 1 ? 0 : 1)
  return 1 + 3 * (width - count) + ((width - 1) >> 3) - (count >> 3)
}

/** Characters that the hex column of the tcpdump style takes for so many bytes. */
function column(count: number): number {
  return (count >> 1) * 5 + (count & 1) * 3
}

// The kinds of bytes that colours tell apart, as the last digit or two of the escape code; 0 resets.
const kinds = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0) return 90
  if (byte >= 0x80) return 35
  return byte >= 0x20 && byte < 0x7f ? 36 : 33
})

/** An escape code that sets the foreground to a kind's colour, or resets it. */
function paint(p: number, kind: number): number {
  scratch[p++] = 0x1b
  scratch[p++] = 0x5b
  if (kind > 0) scratch[p++] = 0x30 + Math.floor(kind / 10)
  scratch[p++] = 0x30 + (kind % 10)
  scratch[p++] = 0x6d
  return p
}

function bytesOf(data: unknown): Uint8Array {
  if (types.isUint8Array(data)) return data
  if (ArrayBuffer.isView(data)) {
    let length = 0
    try {
      length = data.byteLength
    } catch {
      // A DataView throws where a typed array says 0: its buffer is detached, or has shrunk.
    }
    return length === 0 ? nothing : new Uint8Array(data.buffer, data.byteOffset, length)
  }
  if (types.isAnyArrayBuffer(data)) return data.byteLength === 0 ? nothing : new Uint8Array(data)
  throw optionError('data', 'a Uint8Array, another view of a buffer, or an ArrayBuffer', data)
}

const nothing = new Uint8Array(0)

const known: readonly string[] = ['style', 'offset', 'length', 'width', 'squeeze', 'color', 'indent']

function layoutOf(options: HexdumpOptions): Layout {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw optionError('options', 'an object', options)
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw optionError(
        `options.${key}`,
        `left out, it is not an option of hexdump (${known.join(', ')})`,
        (options as Record<string, unknown>)[key],
      )
    }
  }
  const { style = 'canonical' } = options
  if (style !== 'canonical' && style !== 'tcpdump')
    throw optionError('options.style', `'canonical' or 'tcpdump'`, style)
  const tcpdump = style === 'tcpdump'
  const squeeze = boolean('squeeze', options.squeeze, !tcpdump)
  if (squeeze && tcpdump) throw optionError('options.squeeze', `false with style 'tcpdump'`, squeeze)
  return {
    tcpdump,
    squeeze,
    offset: integer('offset', options.offset, plain.offset, 0, Number.MAX_SAFE_INTEGER),
    length: integer('length', options.length, plain.length, 0, Number.MAX_SAFE_INTEGER),
    width: integer('width', options.width, plain.width, 1, maxWidth),
    color: boolean('color', options.color, plain.color),
    indent: integer('indent', options.indent, plain.indent, 0, maxIndent),
  }
}

function boolean(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw optionError(`options.${name}`, 'true or false', value)
  return value
}

function integer(name: string, value: unknown, fallback: number, least: number, most: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw optionError(`options.${name}`, `an integer from ${least} to ${most}`, value)
  }
  return value
}
