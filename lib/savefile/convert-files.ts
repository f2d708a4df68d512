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
import type { CompleteFile } from './complete-file.js'
import { InterfaceJudge } from './convert-interfaces.js'
import { type NativeConvertStats, native } from './native.js'
import { checkOutputPath } from './output-path.js'
import { normaliseForm } from './savefile-form.js'
import { blockTypes, maxKinds } from './savefile-options.js'

/** When a file is complete and the next one begins. At least one of these. */
export interface SplitOptions {
  /**
   * Bytes of a file, from 1000: a packet with which it would be larger is the first of the next one. A file has at least
   * one packet, and what {@link ConvertOptions.keep} has it begin with.
   */
  bytes?: number | undefined
  /** Packets in a file, from 1. */
  packets?: number | undefined
  /** Milliseconds of the packets' own time from a file's first packet on, from 1. */
  milliseconds?: number | undefined
}

/** Blocks beside packets that {@link convertFiles} can take over. */
export type PassthroughBlockKind = 'nameResolution' | 'decryptionSecrets' | 'custom'

/** Options of {@link convertFiles}; everything is optional. */
export interface ConvertOptions {
  /**
   * `'time'`: always the packet that is the earliest of those that are next in their files (of equal ones, that of the
   * file named first), so that files that are in order make one that is. `'given'`: file after file. Default `'time'`.
   */
  order?: 'time' | 'given' | undefined
  /** A pcap-filter(7) expression: only packets that it accepts. Default: none, every packet. */
  filter?: string | undefined
  /**
   * Which interfaces of the inputs, as with {@link SavefileOptions.interfaces}: exact names, or rules; the one interface
   * of a pcap file has the name `''`. It is asked once for each interface that an input describes. Default: all.
   */
  interfaces?: InterfaceSelection | undefined
  /**
   * Which blocks beside packets are taken over into pcapng. `'nameResolution'` and `'decryptionSecrets'` are in every
   * file that is written from where they stand on, those that are the same once; together up to 16 MiB. `'custom'`
   * stands once, between the packets where it stood, and only where it allows to be copied. Blocks of a section of the
   * other byte order are converted, but for custom ones, and options of private enterprises, whose layout nobody knows.
   * What is not taken over in spite of being asked for is told in `warnings`. Default: none, as secrets should not get
   * around by themselves.
   */
  keep?: readonly PassthroughBlockKind[] | undefined
  /** `'pcap'` holds one link type (that of the first packet), and no interfaces and comments. Default `'pcapng'`. */
  format?: 'pcapng' | 'pcap' | undefined
  /** Of the times in pcap. Default `'nanoseconds'`. */
  precision?: 'nanoseconds' | 'microseconds' | undefined
  /**
   * What becomes of an input that is damaged or cut short: `'fail'`, the conversion ends with the error; `'keep'`, the
   * packets ahead of that place are taken, the rest of this input is left out, and `warnings` says so. A file that is no
   * savefile at all is an error either way. Default `'fail'`.
   */
  damaged?: 'fail' | 'keep' | undefined
  /** Several files instead of one: the output's name must contain `%i`, the number of the file. */
  split?: SplitOptions | undefined
  /** Aborting ends it at once: the promise rejects with the signal's reason, and the file that was begun is removed. */
  signal?: AbortSignal | undefined
  /** Called twice a second while it runs, and once when it has ended, however it has. What it throws ends it. */
  onProgress?: ((progress: ConvertProgress) => void) | undefined
}

/** How far a conversion has come. */
export interface ConvertProgress {
  /** Packets taken from the inputs, of those that selection and filter accept. */
  readonly packets: number
  /** Bytes of the inputs read so far, as they are stored. */
  readonly bytesRead: number
  /** Bytes of the inputs opened so far: with `order: 'time'` of all of them. */
  readonly bytesTotal: number
}

/** A file that {@link convertFiles} has written. */
export interface ConvertedFile extends Omit<CompleteFile, 'packetBytes'> {}

/** What {@link convertFiles} has done. */
export interface ConvertResult {
  /** The files, in their order. */
  readonly files: readonly ConvertedFile[]
  /** Packets taken from the inputs, of those that selection and filter accept: written, or of another link type. */
  readonly packets: number
  /** Packets written. */
  readonly written: number
  /** Packets not written, since a pcap file holds one link type. */
  readonly otherLinkType: number
  /**
   * Packets whose time was replaced by the nearest that can be told: before 1970 or after July 2554, and in pcap after
   * February 2106. Absent where there is none.
   */
  readonly clampedTimestamps?: number
  /**
   * What there is to say of the inputs: that the filter means nothing for some of the packets, that a name is that of no
   * interface, that a block could not be taken over.
   */
  readonly warnings: readonly string[]
}

