// Commands that send.
import { Injector, type Refusal, replay, type SendResult } from '../index.js'
import { ExitCode } from './exit-codes.js'
import { openInput } from './input.js'
import { onInterrupt } from './interrupt.js'
import { note, warn } from './output.js'
import { showReading } from './progress.js'
import { ReplayStatus } from './replay-progress.js'
import { UsageError } from './report-error.js'
import { amount, grouped, metric, quantity, StatusLine } from './terminal.js'

export interface ReplayCommandOptions {
  readonly interface: string
  readonly filter?: string
  readonly speed?: number
  readonly fastest?: boolean
  readonly loop?: number
  readonly netns?: string
}

/** `ringtap replay`: sends a file's packets at their own times. */
export async function replayCommand(file: string, options: ReplayCommandOptions): Promise<void> {
  if (options.fastest && options.speed !== undefined) throw new UsageError('--fastest and --speed exclude each other')
  const abort = new AbortController()
  const { filter, loop = 1 } = options
  const speed = options.fastest ? Number.POSITIVE_INFINITY : (options.speed ?? 1)
  const status = new ReplayStatus(new StatusLine(), file, { filter, speed, passes: loop })
  const end = onInterrupt(() => abort.abort())
  try {
    const result = await replay(file, {
      interface: options.interface,
      filter,
      speed: options.fastest ? 'fastest' : speed,
      loop,
      netns: options.netns,
      signal: abort.signal,
      onProgress: (progress) => status.show(progress),
    })
    status.end()
    for (const warning of result.warnings) warn(warning)
    report(result)
    note(`${result.seconds.toFixed(3)} s, ${metric(result.packetsPerSecond)} packets/s`)
  } catch (error) {
    if (!abort.signal.aborted) throw error
    status.end()
    note('ringtap: interrupted')
    process.exitCode = ExitCode.Failed
  } finally {
    end()
    status.end()
  }
}

/** `ringtap send`: frames given in hex, or those of a file, once and at once. */
export async function sendCommand(frames: string[], options: { interface: string; read?: string; netns?: string }) {
  if (frames.length === 0 && options.read === undefined)
    throw new UsageError('name the frames to send, in hex, or a file with -r')
  const bytes = frames.map(parseHex)
  const injector = await Injector.open(options.interface, options.netns ? { netns: options.netns } : {})
  try {
    if (bytes.length > 0) await injector.send(bytes)
    if (options.read !== undefined) await sendFile(injector, options.read)
    report(injector.stats())
  } finally {
    await injector.close()
  }
}

async function sendFile(injector: Injector, file: string): Promise<void> {
  const savefile = await openInput(file)
  const status = new StatusLine()
  showReading(savefile, status, false)
  try {
    for await (const chunk of savefile) await injector.send(chunk)
  } finally {
    status.clear()
    await savefile.close()
  }
}

function parseHex(text: string): Uint8Array {
  const digits = text.replace(/[\s:]/g, '')
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new UsageError(`"${text}" is no frame: expected pairs of hex digits`)
  return Buffer.from(digits, 'hex')
}

function report(result: SendResult): void {
  note(`${amount(result.sent, 'frame')} sent, ${quantity(result.bytes, 'B')}, ${grouped(result.refused)} refused`)
  for (const refusal of result.refusals) note(`  ${grouped(refusal.count)} refused: ${causeText(refusal)}`)
  if (result.refused > 0) process.exitCode = ExitCode.Failed
}

const causeText = ({ cause, errorName }: Refusal) => `${cause}${errorName ? ` (${errorName})` : ''}`
