import { constants } from 'node:buffer'
import { types } from 'node:util'
import { CaptureError, optionError } from '../errors.js'
import {
  canonicalLine,
  canonicalOffset,
  cellsOf,
  line,
  lineLength,
  maxLine,
  scratch,
  spaced,
  star,
  tcpdumpLine,
  tcpdumpOffset,
} from './hexdump-lines.js'
import { type HexdumpOptions, hexdumpLayout } from './hexdump-options.js'

/**
 * A hex dump of bytes as a string in which every line ends with a newline: byte for byte the output of `hexdump -C`
 * (hexdump(1)), or that of `tcpdump -X` for a packet (tcpdump(8)).
 *
 * As `hexdump -C` does, the default shows a run of equal lines once and then `*`; `{ squeeze: false }` shows them all.
 *
 * @param data the bytes: any view or buffer, shared ones too. Of a view its own bytes are dumped, whatever its element
 *   type.
 * @returns the dump; `''` for no bytes, which includes the data of a packet whose chunk was released.
 * @throws CaptureError `ERR_OPTION` if an argument is of the wrong kind, an option is unknown, or the dump would exceed
 *   the maximum length of a string (about 100 MiB of data): dump such data in parts, with `offset`.
 */
export function hexdump(data: ArrayBufferView | ArrayBufferLike, options?: HexdumpOptions): string {
  const bytes = bytesOf(data)
  const layout = hexdumpLayout(options)
  const { tcpdump, offset, width, squeeze, color, indent } = layout
  const length = Math.min(bytes.length, layout.length)
  if (length === 0) return ''
  if (offset + length > Number.MAX_SAFE_INTEGER) {
    throw optionError('options.offset', `at most ${Number.MAX_SAFE_INTEGER} less the length of the dump`, offset)
  }

  // Refused before the dump if its length can be computed in advance; append() checks the other cases.
  if (!squeeze && Math.floor(length / width) * lineLength(layout) > constants.MAX_STRING_LENGTH) throw tooLong()

  const cell = cellsOf(layout)
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
function repeats(bytes: Uint8Array, at: number, width: number): boolean {
  for (let i = at; i < at + width; i++) if (bytes[i] !== bytes[i - width]) return false
  return true
}
function bytesOf(data: unknown): Uint8Array {
  if (types.isUint8Array(data)) return data
  if (ArrayBuffer.isView(data)) {
    let length = 0
    try {
      length = data.byteLength
    } catch {
      // If the buffer is detached or has shrunk, a DataView throws; a typed array has length 0.
    }
    return length === 0 ? nothing : new Uint8Array(data.buffer, data.byteOffset, length)
  }
  if (types.isAnyArrayBuffer(data)) return data.byteLength === 0 ? nothing : new Uint8Array(data)
  throw optionError('data', 'a Uint8Array, another view of a buffer, or an ArrayBuffer', data)
}

const nothing = new Uint8Array(0)
