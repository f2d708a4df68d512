import { checkWord } from '../arguments.js'
import { optionError } from '../errors.js'
import { SavefileFormat } from '../native/numbers.js'
import type { NativeSavefileForm } from './native.js'

/** The format of a savefile that is written. */
export interface SavefileFormOptions {
  /**
   * `'pcapng'` stores for each packet its interface, its direction and its time to the nanosecond, and comments.
   * `'pcap'` is for programs that read nothing newer: one link type per file, and no interfaces. Default `'pcapng'`.
   */
  format?: 'pcapng' | 'pcap' | undefined
  /** The precision of times in pcap. Programs from before 2013 read only `'microseconds'`. Default `'nanoseconds'`. */
  precision?: 'nanoseconds' | 'microseconds' | undefined
  /**
   * One or several comments on the whole file, each up to 65532 bytes of UTF-8, together up to 512 KiB. Only pcapng.
   * Default: none.
   */
  comment?: string | readonly string[] | undefined
  /** The name of the program that wrote the file, stored in it. Only pcapng. Default `'ringtap'`. */
  application?: string | undefined
}

/** The names of these options. @internal */
export const formKeys = ['format', 'precision', 'comment', 'application'] as const

/** @internal */
export const maxCaptured = 262144

/** Bytes of a text in a pcapng option, whose length has 16 bits. */
const maxText = 65_532
const optionHeader = 4
/** Bytes of all comments on a packet, or on a section: a reader's default chunk holds the block. */
const maxComments = 512 * 1024

/** @internal */
export function normaliseForm(options: SavefileFormOptions): NativeSavefileForm {
  const format = checkWord(options.format === undefined ? 'pcapng' : options.format, 'format', ['pcapng', 'pcap'])
  if (format === 'pcap') {
    if (options.comment !== undefined) throw optionError('comment', "left out with format 'pcap'", options.comment)
    if (options.application !== undefined) {
      throw optionError('application', "left out with format 'pcap'", options.application)
    }
  }
  const precision = checkWord(options.precision === undefined ? 'nanoseconds' : options.precision, 'precision', [
    'nanoseconds',
    'microseconds',
  ])
  if (format === 'pcapng' && precision === 'microseconds') {
    throw optionError('precision', "left out, or 'nanoseconds', with format 'pcapng'", precision)
  }
  const application = options.application === undefined ? 'ringtap' : options.application
  if (typeof application !== 'string') throw optionError('application', 'a string', application)
  return {
    format: format === 'pcapng' ? SavefileFormat.PCAPNG : SavefileFormat.PCAP,
    nanoseconds: precision === 'nanoseconds',
    snapLength: maxCaptured,
    application: application.slice(0, maxText),
    comments: checkComments(options.comment, 'comment') ?? [],
  }
}

/** One comment or several; `undefined` for none. @internal */
export function checkComments(value: unknown, label: string): readonly string[] | undefined {
  if (value === undefined) return undefined
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const comments: string[] = []
  let together = 0
  for (const one of list) {
    if (typeof one !== 'string') throw optionError(label, 'a string, or an array of strings', one)
    const length = Buffer.byteLength(one)
    if (length > maxText) throw optionError(label, `at most ${maxText} bytes long`, one)
    together += length + optionHeader
    if (together > maxComments)
      throw optionError(label, `at most ${maxComments} bytes long, all comments together`, one)
    comments.push(one)
  }
  return comments
}
