import { readdirSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { CaptureError, convertFiles, openFile } from '../index.js'
import { compressionOf, formatOf } from './file-options.js'
import { interruption, onInterrupt } from './interrupt.js'
import { note, warn } from './output.js'
import { progressOn } from './progress.js'
import { UsageError } from './report-error.js'
import { amount, grouped, oneLine, StatusLine } from './terminal.js'
import { momentOf } from './time-argument.js'

export interface ExtractCommandOptions {
  readonly write: string
  readonly from?: string
  readonly to?: string
  readonly filter?: string
  readonly interface?: string[]
  readonly exclude?: string[]
  readonly verbose?: boolean
}

/** A file of a recording, and between which times its packets are. */
interface Piece {
  readonly file: string
  readonly first: bigint
  readonly last: bigint
}

const savefileName = /^[^.].*\.(pcapng|pcap|cap)(\.(gz|zst))?$|^\..*\.(pcapng|pcap|cap)(\.(gz|zst))?\.partial$/

/** By how much a file's times may be wrong: packets are not quite in order, and clocks are set. */
const slack = 1_000_000_000n

/** `ringtap extract`: the packets of a span out of a recording's files, of which it opens those that may have some. */
export async function extractCommand(paths: string[], options: ExtractCommandOptions): Promise<void> {
  const { write, filter, interface: include, exclude } = options
  if (write === '-' || compressionOf(write) !== undefined)
    throw new UsageError(`-w ${write}: extract writes a file, and does not compress it`)
  const from = options.from === undefined ? 0n : momentOf(options.from, '--from')
  const to = options.to === undefined ? 2n ** 64n - 1n : momentOf(options.to, '--to')
  if (from > to) throw new UsageError('--from is later than --to')
  const abort = new AbortController()
  const end = onInterrupt(() => abort.abort())
  const status = new StatusLine()
  /** @returns Whether it is done: false if a file got another name, or was removed, in the meantime. */
  const extract = async (): Promise<boolean> => {
    const files = paths.flatMap(filesOf).filter((file) => path.resolve(file) !== path.resolve(write))
    if (files.length === 0) throw new UsageError(`${paths.map(oneLine).join(', ')}: there are no files of a recording`)
    const pieces = await inSpan(files, from, to)
    if (pieces === undefined) return false
    if (options.verbose) for (const { file } of pieces) note(`ringtap: reading ${oneLine(file)}`)
    if (pieces.length === 0) {
      note(`none of ${amount(files.length, 'file')} has packets of this time; nothing is written`)
      return true
    }
    const showProgress = progressOn(status)
    const result = await unlessGone(
      convertFiles(
        pieces.map(({ file }) => file),
        write,
        {
          filter,
          from,
          to,
          format: formatOf(write),
          damaged: 'keep',
          signal: abort.signal,
          onProgress: ({ bytesRead, bytesTotal, packets }) => showProgress(bytesRead, bytesTotal, packets),
          ...((include ?? exclude) && { interfaces: { include, exclude, loopback: true } }),
        },
      ),
    )
    if (result === undefined) return false
    status.clear()
    for (const warning of result.warnings) warn(warning)
    note(
      `${grouped(result.written)} packets of ${pieces.length} of ${amount(files.length, 'file')} written to ${oneLine(write)}`,
    )
    return true
  }
  try {
    for (let tries = 0; !(await extract()); tries++) {
      if (tries >= 5)
        throw new CaptureError('ERR_SYSTEM', 'the files of the recording are removed faster than they can be read')
    }
  } catch (error) {
    if (abort.signal.aborted) throw interruption()
    throw error
  } finally {
    end()
    status.clear()
  }
}

/** `undefined` if a file does not exist any more. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const { code, errno } = error as CaptureError
    if (code === 'ERR_SYSTEM' && errno === constants.errno.ENOENT) return undefined
    throw error
  }
}

/** A file, or the savefiles in a folder; of those that are hidden, the ones that are being recorded. */
function filesOf(given: string): string[] {
  if (!statSync(given).isDirectory()) return [given]
  return readdirSync(given, { withFileTypes: true })
    .filter((entry) => entry.isFile() && savefileName.test(entry.name))
    .map(({ name }) => path.join(given, name))
}

/** The files that may have packets of the span, the earliest first; `undefined` if one does not exist any more. */
async function inSpan(files: readonly string[], from: bigint, to: bigint): Promise<Piece[] | undefined> {
  const pieces: Piece[] = []
  for (const file of files) {
    const last = statSync(file, { bigint: true, throwIfNoEntry: false })?.mtimeNs
    if (last === undefined) return undefined
    if (last + slack < from) continue
    const first = await unlessGone(firstPacket(file))
    if (first === undefined) return undefined
    if ((first !== none) !== undefined && first - slack <= to) pieces.push({ file, first, last })
  }
  return pieces.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
}

/** Of a file without packets. */
const none = -1n

/** The time of the first packets, or `none`. */
async function firstPacket(file: string): Promise<bigint> {
  try {
    await using savefile = await openFile(file)
    for await (const chunk of savefile) return chunk.firstTimestamp
  } catch (error) {
    // A recording has begun it, and nothing is on the disk yet.
    if ((error as CaptureError).code !== 'ERR_FILE_TRUNCATED') throw error
  }
  return none
}
