// Wireshark's interface for programs that capture (extcap): what it lists and configures, and a capture into its pipe. See
// https://www.wireshark.org/docs/wsdg_html_chunked/ChCaptureExtcap.html.
import { spawn } from 'node:child_process'
import { constants, openSync } from 'node:fs'
import { Capture, compileFilter } from '../index.js'
import { captureOptions } from './capture.js'
import { onInterrupt } from './interrupt.js'
import { holdPipe, readerIsGone } from './named-pipe.js'
import { note, warn, write } from './output.js'
import { inFlags, UsageError } from './report-error.js'
import { grouped } from './terminal.js'

/** As the parser delivers them; texts of Wireshark's dialogue may be empty. */
export interface ExtcapOptions {
  readonly extcapInterfaces?: boolean
  readonly extcapInterface?: string
  readonly extcapDlts?: boolean
  readonly extcapConfig?: boolean
  readonly extcapCaptureFilter?: string
  readonly capture?: boolean
  readonly fifo?: string
  readonly interface?: string
  readonly exclude?: string
  readonly loopback?: boolean
  readonly dedupe?: boolean
  readonly snapshotLength?: number
  readonly netns?: string
  readonly remoteHost?: string
  readonly remotePort?: number
  readonly remoteCommand: string
}

const here = 'ringtap'
const elsewhere = 'ringtap-ssh'
const names: Readonly<Record<string, string>> = {
  [here]: 'All interfaces, and those that appear',
  [elsewhere]: 'All interfaces of another machine, over ssh',
}

/** The dialogue of an interface: arguments by their option, each with its properties in Wireshark's notation. */
const remoteArguments = [
  '{call=--remote-host}{display=Host}{type=string}{required=true}{tooltip=as ssh(1) takes it: HOST or USER@HOST}',
  '{call=--remote-port}{display=Port of ssh}{type=unsigned}{range=1,65535}{tooltip=default: that of the ssh configuration}',
  '{call=--remote-command}{display=Command there}{type=string}{default=ringtap}{tooltip=for example sudo -n ringtap}',
]
const selectionArguments = [
  '{call=--interface}{display=Interfaces}{type=string}{tooltip=a name, or an expression (egrep); default: all}',
  '{call=--exclude}{display=But not}{type=string}{tooltip=a name, or an expression (egrep)}',
  '{call=--loopback}{display=With loopback}{type=boolflag}',
  '{call=--dedupe}{display=Each packet once, where several interfaces see it}{type=boolflag}',
  '{call=--snapshot-length}{display=Bytes of each packet}{type=unsigned}{tooltip=default: all}',
  '{call=--netns}{display=Network namespace}{type=string}{tooltip=its path, such as /run/netns/blue; default: its own}',
]

/** `ringtap extcap`: one of the requests that Wireshark makes. */
export async function extcapCommand(options: ExtcapOptions): Promise<void> {
  if (options.extcapInterfaces) {
    const lines = Object.entries(names).map(([value, display]) => `interface {value=${value}}{display=${display}}`)
    return write(`extcap {version=1}{help=https://www.npmjs.com/package/ringtap}\n${lines.join('\n')}\n`)
  }
  const name = options.extcapInterface
  if (name === undefined || names[name] === undefined)
    throw new UsageError(`--extcap-interface must be one of ${Object.keys(names).join(', ')}`)
  // pcapng has the real ones; they may differ from interface to interface.
  if (options.extcapDlts) return write('dlt {number=1}{name=EN10MB}{display=Ethernet, and what else there is}\n')
  if (options.extcapConfig) {
    const all = name === elsewhere ? [...remoteArguments, ...selectionArguments] : selectionArguments
    return write(all.map((one, number) => `arg {number=${number}}${one}\n`).join(''))
  }
  if (!options.capture) return checkFilter(options.extcapCaptureFilter)
  if (!options.fifo) throw new UsageError('--capture needs --fifo PATH')
  if (name === elsewhere) return captureElsewhere(options, options.fifo)
  return captureHere(options, options.fifo)
}

