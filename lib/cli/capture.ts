import { Capture, type CaptureOptions, listInterfaces, openFile } from '../index.js'
import type { CaptureCommandOptions, CaptureSelection, ViewOptions } from './command-options.js'
import { onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { note, OutputClosed, outputIsClosed, warn, whenOutputCloses } from './output.js'
import { PacketLines } from './packet-line.js'
import { printPackets } from './print-packets.js'
import { checkRecording, recordToFile, streamToOutput } from './record.js'
import { UsageError } from './report-error.js'
import { oneLine, wantsColor } from './terminal.js'
import type { TimeStyle } from './time-text.js'

const timeStyles: readonly TimeStyle[] = ['clock', 'none', 'epoch', 'clock', 'date']

/** The filter of `-f`, or the words after the options, joined as tcpdump does; `undefined` if there are none. */
export function filterOf(words: readonly string[], option: string | undefined): string | undefined {
  if (option !== undefined && words.length > 0)
    throw new UsageError(`the filter is given twice: as -f ${option} and as ${words.join(' ')}; give one of them`)
  return option ?? (words.length > 0 ? words.join(' ') : undefined)
}

function linesFor(options: ViewOptions): PacketLines {
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
  })
}

/** The options of {@link Capture.open} for those of the command line. */
export function captureOptions(options: CaptureSelection, filter: string | undefined): CaptureOptions {
  const include = options.interface ?? []
  const devices = options.loopback ? [] : listInterfaces(options.netns ? { netns: options.netns } : {})
  const named = devices.some((device) => device.loopback && include.includes(device.name))
  return {
    interfaces: {
      // -i any is tcpdump's word for every interface.
      include: include.includes('any') ? [] : include,
      exclude: options.exclude,
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
    ...(options.buffer !== undefined && { ring: { memory: options.buffer * 1024 } }),
  }
}

/** `ringtap capture`: lines, a file, or pcapng on standard output. */
export async function captureCommand(words: string[], options: CaptureCommandOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  if (options.read !== undefined) return readCommand(options.read, words, options)
  checkRecording(options)
  const lines = linesFor(options)
  const capture = await Capture.open(captureOptions(options, filter))
  try {
    announce(capture, options, filter)
    watch(capture, options)
    if (options.write === '-') await streamToOutput(capture, options)
    else if (options.write !== undefined) await recordToFile(capture, options.write, options)
    else await printCapture(capture, lines, options.count)
  } finally {
    await capture.close()
  }
}

async function printCapture(capture: Capture, lines: PacketLines, count: number | undefined): Promise<void> {
  const stop = () => void capture.stop().catch(() => undefined)
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  try {
    await printPackets(capture, lines, count)
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
  } finally {
    for (const end of ends) end()
  }
  if (!outputIsClosed()) process.stderr.write(ledgerText(await capture.stop()))
}

/** One line on standard error: where it listens, as tcpdump does. */
function announce(capture: Capture, options: CaptureCommandOptions, filter: string | undefined): void {
  const names = capture.interfaces.map((one) => oneLine(one.name))
  const shown = names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ')
  const later = options.hotplug ? (names.length > 0 ? ', and those that appear' : 'interfaces that appear') : ''
  note(`ringtap: listening on ${shown}${later}${filter ? `; filter: ${oneLine(filter)}` : ''}`)
}

/** What happens to a capture beside its packets, on standard error. */
function watch(capture: Capture, options: CaptureCommandOptions): void {
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
  const { interface: include, exclude } = options
  const lines = linesFor(options)
  const savefile = await openFile(file === '-' ? process.stdin : file, {
    filter,
    ...((include ?? exclude) && { interfaces: { include, exclude, loopback: true } }),
  })
  savefile.on('warning', (warning) => warn(warning.message))
  const ends = [onInterrupt(() => void savefile.close())]
  try {
    await printPackets(savefile, lines, options.count)
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
  } finally {
    for (const end of ends) end()
    await savefile.close()
  }
}
