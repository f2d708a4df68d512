import { statfsSync } from 'node:fs'
import path from 'node:path'
import { type Capture, type Chunk, type Compression, type RecordingStats, SavefileWriter } from '../index.js'
import type { CaptureCommandOptions } from './command-options.js'
import { FileCommand, parseCommand } from './file-command.js'
import { compressionOf, fileSizeUnit, formatOf } from './file-options.js'
import { openInput } from './input.js'
import { interruptible, onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { holdPipe, isNamedPipe, readerIsGone } from './named-pipe.js'
import { note, outputIsClosed, whenOutputCloses } from './output.js'
import { showReading } from './progress.js'
import { UsageError } from './report-error.js'
import { amount, grouped, metric, oneLine, quantity, StatusLine } from './terminal.js'

/**
 * Checks the options of a recording, before anything is opened.
 *
 * @throws UsageError
 */
export function checkRecording(options: CaptureCommandOptions): void {
  const { write, fileSize, seconds, files, count, command, compress, json } = options
  const rotating = fileSize !== undefined || seconds !== undefined
  if (command !== undefined && (write === undefined || write === '-'))
    throw new UsageError('-z needs -w FILE: it runs its command on each finished file')
  if (command !== undefined) parseCommand(command)
  if (write === undefined) {
    if (rotating || files !== undefined)
      throw new UsageError('-C, -G and -W need -w FILE, which names the files to write')
    if (compress !== undefined) throw new UsageError('--compress needs -w FILE: lines are not compressed')
    return
  }
  if (json) throw new UsageError('--json prints lines, and -w writes packets instead: leave one out')
  if (options.owners) checkOwners(write, count)
  const named = compressionOf(write)
  if (compress !== undefined && named !== undefined && compress !== named)
    throw new UsageError(`--compress ${compress} contradicts -w ${write}, whose end means ${named}`)
  if (write === '-') {
    if (rotating || files !== undefined) throw new UsageError('-C, -G and -W need a file; -w - writes one stream')
    if (process.stdout.isTTY)
      throw new UsageError('-w - writes binary data, and standard output is a terminal; send it into a pipe or a file')
  }
  if (files !== undefined && !rotating) throw new UsageError('-W needs -C or -G, which begin another file')
  if (count !== undefined && rotating)
    throw new UsageError('-c ends one file, and -C and -G begin others: leave one out')
}

/** Owners are written by native code, which neither counts packets nor writes to standard output here. */
function checkOwners(write: string, count: number | undefined): void {
  if (write === '-') throw new UsageError('--owners needs a file with -w: standard output gets the packets alone')
  if (formatOf(write) === 'pcap')
    throw new UsageError(`--owners needs pcapng, and -w ${write} is pcap, which has no place for owners`)
  if (count !== undefined) throw new UsageError('--owners with -w writes until it is stopped: leave out -c')
}

/** Opens the file of `-w`, as {@link pathOf} returns it, or standard output. */
async function openWriter(file: string, asked: Compression | undefined): Promise<SavefileWriter> {
  if (file === '-') return new SavefileWriter(process.stdout, { compress: asked })
  return SavefileWriter.open(file, { format: formatOf(file), compress: asked ?? compressionOf(file) })
}

const delayOf = (file: string, asked: Compression | undefined) =>
  (asked ?? compressionOf(file)) === undefined ? 0 : packDelay

/** The path of `-w FILE`, with the end that the compression is named by. */
function pathOf(file: string, asked: Compression | undefined): string {
  if (file === '-' || asked === undefined || compressionOf(file) !== undefined) return file
  return `${file}.${asked === 'gzip' ? 'gz' : 'zst'}`
}

/**
 * `-w FILE`: native code writes the files; with -c the packets pass through here, because they are counted.
 *
 * @param ready called when packets are recorded from now on, and a signal ends it in order
 */
export async function recordToFile(
  capture: Capture,
  name: string,
  options: CaptureCommandOptions,
  ready: () => void,
): Promise<void> {
  const command = options.command === undefined ? undefined : new FileCommand(options.command)
  const file = pathOf(name, options.compress)
  if (options.count !== undefined) await recordCounted(capture, file, options.count, options.compress, command, ready)
  else await recordUntilStopped(capture, file, options, command, ready)
}

async function recordCounted(
  capture: Capture,
  file: string,
  count: number,
  compress: Compression | undefined,
  command: FileCommand | undefined,
  ready: () => void,
): Promise<void> {
  const writer = await openWriter(file, compress)
  const status = new StatusLine()
  const timer = status.active ? showStatus(status, capture, () => writer.stats, path.dirname(file)) : undefined
  try {
    await writeUntilStopped(capture, writer, { count, delay: delayOf(file, compress) }, ready)
  } catch (error) {
    if (!readerIsGone(file, error)) throw error
  } finally {
    clearInterval(timer)
    status.clear()
  }
  await command?.run(file)
  await report(capture, `${amount(writer.stats.packets, 'packet')} written to ${oneLine(file)}`)
}

async function recordUntilStopped(
  capture: Capture,
  file: string,
  options: CaptureCommandOptions,
  command: FileCommand | undefined,
  ready: () => void,
): Promise<void> {
  const { fileSize, seconds, files } = options
  const recording = await capture.record({
    path: file,
    format: formatOf(file),
    compress: options.compress,
    owners: options.owners,
    files,
    // A file is not removed for -W before its command has ended.
    onFile: command && ((one) => command.run(one.path)),
    ...((fileSize !== undefined || seconds !== undefined) && {
      rotate: {
        size: fileSize === undefined ? undefined : fileSize * fileSizeUnit,
        milliseconds: seconds === undefined ? undefined : seconds * 1000,
      },
    }),
  })
  // It rejects `finished` as well.
  recording.on('error', () => undefined)
  recording.on('file', (one) => {
    if (options.verbose) note(`ringtap: ${oneLine(one.path)}: ${grouped(one.packets)} packets`)
  })
  const status = new StatusLine()
  const timer = status.active ? showStatus(status, capture, () => recording.stats(), path.dirname(file)) : undefined
  const end = onInterrupt(() => {
    if (command) note('ringtap: ending when the command of -z has run on the last file')
    void recording.stop().catch(() => undefined)
  })
  ready()
  let written: RecordingStats
  let gone = false
  try {
    written = await recording.finished
  } catch (error) {
    gone = readerIsGone(file, error)
    if (!gone) throw error
    written = recording.stats()
  } finally {
    end()
    clearInterval(timer)
    status.clear()
  }
  const where = written.files === 1 || isNamedPipe(file) ? oneLine(file) : `${written.files} files`
  const cause = gone ? 'the program that reads it has ended' : 'the disk was too slow'
  const lost = written.dropped > 0 ? `, ${grouped(written.dropped)} not written because ${cause}` : ''
  await report(
    capture,
    `${amount(written.packets, 'packet')}, ${quantity(written.bytes, 'B')} written to ${where}${lost}`,
  )
}

/** `-w -`: pcapng on standard output, written as packets come. */
export async function streamToOutput(
  capture: Capture,
  options: CaptureCommandOptions,
  ready: () => void,
): Promise<void> {
  const writer = await openWriter('-', options.compress)
  try {
    const { count = Number.POSITIVE_INFINITY, compress } = options
    await writeUntilStopped(capture, writer, { count, delay: delayOf('-', compress) }, ready)
  } catch (error) {
    if (!outputIsClosed()) throw error
    return
  }
  await report(capture, `${amount(writer.stats.packets, 'packet')} written`)
}

async function writeUntilStopped(
  capture: Capture,
  writer: SavefileWriter,
  { count, delay }: { count: number; delay: number },
  ready: () => void,
): Promise<void> {
  const stop = () => void capture.stop().catch(() => undefined)
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  try {
    ready()
    await writePackets(capture, writer, { count, delay })
  } finally {
    for (const end of ends) end()
  }
}

/** `-r FILE -w FILE`: the packets of a file that are selected, in another file or on standard output. */
export async function copyToFile(
  source: string,
  name: string,
  filter: string | undefined,
  options: CaptureCommandOptions,
): Promise<void> {
  const target = pathOf(name, options.compress)
  const pipe = await holdPipe(target)
  const savefile = await openInput(source, filter, options)
  const status = new StatusLine()
  showReading(savefile, status, target === '-')
  const stop = () => void savefile.close()
  const interrupt = interruptible(stop)
  const ends = [interrupt.end, whenOutputCloses(stop)]
  /** The packets, or an error instead of their end if there are more. */
  async function* all() {
    yield* savefile
    interrupt.check()
  }
  // The packets are still where they were read from: a file without all that could be read is of no use.
  const finish = async (writer: SavefileWriter) => {
    const isWhole =
      !interrupt.interrupted &&
      (await writer.flush().then(
        () => true,
        () => false,
      ))
    await (isWhole ? writer.close() : writer.discard())
  }
  try {
    const writer = await openWriter(target, options.compress)
    await pipe.release()
    const { count = Number.POSITIVE_INFINITY, compress } = options
    await writePackets(all(), writer, { count, delay: delayOf(target, compress), end: finish })
    status.clear()
    note(`${amount(writer.stats.packets, 'packet')} written to ${target === '-' ? 'standard output' : oneLine(target)}`)
  } catch (error) {
    if (!outputIsClosed() && !readerIsGone(target, error)) throw error
  } finally {
    await pipe.release()
    for (const end of ends) end()
    status.clear()
    await savefile.close()
  }
}

/** Milliseconds after which packets are written that wait to be compressed together. */
const packDelay = 1000

interface Writing {
  readonly count: number
  /** Milliseconds that packets may wait to be written together. Default 0: those of each chunk are written at once. */
  readonly delay?: number
  /** Ends the file after an error, of the packets or of the writer. Default: {@link complete}. */
  readonly end?: (writer: SavefileWriter) => Promise<void>
}

/** Completes a file whose packets have ended with an error. If the writer has failed, this fails in the same way. */
const complete = async (writer: SavefileWriter) => void (await writer.close().catch(() => undefined))

/** Writes up to `count` packets, and completes the file. */
export async function writePackets(
  chunks: AsyncIterable<Chunk>,
  writer: SavefileWriter,
  { count, delay = 0, end = complete }: Writing,
): Promise<void> {
  // An error is that of the next write too.
  const timer = delay > 0 ? setInterval(() => void writer.flush().catch(() => undefined), delay) : undefined
  try {
    // The head of the file first: whoever reads a pipe waits for it.
    await writer.flush()
    let left = count
    for await (const chunk of chunks) {
      await writer.write(left < chunk.packetCount ? first(chunk, left) : chunk)
      if (delay === 0) await writer.flush()
      left -= chunk.packetCount
      if (left <= 0) break
    }
    await writer.flush()
  } catch (error) {
    await end(writer)
    throw error
  } finally {
    clearInterval(timer)
  }
  await writer.close()
}

function* first(chunk: Chunk, count: number) {
  let left = count
  for (const packet of chunk) {
    if (left-- <= 0) return
    yield packet
  }
}

async function report(capture: Capture, text: string): Promise<void> {
  process.stderr.write(`${text}\n${ledgerText(await capture.stop())}`)
}

/** Packets and bytes per second, losses, and the room on the disk, once a second. */
function showStatus(
  status: StatusLine,
  capture: Capture,
  stats: () => Pick<RecordingStats, 'packets' | 'bytes'>,
  folder: string,
) {
  let before = stats()
  let then = performance.now()
  const show = () => {
    const now = stats()
    const seconds = Math.max((performance.now() - then) / 1000, 0.001)
    const { droppedByRing, droppedByOverflow, droppedByRecorder } = capture.stats()
    const lost = droppedByRing + droppedByOverflow + droppedByRecorder
    status.show(
      `${grouped(now.packets)} packets, ${metric((now.packets - before.packets) / seconds)}/s, ` +
        `${quantity(now.bytes, 'B')}, ${quantity((now.bytes - before.bytes) / seconds, 'B')}/s, ` +
        `${lost === 0 ? 'none lost' : `${grouped(lost)} LOST`}, ${freeSpace(folder)}`,
    )
    before = now
    then = performance.now()
  }
  show()
  return setInterval(show, 1000)
}

function freeSpace(folder: string): string {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return `${quantity(bavail * bsize, 'B')} free`
  } catch {
    return 'disk unknown'
  }
}
