import {
  checkCallback,
  checkFilter,
  checkGroup,
  checkInteger,
  checkList,
  checkPath,
  checkSignal,
  checkWord,
} from '../arguments.js'
import { blame, type CaptureError, optionError } from '../errors.js'
import { type InterfaceSelection, normaliseSelection } from '../interfaces/selection.js'
import { runJob } from '../native/run-job.js'
import { freezeWithJson } from '../to-json.js'
import type { CompleteFile } from './complete-file.js'
import { InterfaceJudge } from './convert-interfaces.js'
import { type NativeConvertStats, native } from './native.js'
import { checkOutputPath } from './output-path.js'
import { normaliseForm } from './savefile-form.js'
import { blockTypes, maxKinds } from './savefile-options.js'
import { checkSpan } from './time-span.js'

/**
 * When a file is complete and the next one begins. At least one limit is required; the first that is reached counts.
 */
export interface SplitOptions {
  /**
   * Bytes of a file, from 1000: a packet that would make it larger is the first of the next file. A file has at least
   * one packet, and the blocks that {@link ConvertOptions.keep} puts at its start.
   */
  bytes?: number | undefined
  /** Packets in a file, from 1. */
  packets?: number | undefined
  /** Milliseconds of the packets' own time since the first packet of the file, from 1. */
  milliseconds?: number | undefined
}

/** Blocks other than packets that {@link convertFiles} can carry over. */
export type PassthroughBlockKind = 'nameResolution' | 'decryptionSecrets' | 'custom'

/** Options of {@link convertFiles}. All are optional. */
export interface ConvertOptions {
  /**
   * `'time'`: of the next packets of all files, always the earliest one (of equal ones, that of the file named first),
   * so that files that are in order give one that is. `'given'`: file after file. Default `'time'`.
   */
  order?: 'time' | 'given' | undefined
  /** A pcap-filter(7) expression: only packets that it accepts. Default: none, every packet. */
  filter?: string | undefined
  /** Only packets of this time or later: nanoseconds since 1970-01-01 UTC, or a Date. Default: from the first one. */
  from?: bigint | Date | undefined
  /** Only packets of this time or earlier. Default: to the last one. */
  to?: bigint | Date | undefined
  /**
   * Which interfaces of the inputs, as with {@link SavefileOptions.interfaces}: exact names, or rules; the one
   * interface of a pcap file has the name `''`. It is evaluated once for each interface that an input describes.
   * Default: all.
   */
  interfaces?: InterfaceSelection | undefined
  /**
   * Which blocks other than packets are carried over into pcapng. `'nameResolution'` and `'decryptionSecrets'` are in
   * every file written from their position on, equal ones once; together up to 16 MiB. `'custom'` blocks occur once,
   * between the packets where they were, and only if they allow copying. Blocks of a section of the other byte order
   * are converted, except custom blocks, and options of private enterprises, whose layout is not known. What could not
   * be carried over is reported in `warnings`. Default: none, because secrets should not spread by default.
   */
  keep?: readonly PassthroughBlockKind[] | undefined
  /** `'pcap'` has one link type (that of the first packet), no interfaces and no comments. Default `'pcapng'`. */
  format?: 'pcapng' | 'pcap' | undefined
  /** The precision of times in pcap. Default `'nanoseconds'`. */
  precision?: 'nanoseconds' | 'microseconds' | undefined
  /**
   * How to handle an input that is damaged or truncated: `'fail'`, the conversion ends with the error; `'keep'`, the
   * packets ahead of that place are taken, the rest of this input is left out, and `warnings` reports it. A file that
   * is no savefile at all is an error either way. Default `'fail'`.
   */
  damaged?: 'fail' | 'keep' | undefined
  /**
   * Write several files instead of one. The name of the output must contain `%i`, the number of the file. Default: one
   * file.
   */
  split?: SplitOptions | undefined
  /**
   * Aborting it ends the conversion immediately: the promise rejects with the signal's reason, and the unfinished file
   * is removed.
   */
  signal?: AbortSignal | undefined
  /**
   * Called twice a second while it runs, and once at the end, also after an error. An exception ends the conversion.
   */
  onProgress?: ((progress: ConvertProgress) => void) | undefined
}

