import { statfsSync } from 'node:fs'
import path from 'node:path'
import { type Capture, type Chunk, type RecordingStats, SavefileWriter } from '../index.js'
import type { CaptureCommandOptions } from './command-options.js'
import { fileSizeUnit, formatOf } from './file-options.js'
import { onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { note, outputIsClosed, whenOutputCloses } from './output.js'
import { UsageError } from './report-error.js'
import { amount, grouped, metric, oneLine, StatusLine } from './terminal.js'

/**
 * Checks the options of a recording, before anything is opened.
 *
 * @throws UsageError
 */
export function checkRecording({ write, fileSize, seconds, files, count }: CaptureCommandOptions): void {
  const rotating = fileSize !== undefined || seconds !== undefined
  if (write === undefined) {
    if (rotating || files !== undefined)
      throw new UsageError('-C, -G and -W need -w FILE, which names the files to write')
    return
  }
  if (write === '-') {
    if (rotating || files !== undefined) throw new UsageError('-C, -G and -W need a file; -w - writes one stream')
    if (process.stdout.isTTY)
      throw new UsageError('-w - writes binary data, and standard output is a terminal; send it into a pipe or a file')
  }
  if (files !== undefined && !rotating) throw new UsageError('-W needs -C or -G, which begin another file')
  if (count !== undefined && rotating)
    throw new UsageError('-c ends one file, and -C and -G begin others: leave one out')
}

/** `-w FILE`: native code writes the files; with -c the packets pass through here, because they are counted. */
export async function recordToFile(capture: Capture, file: string, options: CaptureCommandOptions): Promise<void> {
  const { fileSize, seconds, files, count } = options
  const rotating = fileSize !== undefined || seconds !== undefined
  if (count !== undefined) {
    const writer = await SavefileWriter.open(file, { format: formatOf(file) })
    await writeCounted(capture, writer, count)
    return report(capture, `${amount(writer.stats.packets, 'packet')} written to ${oneLine(file)}`)
  }
  const recording = await capture.record({
    path: file,
    format: formatOf(file),
    files,
    ...(rotating && {
      rotate: {
        size: fileSize === undefined ? undefined : fileSize * fileSizeUnit,
        milliseconds: seconds === undefined ? undefined : seconds * 1000,
      },
    }),
  })
  // It rejects `finished` as well.
  recording.on('error', () => undefined)
  if (options.verbose)
    recording.on('file', (one) => note(`ringtap: ${oneLine(one.path)}: ${grouped(one.packets)} packets`))
  const status = new StatusLine()
  const timer = status.active ? showStatus(status, capture, () => recording.stats(), path.dirname(file)) : undefined
  const end = onInterrupt(() => void recording.stop().catch(() => undefined))
  let written: RecordingStats
  try {
    written = await recording.finished
  } finally {
    end()
    clearInterval(timer)
    status.clear()
  }
  const where = written.files === 1 ? oneLine(file) : `${written.files} files`
  const lost = written.dropped > 0 ? `, ${grouped(written.dropped)} not written because the disk was too slow` : ''
  await report(capture, `${amount(written.packets, 'packet')}, ${metric(written.bytes)}B written to ${where}${lost}`)
}

/** `-w -`: pcapng on standard output, written as packets come. */
export async function streamToOutput(capture: Capture, options: CaptureCommandOptions): Promise<void> {
  const writer = new SavefileWriter(process.stdout)
  try {
    await writeCounted(capture, writer, options.count ?? Number.POSITIVE_INFINITY)
  } catch (error) {
    if (!outputIsClosed()) throw error
    return
  }
  await report(capture, `${amount(writer.stats.packets, 'packet')} written`)
}

async function writeCounted(capture: Capture, writer: SavefileWriter, count: number): Promise<void> {
  const stop = () => void capture.stop().catch(() => undefined)
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  try {
    // The head of the file first: whoever reads a pipe waits for it.
    await writer.flush()
    let left = count
    for await (const chunk of capture) {
      await writer.write(left < chunk.packetCount ? first(chunk, left) : chunk)
      await writer.flush()
      left -= chunk.packetCount
      if (left <= 0) break
    }
    await writer.close()
  } finally {
    for (const end of ends) end()
  }
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
function showStatus(status: StatusLine, capture: Capture, stats: () => RecordingStats, folder: string) {
  let before = stats()
  let then = performance.now()
  const show = () => {
    const now = stats()
    const seconds = Math.max((performance.now() - then) / 1000, 0.001)
    const { droppedByRing, droppedByOverflow, droppedByRecorder } = capture.stats()
    const lost = droppedByRing + droppedByOverflow + droppedByRecorder
    status.show(
      `${grouped(now.packets)} packets, ${metric((now.packets - before.packets) / seconds)}/s, ` +
        `${metric(now.bytes)}B, ${metric((now.bytes - before.bytes) / seconds)}B/s, ` +
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
    return `${metric(bavail * bsize)}B free`
  } catch {
    return 'disk unknown'
  }
}
