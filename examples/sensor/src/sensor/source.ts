/** The capture, as the sensor uses it. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Batch,
  Capture,
  CaptureError,
  type CaptureOptions,
  type CaptureStats,
  explainSelection,
  listInterfaces,
  type NetworkInterface,
} from 'ringtap'
import type { Log } from '../common/log.js'
import type { OwnConnection } from '../transport/transport.js'
import { combine } from './filter.js'
import { type Buffers, shareMemory } from './memory.js'
import type { Settings } from './settings.js'

export class Source {
  readonly #capture: Capture
  readonly #settings: Settings
  readonly #buffers: Buffers

  private constructor(capture: Capture, settings: Settings) {
    this.#capture = capture
    this.#settings = settings
    this.#buffers = shareMemory(settings.memory, settings.batch.bytes)
  }

  /**
   * Opens the capture; waits for an interface as often as the settings say.
   *
   * @throws CaptureError whose message names variables in place of the library's options.
   */
  static async open(settings: Settings, log: Log, signal: AbortSignal): Promise<Source> {
    const { ring, overflow } = shareMemory(settings.memory, settings.batch.bytes)
    const options: CaptureOptions = {
      interfaces: settings.interfaces,
      filter: combine([settings.filter]),
      snapshotLength: settings.snapshotLength,
      promiscuous: settings.promiscuous,
      ring: { memory: ring },
      overflow: { memory: overflow },
    }
    const capture = await openWaiting(options, settings.wait, log, signal)
    listen(capture, settings, log)
    return new Source(capture, settings)
  }

  /** The interfaces that are captured now. */
  get interfaces(): readonly NetworkInterface[] {
    return this.#capture.interfaces
  }

  stats(): CaptureStats {
    return this.#capture.stats()
  }

  /** Batches of at most `maximumBytes`, as far as that can be told before they are compressed. */
  batches(maximumBytes: number): AsyncIterableIterator<Batch> {
    const { bytes, milliseconds, compress } = this.#settings.batch
    return this.#capture.batches({
      // What does not shrink grows a little.
      bytes: Math.min(bytes, Math.floor(maximumBytes * 0.98) - 4096),
      milliseconds,
      compress,
      memory: this.#buffers.batches,
      application: 'ringtap-sensor',
    })
  }

  /** Keeps these connections out, in place of those before. */
  keepOut(connections: readonly OwnConnection[]): Promise<void> {
    return this.#capture.setConnections(connections)
  }

  /** Captures one of so many flows, the same ones as other sensors that do; 1: all. */
  sampleFlows(flows: number): Promise<void> {
    return this.#capture.setSample(flows > 1 ? { flows: 1 / flows } : undefined)
  }

  /** Keeps so many bytes of each packet. */
  setSnapshotLength(bytes: number): Promise<void> {
    return this.#capture.setSnapshotLength(bytes)
  }

  /** Keeps out the traffic of these hosts, but not that of this one. */
  async keepOutHosts(hosts: readonly string[]): Promise<readonly string[]> {
    const own = new Set(listInterfaces().flatMap(({ addresses }) => addresses.map(({ address }) => address)))
    const others = hosts.filter((host) => !own.has(host))
    await this.#capture.setHosts({ exclude: others })
    return others
  }

  /** Ends the intake; the batches end with the last packet before it. */
  stop(): Promise<CaptureStats> {
    return this.#capture.stop()
  }

  async close(): Promise<void> {
    await this.#capture.close()
  }
}

async function openWaiting(
  options: CaptureOptions,
  wait: Settings['wait'],
  log: Log,
  signal: AbortSignal,
): Promise<Capture> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await Capture.open(options)
    } catch (error) {
      const missing = error instanceof CaptureError && error.code === 'ERR_NO_INTERFACE'
      if (!missing || attempt > wait.attempts) throw withVariableNames(error)
      log.warn(`${withVariableNames(error).message}; looking again in ${wait.seconds} s`, {
        attempt: `${attempt} of ${wait.attempts}`,
      })
      await sleep(wait.seconds * 1000, undefined, { signal })
    }
  }
}

function listen(capture: Capture, settings: Settings, log: Log): void {
  capture.on('warning', (warning) => log.warn(`capture: ${withVariableNames(warning).message}`))
  capture.on('error', (error) => log.error(`capture: ${withVariableNames(error).message}`))
  capture.on('loss', ({ level, previous, ratio, lost, received, duration, causes }) => {
    const message = `loss: ${level === 'none' ? `${previous} is over` : level}, ${(ratio * 100).toFixed(1)} %`
    const fields = { level, lost, received, seconds: Math.round(duration / 1000), causes }
    if (level === 'none') log.info(message, fields)
    else log.warn(message, fields)
  })
  capture.on('interface', ({ type, interface: iface, previous, selected }) => {
    if (type === 'changed') return
    const was = type === 'renamed' ? `, it was ${previous.name}` : ''
    const why = type === 'added' || type === 'renamed' ? explainSelection(iface, settings.interfaces).text : ''
    log.info(`interface ${iface.name} ${type}${was}`, { selected, ...(why && { why }) })
  })
}

/** The error with the names of the variables in place of the library's options. */
function withVariableNames(error: unknown): Error {
  if (!(error instanceof CaptureError)) return error as Error
  const names: [string, string][] = [
    ['interfaces.include', 'NETWORK_DEVICE_INCLUDELIST'],
    ['interfaces.exclude', 'NETWORK_DEVICE_EXCLUDELIST'],
  ]
  let { message } = error
  for (const [option, variable] of names) message = message.replaceAll(option, variable)
  return new CaptureError(error.code, error.code.startsWith('ERR_FILTER') ? `BPF: ${message}` : message)
}