/** Wireshark shows what is printed as the reason why a filter is wrong. */
async function checkFilter(filter: string | undefined): Promise<void> {
  if (!filter) return
  try {
    await compileFilter(filter, { source: 'live' })
  } catch (error) {
    await write(`${inFlags((error as Error).message)}\n`)
  }
}

async function captureHere(options: ExtcapOptions, fifo: string): Promise<void> {
  const { interface: include, exclude, loopback, dedupe, snapshotLength, netns, extcapCaptureFilter } = options
  const settings = captureOptions(
    {
      hotplug: true,
      ...(include && { interface: [include] }),
      ...(exclude && { exclude: [exclude] }),
      ...(loopback && { loopback }),
      ...(dedupe && { dedupe }),
      ...(snapshotLength !== undefined && { snapshotLength }),
      ...(netns && { netns }),
    },
    extcapCaptureFilter || undefined,
  )
  const pipe = await holdPipe(fifo, false)
  const capture = await Capture.open(settings)
  capture.on('warning', (warning) => warn(warning.message))
  try {
    // A path of record() is a pattern.
    const recording = await capture.record({ path: fifo.replaceAll('%', '%%') })
    recording.on('error', () => undefined) // It rejects `finished` as well.
    await pipe.release()
    const end = onInterrupt(() => void recording.stop().catch(() => undefined))
    try {
      await recording.finished
    } catch (error) {
      // Wireshark ends a capture by leaving.
      if (!readerIsGone(fifo, error)) throw error
    } finally {
      end()
    }
    const { droppedByRing, droppedByOverflow } = await capture.stop()
    if (droppedByRing + droppedByOverflow > 0)
      note(`ringtap: ${grouped(droppedByRing + droppedByOverflow)} packets lost`)
  } finally {
    await pipe.release()
    await capture.close()
  }
}

/** The same on another machine: `ringtap -w -` there, and its output into the pipe. */
async function captureElsewhere(options: ExtcapOptions, fifo: string): Promise<void> {
  const { remoteHost, remotePort, remoteCommand } = options
  if (!remoteHost) throw new UsageError('name the host: --remote-host HOST')
  if (remoteHost.startsWith('-')) throw new UsageError('a host cannot begin with -')
  const pipe = openSync(fifo, constants.O_WRONLY)
  const child = spawn(
    'ssh',
    // Nobody can answer a question.
    [
      ...['-o', 'BatchMode=yes', ...(remotePort === undefined ? [] : ['-p', String(remotePort)])],
      ...['--', remoteHost, `${remoteCommand} ${remoteWords(options).map(quoted).join(' ')}`],
    ],
    { stdio: ['ignore', pipe, 'inherit'] },
  )
  const end = onInterrupt(() => child.kill('SIGTERM'))
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (status, signal) => resolve(signal ? 0 : (status ?? 1)))
  })
  end()
  process.exitCode = code
}

function remoteWords(options: ExtcapOptions): string[] {
  const {
    interface: include,
    exclude,
    loopback,
    dedupe,
    snapshotLength,
    netns,
    extcapCaptureFilter,
    remotePort,
  } = options
  return [
    ...['-w', '-'],
    ...(include ? ['-i', include] : []),
    ...(exclude ? ['-x', exclude] : []),
    ...(loopback ? ['--loopback'] : []),
    ...(dedupe ? ['--dedupe'] : []),
    ...(snapshotLength === undefined ? [] : ['-s', String(snapshotLength)]),
    ...(netns ? ['--netns', netns] : []),
    // Without a filter: not the packets that carry the packets.
    ...['-f', extcapCaptureFilter || `not tcp port ${remotePort ?? 22}`],
  ]
}

/** A word for the shell of the other machine. */
const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
