import { checkBoolean, checkCount, checkGroup, checkWord, orElse } from '../arguments.js'
import { optionError } from '../errors.js'

/** Options of {@link hexdump}; all optional. */
export interface HexdumpOptions {
  /**
   * - `'canonical'`: as hexdump(1) prints with `-C`, with the last line that is only an offset.
   * - `'tcpdump'`: as tcpdump(8) prints with `-X`, without the line that describes the packet.
   *
   * Default `'canonical'`.
   */
  style?: 'canonical' | 'tcpdump' | undefined
  /**
   * Offset of the first byte, 0 to 2^53 - 1 less the dump's length. Offsets that need more
   * digits than the style has are printed with more. Default 0.
   */
  offset?: number | undefined
  /** Bytes to show at most, from the first. Default: all. */
  length?: number | undefined
  /** Bytes on a line, 1 to 256. Default 16. */
  width?: number | undefined
  /**
   * Whether lines that repeat the line before them are replaced by one line `*`: true is what
   * `hexdump -C` does, false `hexdump -Cv`. Default true for `'canonical'`; `'tcpdump'` never squeezes, and accepts
   * only false.
   */
  squeeze?: boolean | undefined
  /**
   * Whether bytes are coloured with ANSI escape codes: zero grey, printable ones cyan, control characters yellow, those
   * from 0x80 up magenta. Colours are reset at the end of every line; without the codes the text is the same. Default
   * false.
   */
  color?: boolean | undefined
  /** Spaces before every line, 0 to 256. Default 0. */
  indent?: number | undefined
}

/** The options with their defaults. @internal */
export interface Layout {
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

/** @internal */
export const maxWidth = 256
/** @internal */
export const maxIndent = 256

/** Checks the options and applies the defaults. @internal */
export function hexdumpLayout(given: HexdumpOptions | undefined): Layout {
  if (given === undefined) return plain
  const options = checkGroup(
    given,
    'options',
    ['style', 'offset', 'length', 'width', 'squeeze', 'color', 'indent'],
    (option, known) => `${option} must be left out: it is not an option of hexdump; known are ${known.join(', ')}`,
  )
  const tcpdump = checkWord(orElse(options.style, 'canonical'), 'options.style', ['canonical', 'tcpdump']) === 'tcpdump'
  const squeeze = checkBoolean(orElse(options.squeeze, !tcpdump), 'options.squeeze')
  if (squeeze && tcpdump) throw optionError('options.squeeze', `false with style 'tcpdump'`, squeeze)
  return {
    tcpdump,
    squeeze,
    offset: checkCount(orElse(options.offset, plain.offset), 'options.offset', 0, Number.MAX_SAFE_INTEGER),
    length: checkCount(orElse(options.length, plain.length), 'options.length', 0, Number.MAX_SAFE_INTEGER),
    width: checkCount(orElse(options.width, plain.width), 'options.width', 1, maxWidth),
    color: checkBoolean(orElse(options.color, plain.color), 'options.color'),
    indent: checkCount(orElse(options.indent, plain.indent), 'options.indent', 0, maxIndent),
  }
}