/** How far a conversion has come. */
export interface ConvertProgress {
  /** Packets taken from the inputs that the selection and the filter accept. */
  readonly packets: number
  /** Bytes of the inputs read so far, as they are stored. */
  readonly bytesRead: number
  /** Bytes of the inputs opened so far: with `order: 'time'`, of all of them. */
  readonly bytesTotal: number
}

/** A file that {@link convertFiles} has written. In JSON its times are strings of decimal digits. */
export interface ConvertedFile extends Omit<CompleteFile, 'packetBytes'> {}

/** The result of {@link convertFiles}. */
export interface ConvertResult {
  /** The files written, in order. */
  readonly files: readonly ConvertedFile[]
  /** Packets taken from the inputs that the selection and the filter accept: written, or of another link type. */
  readonly packets: number
  /** Packets written. */
  readonly written: number
  /** Packets not written, because a pcap file has one link type. */
  readonly otherLinkType: number
  /**
   * Packets whose time was replaced by the nearest one that the format can hold: before 1970 or after July 2554, and in
   * pcap after February 2106. Absent if there are none.
   */
  readonly clampedTimestamps?: number
  /**
   * Remarks on the inputs: that the filter does not apply to some packets, that no interface has a given name, that a
   * block could not be carried over.
   */
  readonly warnings: readonly string[]
}

const passthroughKinds: readonly PassthroughBlockKind[] = ['nameResolution', 'decryptionSecrets', 'custom']

/** Limited because each open input takes about 1.5 MiB of memory. */
const maxOpenInputs = 500
/** With `order: 'given'`, where one is open at a time. */
const maxInputs = 65_536

/**
 * Converts savefiles: merges several by time or one after the other, filters, selects interfaces, splits into several
 * files, changes the format, in one pass. Runs on a separate thread, without JavaScript per packet.
 *
 * ```ts
 * await convertFiles(['a.pcap', 'b.pcapng.gz'], 'both.pcapng')
 * await convertFiles('day.pcapng', 'hour-%i.pcapng', { filter: 'udp port 53', split: { milliseconds: 3_600_000 } })
 * ```
 *
 * Of packets, bytes, lengths, times (to the nanosecond), directions, comments and other options are kept: process, hash,
 * id, queue, verdict, drops and custom ones that may be copied. Of interfaces the name, the description, the link type,
 * the snapshot length, the addresses, the speed, the filter and the comments are kept. Interfaces that are equal in all of
 * this are one in the output, also if they come from several files. Name resolution, secrets and custom blocks are carried
 * over if `keep` names them. Statistics are not, since they would be wrong for the
 * output, nor are interfaces without packets.
 *
 * A file gets its own name when it is complete; existing files are not overwritten. It is readable and writable for its
 * owner alone (mode 0600). In the name of the output `%i` is the number of the file in six digits, `%Y` `%m` `%d` `%H`
 * `%M` `%S` the time (UTC) at which it was created, and `%%` a percent sign.
 *
 * @param inputs Path of a regular file, or of several: pcap or pcapng, plain or compressed. Each open input takes about
 *   1.5 MiB of memory: with `order: 'time'` all of them at the same time, at most 500, otherwise one, of at most 65536.
 * @param output Path of the output.
 * @throws CaptureError (the promise rejects; the unfinished file is removed, complete ones stay) `ERR_OPTION`,
 *   `ERR_PATTERN`, `ERR_FILTER_SYNTAX`, `ERR_FILTER_TOO_LARGE`; `ERR_NO_INTERFACE` if nothing of the inputs is
 *   selected; `ERR_FILE_FORMAT` (also if an output would describe more than 65536 interfaces), `ERR_FILE_DAMAGED`,
 *   `ERR_FILE_TRUNCATED`; `ERR_PERMISSION` and `ERR_SYSTEM` with `errno` if a file cannot be opened, read or written,
 *   or exists already; `ERR_NATIVE_UNAVAILABLE`. The reason of an aborted signal is thrown unchanged.
 */
