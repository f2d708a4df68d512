import { accessSync, constants, opendirSync } from 'node:fs'
import path from 'node:path'
import { Capture, CaptureError, type CaptureOptions, type FlightRecorder } from '../index.js'
import { announce, captureOptions, filterOf, watch } from './capture.js'
import type { CaptureSelection } from './command-options.js'
import { ExitCode } from './exit-codes.js'
import { compressionOf, formatOf } from './file-options.js'
import { onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { note, warn } from './output.js'
import { UsageError } from './report-error.js'
import { amount, grouped, oneLine, quantity, wrapped } from './terminal.js'

export interface FlightCommandOptions extends CaptureSelection {
  readonly write: string
  /** MiB. */
  readonly memory?: number
  /** How old packets get, in seconds. */
  readonly seconds?: number
  readonly compress?: 'gzip' | 'zstd'
  readonly trigger?: string
  /** Seconds. */
  readonly before?: number
  readonly after?: number
  /** Dumps after which it ends. */
  readonly count?: number
}

/** `ringtap flight`: the newest packets in memory, and dumps of them on a signal or for a packet. */
export async function flightCommand(words: string[], options: FlightCommandOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  const { write, seconds, compress } = options
  if (write === '-') throw new UsageError('-w needs the name of a file: each dump is a file of its own')
  if (formatOf(write) !== 'pcapng' || compressionOf(write) !== undefined)
    throw new UsageError(`-w ${write}: a dump is a pcapng file that is not compressed`)
  checkFolder(path.dirname(write))
  const settings = captureOptions(options, filter)
  const capture = await Capture.open(settings)
  let trigger: Capture | undefined
  try {
    watch(capture, options)
    if (options.trigger !== undefined) trigger = await openTrigger(settings, options.trigger)
    const memory = options.memory === undefined ? undefined : options.memory * 2 ** 20
    const recorder = capture.flightRecorder({ memory, seconds, compress })
    const failure = await new Promise<Error | undefined>((resolve) => {
      const dumps = new Dumps(recorder, options, () => resolve(undefined))
      capture.on('error', resolve)
      trigger?.on('error', resolve)
      const onSignal = () => void dumps.write()
      process.on('SIGUSR1', onSignal)
      const end = onInterrupt(() => {
        process.off('SIGUSR1', onSignal)
        end()
        resolve(undefined)
      })
      announce(capture, options, filter)
      note(`ringtap: recording in memory; kill -USR1 ${process.pid} writes a dump`)
      if (trigger) watchTrigger(trigger, dumps).catch(resolve)
    })
    await trigger?.close()
    // A dump in progress ends with what was received up to now.
    await recorder.stop()
    if (failure) throw failure
    process.stderr.write(ledgerText(await capture.stop()))
  } finally {
    await trigger?.close()
    await capture.close()
  }
}

/** Refuses a folder in which no file can be made, before the alarm for which there would be no dump. */
function checkFolder(folder: string): void {
  try {
    opendirSync(folder).closeSync()
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new CaptureError('ERR_SYSTEM', `no dump can be written: ${(error as Error).message}`)
  }
}

/** A capture beside the other, of all packets that cause a dump. Its ring is small: one packet is enough. */
async function openTrigger(settings: CaptureOptions, filter: string): Promise<Capture> {
  const { sample: _sample, slice: _slice, cutoff: _cutoff, ...all } = settings
  const trigger = await Capture.open({ ...all, filter, ring: { memory: 4 * 2 ** 20 } })
  trigger.on('warning', (warning) => warn(`--trigger: ${warning.message}`))
  return trigger
}

async function watchTrigger(trigger: Capture, dumps: Dumps): Promise<void> {
  for await (const _ of trigger) if (!dumps.busy) void dumps.write()
}

/** The dumps so far, each a file of its own. */
class Dumps {
  readonly #recorder: FlightRecorder
  readonly #options: FlightCommandOptions
  readonly #end: () => void
  #inProgress = 0
  #written = 0

  /** @param end called when there are enough */
  constructor(recorder: FlightRecorder, options: FlightCommandOptions, end: () => void) {
    this.#recorder = recorder
    this.#options = options
    this.#end = end
  }

  get busy(): boolean {
    return this.#inProgress > 0
  }

  async write(): Promise<void> {
    const { write, before, after, count = Number.POSITIVE_INFINITY } = this.#options
    const file = datedName(write, new Date())
    this.#inProgress++
    try {
      const { packets, bytes, lost, overwritten } = await this.#recorder.dump(file, { before, after })
      const missing = lost + overwritten > 0 ? `, ${grouped(lost + overwritten)} missing` : ''
      note(`ringtap: ${oneLine(file)}: ${amount(packets, 'packet')}, ${quantity(bytes, 'B')}${missing}`)
      if (++this.#written >= count) this.#end()
    } catch (error) {
      // What is in memory is worth more than the dump: the cause may be gone at the next one.
      note(wrapped(`ringtap: ${oneLine(`${file}: ${(error as Error).message}`)}`, process.stderr))
      process.exitCode = ExitCode.Failed
    } finally {
      this.#inProgress--
    }
  }
}

/** The name of a dump: with the time, in UTC, before its end. */
function datedName(file: string, time: Date): string {
  const { dir, name, ext } = path.parse(file)
  return path.join(dir, `${name}-${time.toISOString().replace(/[-:]/g, '')}${ext}`)
}
