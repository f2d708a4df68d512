import { checkBoolean, checkFilter, checkGroup, checkInteger, checkList, checkSignal, checkWord } from '../arguments.js'
import { optionError } from '../errors.js'
import { type InterfaceSelection, normaliseSelection, type Selection } from '../interfaces/selection.js'
import type { NativeSavefileOptions } from './native.js'

const KiB = 1024
const MiB = 1024 * KiB

/**
 * Blocks of a pcapng file that are neither packets nor descriptions of interfaces or sections. `'custom'` are those of
 * private enterprises (both forms), `'other'` all that have no name here.
 */
export type SavefileBlockKind = 'nameResolution' | 'interfaceStatistics' | 'decryptionSecrets' | 'custom' | 'other'

/** Which blocks beside packets are kept. */
export interface KeepOptions {
  /** Kinds of blocks to keep in {@link Savefile.blocks}; all others are skipped and counted. Default: none. */
  blocks?: readonly SavefileBlockKind[] | undefined
  /** Bytes for them; what has no room is not kept, which is told by a `warning`. Default 16 MiB. */
  memory?: number | undefined
}

/** How packets are put together to chunks. */
export interface SavefileChunkOptions {
  /**
   * Bytes of a chunk's memory, 512 KiB to 4 MiB, a multiple of 4096. A longer packet cannot be read; 512 KiB hold every
   * packet up to 262144 bytes, the largest that libpcap reads of most links. Default 1 MiB.
   */
  size?: number | undefined
  /**
   * Milliseconds that a stream may pause before a part-filled chunk is handed over, 1 to 10000. Of no meaning for
   * regular files. Default 20.
   */
  maxDelay?: number | undefined
  /** Hand out copies of the chunks, as is done anyway where the embedder allows no external ArrayBuffers. Default false. */
  copy?: boolean | undefined
}

/** What {@link openFile} takes; everything is optional. */
export interface SavefileOptions {
  /**
   * A pcap-filter(7) expression, for packets of every link type that can express it; of the others none matches, which
   * is told by a `warning`. Default: none, every packet.
   */
  filter?: string | undefined
  /**
   * Which interfaces of the file: exact names, or rules, which apply to every interface however late the file describes
   * it (`hotplug` has no meaning, and as files do not tell which interface is loopback, none is). The one interface of a
   * pcap file has no name: its name is `''`. Default: all.
   */
  interfaces?: InterfaceSelection | undefined
  /** Bytes kept of each packet, 1 to 262144. Default: all that the file has. */
  snapshotLength?: number | undefined
  /** How packets are put together to chunks. */
  chunk?: SavefileChunkOptions | undefined
  /**
   * Bytes for chunks, at least two of them: how far the file is read ahead. Beside it the reader takes at most some
   * 10 MiB more, and a zstd file up to 8 MiB for its window, whatever the file claims. Default 4 MiB.
   */
  memory?: number | undefined
  /** Keep the comments on packets ({@link Packet.comments}). Default true. */
  comments?: boolean | undefined
  /** Which blocks beside packets are kept. */
  keep?: KeepOptions | undefined
  /** Aborting closes the file; iterations reject with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** The options, checked, with every default in place. @internal */
export interface NormalisedSavefileOptions {
  /** `undefined`: all. */
  readonly selection: Selection | undefined
  readonly signal: AbortSignal | undefined
  readonly native: NativeSavefileOptions
}

/** Kinds of blocks by their type in the file (native/core/savefile/savefile_format.h). @internal */
export const blockTypes: Readonly<Record<SavefileBlockKind, number>> = {
  nameResolution: 4,
  interfaceStatistics: 5,
  decryptionSecrets: 10,
  custom: 0xbad,
  other: 0,
}

/** Entries of a list of kinds of blocks, of which there are fewer. */
export const maxKinds = 100
const wholePacket = 0xffff_ffff

/** @throws CaptureError `ERR_OPTION`, `ERR_PATTERN`. @internal */
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