const passthroughKinds: readonly PassthroughBlockKind[] = ['nameResolution', 'decryptionSecrets', 'custom']

/** Memory is by input, some 1.5 MiB for each that is open. */
const maxInputs = 500

/**
 * Makes savefiles of savefiles: merges several by time or puts one after the other, takes what a filter accepts, divides
 * what comes out into several files, changes the format; all of it in one pass. A thread of its own does it, without
 * JavaScript for a packet.
 *
 * ```ts
 * await convertFiles(['a.pcap', 'b.pcapng.gz'], 'both.pcapng')
 * await convertFiles('day.pcapng', 'hour-%i.pcapng', { filter: 'udp port 53', split: { milliseconds: 3_600_000 } })
 * ```
 *
 * Bytes, lengths, times (to the nanosecond), directions and comments of packets are kept; of interfaces the name, the
 * description, the link type, the snapshot length, the addresses, the speed, the filter and the comments. Interfaces of
 * which all this is the same are one in the output, also where they come from several files. Names, secrets and custom
 * blocks are taken over where `keep` asks for them; statistics are not, which would be wrong of the output, nor are
 * interfaces without packets.
 *
 * A file appears under its own name when it is complete; nothing that is there is written over. It is readable and
 * writable for its owner alone (mode 0600). In the output's name `%i` is the file's number in six digits, `%Y` `%m` `%d`
 * `%H` `%M` `%S` the time (UTC) at which it was begun, and `%%` a percent sign.
 *
 * @param inputs Path of a regular file, or of several, at most 500: pcap or pcapng, plain or compressed. Each that is open
 * takes some 1.5 MiB of memory: with `order: 'time'` all of them at once, otherwise one.
 * @param output Path of what is written.
 * @throws CaptureError (the promise rejects; the file that was begun is removed, complete ones stay) `ERR_OPTION`,
 * `ERR_PATTERN`, `ERR_FILTER_SYNTAX`, `ERR_FILTER_TOO_LARGE`; `ERR_NO_INTERFACE` where nothing of the inputs is
 * selected; `ERR_FILE_FORMAT` (also where an output would describe more than 65536 interfaces), `ERR_FILE_DAMAGED`,
 * `ERR_FILE_TRUNCATED`; `ERR_PERMISSION` and `ERR_SYSTEM` with `errno` where a file cannot be opened, read or written, or is there already;
 * `ERR_NATIVE_UNAVAILABLE`. An aborted signal's reason is thrown as it is.
 */
export async function convertFiles(
  inputs: string | readonly string[],
  output: string,
  options?: ConvertOptions,
): Promise<ConvertResult> {
  const { settings, selection, signal, onProgress } = normalise(inputs, output, options)
  const judge = selection && new InterfaceJudge(selection)
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
  const files = complete.map(({ packetBytes: _, ...file }) => file)
  const { packets, written, otherLinkType, clampedTimes: clampedTimestamps } = stats
  const said = [...warnings, ...(judge?.warnings() ?? [])]
  return { files, packets, written, otherLinkType, ...(clampedTimestamps > 0 && { clampedTimestamps }), warnings: said }
}

/** The option that a native error is about. */
function blamed(failure: CaptureError): CaptureError {
  if (failure.code === 'ERR_OPTION') return blame(failure, 'inputs')
  return failure.code.startsWith('ERR_FILTER') ? blame(failure, 'filter') : failure
}

function progressOf({ packets, bytesRead, bytesTotal }: NativeConvertStats): ConvertProgress {
  return { packets, bytesRead, bytesTotal }
}

function normalise(inputs: string | readonly string[], output: string, given: ConvertOptions | undefined) {
  const expected = `a path, or 1 to ${maxInputs} of them`
  const list = Array.isArray(inputs) ? checkList(inputs, 'inputs', expected, maxInputs) : [inputs]
  if (list.length === 0) throw optionError('inputs', expected, inputs)
  list.forEach((one, i) => checkPath(one, Array.isArray(inputs) ? `inputs[${i}]` : 'inputs'))
  const numbered = checkOutputPath(output, 'output')
  const options = checkGroup(given, 'options', [
    'order',
    'filter',
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
  const limit = (value: number | undefined, name: string, least: number, unit: string) =>
    value === undefined ? 0 : checkInteger(value, `split.${name}`, least, Number.MAX_SAFE_INTEGER / 1e6, unit)
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
