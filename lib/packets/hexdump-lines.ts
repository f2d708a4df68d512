import { type Layout, maxIndent, maxWidth } from './hexdump-options.js'

/**
 * The buffer that lines are written to. One buffer serves every call, because a call is synchronous and runs no user
 * code while it writes; a dump that does not fit is joined from several strings. 1 MiB: larger pieces gain nothing, and
 * strings shorter than that are on V8's heap and were slower. Only the pages that dumps have touched are resident.
 *
 * @internal
 */
export const scratch = Buffer.allocUnsafeSlow(1 << 20)
const view = new DataView(scratch.buffer)

/**
 * An upper bound of a line's length: indent, offset, and for each byte three characters of hex, one of text, and two
 * changes of colour; with room for the stores of four bytes, which write beyond the characters they are for.
 *
 * @internal
 */
export const maxLine = maxIndent + 64 + maxWidth * 16

/**
 * For every byte, four characters in memory order: two hex digits, a space, and the character of the text column. One
 * load and one unaligned store of 32 bits then write a byte's hex; the store of the next byte overwrites the fourth
 * character; and the fourth characters of four cells are 32 bits of the text column. With the line of 16 bytes
 * unrolled, this was 3 to 4 times as fast as storing single characters from tables of digits.
 */
function cells(firstGraphic: number): Int32Array {
  const digits = '0123456789abcdef'
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const text = byte >= firstGraphic && byte < 0x7f ? byte : 0x2e
    return digits.charCodeAt(byte >> 4) | (digits.charCodeAt(byte & 15) << 8) | (0x20 << 16) | (text << 24)
  })
}

/** hexdump shows the characters of isprint(3) in the C locale, tcpdump those of isgraph(3), which lack the space. */
const printable = cells(0x20)
const graphic = cells(0x21)

/** @internal */
export function cellsOf({ tcpdump }: Layout): Int32Array {
  return tcpdump ? graphic : printable
}

const spaces = 0x20202020

/** A cell with a space as its fourth character. */
function blank(cell: number): number {
  return (cell & 0x00ffffff) | 0x20000000
}

/** The line `*` that replaces repeated lines. @internal */
export function star(p: number, indent: number): number {
  p = spaced(p, indent)
  scratch[p] = 0x2a
  scratch[p + 1] = 0x0a
  return p + 2
}

/** @internal */
export function spaced(p: number, count: number): number {
  for (let i = 0; i < count; i += 4) view.setInt32(p + i, spaces, true)
  return p + count
}

/** At least 8 digits and two spaces. @internal */
export function canonicalOffset(p: number, offset: number): number {
  if (offset > 0xffffffff) p = digits(p, Math.floor(offset / 0x100000000))
  return lowDigits(p, offset)
}

/** Tab, `0x`, at least 4 digits and `: `. @internal */
export function tcpdumpOffset(p: number, offset: number): number {
  view.setInt32(p, 0x783009, true)
  p += 3
  if (offset > 0xffff) p = digits(p, Math.floor(offset / 0x10000))
  view.setInt32(p, printable[(offset >>> 8) & 0xff]!, true)
  view.setInt32(p + 2, printable[offset & 0xff]!, true)
  view.setInt32(p + 4, 0x20203a, true)
  return p + 6
}

/** The digits of the number, without leading zeros. */
function digits(p: number, value: number): number {
  const text = value.toString(16)
  for (let i = 0; i < text.length; i++) scratch[p + i] = text.charCodeAt(i)
  return p + text.length
}

/** The low 32 bits as 8 digits and two spaces. */
function lowDigits(p: number, value: number): number {
  view.setInt32(p, printable[value >>> 24]!, true)
  view.setInt32(p + 2, printable[(value >>> 16) & 0xff]!, true)
  view.setInt32(p + 4, printable[(value >>> 8) & 0xff]!, true)
  view.setInt32(p + 6, blank(printable[value & 0xff]!), true)
  return p + 10
}

/** 32 bits of the text column from four cells. */
function texts(a: number, b: number, c: number, d: number): number {
  return (a >>> 24) | ((b >>> 16) & 0xff00) | ((c >>> 8) & 0xff0000) | (d & 0xff000000)
}

/** A full line of 16 bytes, after its offset. @internal */
export function canonicalLine(bytes: Uint8Array, i: number, p: number): number {
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

/** A full line of 16 bytes, after its offset. @internal */
export function tcpdumpLine(bytes: Uint8Array, i: number, p: number): number {
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

/** Any line, after its offset: short, of another width, or in colour. @internal */
export function line(
  bytes: Uint8Array,
  at: number,
  count: number,
  p: number,
  layout: Layout,
  cell: Int32Array,
): number {
  const { tcpdump, width, color } = layout
  let q = p
  if (tcpdump) scratch[q++] = 0x20
  let last = 0
  for (let i = 0; i < count; i++) {
    const byte = bytes[at + i]!
    if (color && last !== colors[byte]!) {
      last = colors[byte]!
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
    if (color && last !== colors[byte]!) {
      last = colors[byte]!
      q = paint(q, last)
    }
    scratch[q++] = cell[byte]! >>> 24
  }
  if (color) q = paint(q, 0)
  if (!tcpdump) scratch[q++] = 0x7c
  scratch[q++] = 0x0a
  return q
}

/** Number of spaces between the hex column, as {@link line} wrote it for `count` bytes, and the text column. */
function gap(count: number, width: number, tcpdump: boolean): number {
  if (tcpdump) return 2 + column(width) - column(count) - (count & 1 ? 0 : 1)
  return 1 + 3 * (width - count) + ((width - 1) >> 3) - (count >> 3)
}

/** Width of the hex column of the tcpdump style for `count` bytes. */
function column(count: number): number {
  return (count >> 1) * 5 + (count & 1) * 3
}

// The colour of each byte, as the number in the escape code (ECMA-48, SGR); 0 resets.
const colors = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0) return 90
  if (byte >= 0x80) return 35
  return byte >= 0x20 && byte < 0x7f ? 36 : 33
})

/** The escape code that sets the foreground colour, or resets it. */
function paint(p: number, color: number): number {
  scratch[p++] = 0x1b
  scratch[p++] = 0x5b
  if (color > 0) scratch[p++] = 0x30 + Math.floor(color / 10)
  scratch[p++] = 0x30 + (color % 10)
  scratch[p++] = 0x6d
  return p
}
/** The least length of a full line: colours and long offsets are not counted. @internal */
export function lineLength({ tcpdump, width, indent }: Layout): number {
  return indent + (tcpdump ? 12 + column(width) + width : 14 + 4 * width + ((width - 1) >> 3))
}
