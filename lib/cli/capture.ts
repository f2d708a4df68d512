import { Capture, type CaptureOptions, listInterfaces } from '../index.js'
import type { CaptureCommandOptions, CaptureSelection, ViewOptions } from './command-options.js'
import { openInput } from './input.js'
import { exactly } from './interface-names.js'
import { interruptible, onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { holdPipe } from './named-pipe.js'
import { note, OutputClosed, outputIsClosed, warn, whenOutputCloses } from './output.js'
import { type LineOptions, PacketLines } from './packet-line.js'
import { printPackets } from './print-packets.js'
import { showReading } from './progress.js'
import { checkRecording, copyToFile, recordToFile, streamToOutput } from './record.js'
import { UsageError } from './report-error.js'
import { oneLine, StatusLine, wantsColor } from './terminal.js'
import type { TimeStyle } from './time-text.js'

const timeStyles: readonly TimeStyle[] = ['clock', 'none', 'epoch', 'clock', 'date']

/** The filter of `-f`, or the words after the options, joined as tcpdump does; `undefined` if there are none. */
export function filterOf(words: readonly string[], option: string | undefined): string | undefined {
  if (option !== undefined && words.length > 0)
    throw new UsageError(`the filter is given twice: as -f ${option} and as ${words.join(' ')}; give one of them`)
  return option ?? (words.length > 0 ? words.join(' ') : undefined)
}

function linesFor(options: ViewOptions, owners?: LineOptions['owners']): PacketLines {
  const time = timeStyles[options.time]
  if (time === undefined) throw new UsageError('-t may be given up to four times')
  return new PacketLines({
    json: options.json,
    link: options.link,
    hex: options.hex,
    verbose: options.verbose,
    time,
    nanoseconds: options.nano,
    color: !options.json && wantsColor(process.stdout),
    owners,
  })
}

function sampleOf({ sample, sampleSeed }: CaptureSelection): CaptureOptions['sample'] {
  if (sample !== undefined) return { flows: sample, seed: sampleSeed }
  if (sampleSeed !== undefined) throw new UsageError('--sample-seed needs --sample, whose flows it chooses')
  return undefined
}

/** The options of {@link Capture.open} for those of the command line. */
export function captureOptions(options: CaptureSelection, filter: string | undefined): CaptureOptions {
  const include = options.interface ?? []
  const devices = listInterfaces(options.netns ? { netns: options.netns } : {})
  const named = devices.some((device) => device.loopback && include.includes(device.name))
  return {
    interfaces: {
      // -i any is tcpdump's word for every interface.
      include: include.includes('any') ? [] : include.map((pattern) => exactly(pattern, devices)),
      exclude: options.exclude?.map((pattern) => exactly(pattern, devices)),
      loopback: options.loopback || named,
      hotplug: options.hotplug,
    },
    filter,
    snapshotLength: options.snapshotLength,
    promiscuous: options.promiscuous,
    direction: options.direction === 'inout' ? 'both' : options.direction,
    netns: options.netns,
    backend: options.backend,
    dedupe: options.dedupe,
    ring: {
      memory: options.buffer === undefined ? undefined : options.buffer * 1024,
      cpus: options.ringCpus,
      mode: options.ringMode,
    },
    sample: sampleOf(options),
    slice: options.slice,
    ...(options.cutoff !== undefined && { cutoff: { bytes: options.cutoff } }),
  }
}

/** `ringtap capture`: lines, a file, or pcapng on standard output. */
export async function captureCommand(words: string[], options: CaptureCommandOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  checkRecording(options)
  if (options.read !== undefined && options.write !== undefined)
    return copyToFile(options.read, options.write, filter, options)
  if (options.read !== undefined) return readCommand(options.read, words, options)
  let capture: Capture
  const lines = linesFor(options, options.owners ? (packet) => capture.ownersOf(packet) : undefined)
  const settings = { ...captureOptions(options, filter), owners: options.owners }
  // Before the capture begins, which would lose packets while a pipe waits for its reader.
  const pipe = await holdPipe(options.write)
  capture = await Capture.open(settings).catch(async (error) => {
    await pipe.release()
    throw error
  })
  try {
    watch(capture, options)
    // Once every packet counts, and Ctrl-C ends the capture in order.
    const ready = () => {
      void pipe.release()
      announce(capture, options, filter)
    }
    if (options.write === '-') await streamToOutput(capture, options, ready)
    else if (options.write !== undefined) await recordToFile(capture, options.write, options, ready)
    else await printCapture(capture, lines, options.count, ready)
  } finally {
    await pipe.release()
    await capture.close()
  }
}

async function printCapture(
  capture: Capture,
  lines: PacketLines,
  count: number | undefined,
  ready: () => void,
): Promise<void> {
  const stop = () => void capture.stop().catch(() => undefined)
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  try {
    ready()
    const { owners } = capture
    await printPackets(capture, lines, count, owners && ((chunk) => owners.update(chunk.lastTimestamp)))
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
  } finally {
    for (const end of ends) end()
  }
  if (!outputIsClosed()) process.stderr.write(ledgerText(await capture.stop()))
}

/** The interfaces that a capture listens on, in words. */
export function interfacesText(capture: Capture, hotplug: boolean): string {
  const names = capture.interfaces.map((one) => oneLine(one.name))
  const shown = names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ')
  return shown + (hotplug ? (names.length > 0 ? ', and those that appear' : 'interfaces that appear') : '')
}

/** One line on standard error: where it listens, as tcpdump does. */
export function announce(
  capture: Capture,
  options: Pick<CaptureSelection, 'hotplug'>,
  filter: string | undefined,
): void {
  const where = interfacesText(capture, options.hotplug)
  note(`ringtap: listening on ${where}${filter ? `; filter: ${oneLine(filter)}` : ''}`)
}

/** What happens to a capture beside its packets, on standard error. */
export function watch(capture: Capture, options: Pick<ViewOptions, 'verbose'>): void {
  capture.on('error', () => undefined) // The iteration fails with it too.
  capture.on('warning', (warning) => warn(warning.message))
  capture.on('loss', ({ level, lost, ratio }) => {
    if (level === 'none') note('ringtap: no packets are lost any more')
    else note(`ringtap: ${lost} packets lost, ${(ratio * 100).toFixed(1)} % (${level})`)
  })
  capture.on('interface', ({ type, interface: one, previous, selected }) => {
    if (!options.verbose || !(selected || type === 'removed')) return
    if (type === 'added' || type === 'removed') note(`ringtap: interface ${oneLine(one.name)} ${type}`)
    if (type === 'renamed') note(`ringtap: interface ${oneLine(previous.name)} renamed to ${oneLine(one.name)}`)
  })
}

/** `ringtap read`: the packets of a file or of standard input. */
export async function readCommand(file: string, words: string[], options: ViewOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  const lines = linesFor(options)
  const savefile = await openInput(file, filter, options)
  const status = new StatusLine()
  showReading(savefile, status, true)
  const interrupt = interruptible(() => void savefile.close())
  try {
    await printPackets(savefile, lines, options.count)
    interrupt.check()
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
  } finally {
    interrupt.end()
    status.clear()
    await savefile.close()
  }
}
