import { checkBoolean, checkFilter, checkGroup, checkInteger, checkList, checkSignal, checkWord } from '../arguments.js'
import { optionError } from '../errors.js'
import {
  type CheckedSelection,
  type InterfaceSelection,
  normaliseSelection,
  type Selection,
} from '../interfaces/selection.js'
import type { NativeSavefileOptions } from './native.js'

const KiB = 1024
const MiB = 1024 * KiB

/**
 * Blocks of a pcapng file that describe neither packets, interfaces nor sections. `'custom'` are those of private
 * enterprises (both forms), `'other'` all that have no name here.
 */
export type SavefileBlockKind = 'nameResolution' | 'interfaceStatistics' | 'decryptionSecrets' | 'custom' | 'other'

/** Which blocks other than packets are kept. */
export interface KeepOptions {
  /** Kinds of blocks to keep in {@link Savefile.blocks}; all others are skipped and counted. Default: none. */
  blocks?: readonly SavefileBlockKind[] | undefined
  /**
   * Bytes for them, 0 to 1 GiB. Blocks for which there is no room are not kept; a `warning` reports it. Default 16 MiB.
   */
  memory?: number | undefined
}

/** How packets are grouped into chunks. */
export interface SavefileChunkOptions {
  /**
   * Bytes of a chunk's memory, 512 KiB to 4 MiB, a multiple of 4096. A longer packet cannot be read; 512 KiB hold every
   * packet of up to 262144 bytes, the largest that libpcap reads for most link types. Default 1 MiB.
   */
  size?: number | undefined
  /**
   * Milliseconds that a stream may pause before a part-filled chunk is delivered, 1 to 10000. Without effect for
   * regular files. Default 20.
   */
  maxDelay?: number | undefined
  /** Deliver copies of the chunks. Always done in embedders that allow no external ArrayBuffers. Default false. */
  copy?: boolean | undefined
}

/** Options of {@link openFile}. All are optional. */
export interface SavefileOptions {
  /**
   * A pcap-filter(7) expression, for packets of every link type that can express it. Packets of other link types do not
   * match; a `warning` reports it. Default: none, every packet.
   */
  filter?: string | undefined
  /**
   * Which interfaces of the file: exact names, or rules, which are applied to every interface, wherever the file
   * describes it. `hotplug` has no effect, and no interface counts as loopback, because files do not contain that. The
   * one interface of a pcap file has the name `''`. Default: all.
   */
  interfaces?: InterfaceSelection | undefined
  /** Bytes kept of each packet, 1 to 262144. Default: all that the file contains. */
  snapshotLength?: number | undefined
  /** How packets are grouped into chunks. */
  chunk?: SavefileChunkOptions | undefined
  /**
   * Bytes for chunks, at least two of them, up to 1 GiB: how far the file is read ahead. In addition the reader takes
   * up to about 10 MiB, and for a zstd file up to 8 MiB for its window, whatever the file claims. If the program takes
   * views (`packet.data`), released chunks occupy up to eight times as much until the file is closed: their memory is used
   * again when the garbage collector has found the views. Default 4 MiB, or two chunks.
   */
  memory?: number | undefined
  /**
   * Whether the comments on packets are kept ({@link Packet.comments}), and their other options, such as the process, for a
   * {@link SavefileWriter} or {@link Chunk.encode}. Default true.
   */
  comments?: boolean | undefined
  /** Which blocks other than packets are kept. Default: none. */
  keep?: KeepOptions | undefined
  /** Aborting it closes the file; iterations reject with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** The options, checked, with defaults applied. @internal */
export interface NormalisedSavefileOptions {
  /** `undefined`: all interfaces. */
  readonly selection: CheckedSelection | undefined
  readonly signal: AbortSignal | undefined
  readonly native: NativeSavefileOptions
}

/** The same, with the selection compiled. @internal */
export interface OpeningSavefileOptions extends Omit<NormalisedSavefileOptions, 'selection'> {
  readonly selection: Selection | undefined
}

/** Kinds of blocks by their type in the file (native/core/savefile/savefile_format.h). @internal */
export const blockTypes: Readonly<Record<SavefileBlockKind, number>> = {
  nameResolution: 4,
  interfaceStatistics: 5,
  decryptionSecrets: 10,
  custom: 0xbad,
  other: 0,
}

/** Maximum length of a list of kinds of blocks; repetitions are allowed. */
export const maxKinds = 100
const wholePacket = 0xffff_ffff

/** @throws CaptureError `ERR_OPTION`. @internal */
export function normaliseSavefileOptions(given: SavefileOptions | undefined): NormalisedSavefileOptions {
  const options = checkGroup(given, 'options', [
    'filter',
    'interfaces',
    'snapshotLength',
    'chunk',
    'memory',
    'comments',
    'keep',
    'signal',
  ])
  const chunk = checkGroup(options.chunk, 'chunk', ['size', 'maxDelay', 'copy'])
  const keep = checkGroup(options.keep, 'keep', ['blocks', 'memory'])
  const { filter, signal, interfaces, snapshotLength } = options
  const { size = MiB, maxDelay = 20, copy = false } = chunk
  const { blocks = [], memory: keepMemory = 16 * MiB } = keep
  checkFilter(filter, 'filter')
  checkSignal(signal, 'signal')
  checkInteger(size, 'chunk.size', 512 * KiB, 4 * MiB, 'bytes')
  if (size % 4096 !== 0) throw optionError('chunk.size', 'a multiple of 4096', size)
  const { memory = Math.max(4 * MiB, 2 * size), comments = true } = options
  const kinds = Object.keys(blockTypes) as SavefileBlockKind[]
  return {
    selection: interfaces === undefined ? undefined : normaliseSelection(interfaces),
    signal,
    native: {
      chunkSize: size,
      chunkCount: Math.floor(checkInteger(memory, 'memory', 2 * size, 1024 * MiB, 'bytes') / size),
      maxDelay: checkInteger(maxDelay, 'chunk.maxDelay', 1, 10_000, 'milliseconds'),
      snapshotLength:
        snapshotLength === undefined ? wholePacket : checkInteger(snapshotLength, 'snapshotLength', 1, 262144, 'bytes'),
      filter,
      selecting: interfaces !== undefined,
      comments: checkBoolean(comments, 'comments'),
      keep: checkList(blocks, 'keep.blocks', 'a list of kinds of blocks', maxKinds).map(
        (kind, at) => blockTypes[checkWord(kind, `keep.blocks[${at}]`, kinds)],
      ),
      keepMemory: checkInteger(keepMemory, 'keep.memory', 0, 1024 * MiB, 'bytes'),
      copying: checkBoolean(copy, 'chunk.copy'),
    },
  }
}