export async function convertFiles(
  inputs: string | readonly string[],
  output: string,
  options?: ConvertOptions,
): Promise<ConvertResult> {
  const { settings, selection, signal, onProgress } = normalise(inputs, output, options)
  const judge = selection && new InterfaceJudge(await selection.compile())
  const thrown: unknown[] = []
  const addon = native()
  const {
    files: complete,
    stats,
    warnings,
  } = await runJob(
    {
      start: (onEnd) => {
        const handle = addon.startConvert(settings, () => {
          const question = judge && addon.convertQuestion(handle)
          if (!question) return onEnd()
          try {
            addon.answerConvert(handle, judge.decide(question))
          } catch (error) {
            thrown.push(error)
            addon.stopConvert(handle)
          }
        })
        return handle
      },
      stats: (handle) => addon.convertStats(handle),
      stop: (handle) => addon.stopConvert(handle),
      finish: (handle) => addon.finishConvert(handle),
      explain: (failure) => (failure.code === 'ERR_NO_INTERFACE' && judge?.nothing()) || blamed(failure),
    },
    signal,
    onProgress && ((now) => onProgress(progressOf(now))),
  )
  if (thrown.length > 0) throw thrown[0]
  const files = complete.map(({ packetBytes: _, ...file }) => freezeWithJson(file))
  const { packets, written, otherLinkType, clampedTimes: clampedTimestamps } = stats
  const said = [...warnings, ...(judge?.warnings() ?? [])]
  return { files, packets, written, otherLinkType, ...(clampedTimestamps > 0 && { clampedTimestamps }), warnings: said }
}

/** Sets the option that a native error refers to. */
function blamed(failure: CaptureError): CaptureError {
  if (failure.code === 'ERR_OPTION') return blame(failure, 'inputs')
  return failure.code.startsWith('ERR_FILTER') ? blame(failure, 'filter') : failure
}

function progressOf({ packets, bytesRead, bytesTotal }: NativeConvertStats): ConvertProgress {
  return { packets, bytesRead, bytesTotal }
}

function normalise(inputs: string | readonly string[], output: string, given: ConvertOptions | undefined) {
  const max = given?.order === 'given' ? maxInputs : maxOpenInputs
  const expected = `a path, or 1 to ${max} of them`
  const list = Array.isArray(inputs) ? checkList(inputs, 'inputs', expected, max) : [inputs]
  if (list.length === 0) throw optionError('inputs', expected, inputs)
  list.forEach((one, i) => checkPath(one, Array.isArray(inputs) ? `inputs[${i}]` : 'inputs'))
  const numbered = checkOutputPath(output, 'output')
  const options = checkGroup(given, 'options', [
    'order',
    'filter',
    'from',
    'to',
    'interfaces',
    'keep',
    'damaged',
    'format',
    'precision',
    'split',
    'signal',
    'onProgress',
  ])
  const { order = 'time', filter, interfaces, keep = [], damaged = 'fail', format, precision } = options
  const { split, onProgress } = options
  checkFilter(filter, 'filter')
  checkCallback(onProgress, 'onProgress')
  const { bytes, packets, milliseconds } = checkGroup(split, 'split', ['bytes', 'packets', 'milliseconds'])
  const limit = (value: number | undefined, name: string, min: number, unit: string) =>
    value === undefined ? 0 : checkInteger(value, `split.${name}`, min, Number.MAX_SAFE_INTEGER / 1e6, unit)
  if (split !== undefined && bytes === undefined && packets === undefined && milliseconds === undefined) {
    throw optionError('split', 'an object with bytes, packets or milliseconds', split)
  }
  if (split !== undefined && !numbered) {
    throw optionError('output', 'a path with %i, the number of the file, where there is to be more than one', output)
  }
  const form = normaliseForm({ format, precision })
  const kept = checkList(keep, 'keep', 'a list of kinds of blocks', maxKinds).map(
    (kind, at) => blockTypes[checkWord(kind, `keep[${at}]`, passthroughKinds)],
  )
  if (form.format !== 0 && kept.length > 0) throw optionError('keep', "left out, or empty, with format 'pcap'", keep)
  return {
    selection: interfaces === undefined ? undefined : normaliseSelection(interfaces),
    signal: checkSignal(options.signal, 'signal'),
    onProgress,
    settings: {
      inputs: list as readonly string[],
      output,
      byTime: checkWord(order, 'order', ['time', 'given']) === 'time',
      filter,
      ...checkSpan(options.from, options.to),
      selecting: interfaces !== undefined,
      keepDamaged: checkWord(damaged, 'damaged', ['fail', 'keep']) === 'keep',
      keep: kept,
      ...form,
      maxBytes: limit(bytes, 'bytes', 1000, 'bytes'),
      maxPackets: limit(packets, 'packets', 1, ''),
      maxMilliseconds: limit(milliseconds, 'milliseconds', 1, 'milliseconds'),
    },
  }
}
