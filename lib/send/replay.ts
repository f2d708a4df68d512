import { checkCallback, checkFilter, checkGroup, checkInteger, checkName, checkSignal } from '../arguments.js'
import { blame, optionError } from '../errors.js'
import { runJob } from '../native/run-job.js'
import { explainOpening } from '../permission.js'
import { checkInterfaceName, type InjectorOptions, normaliseInjector } from './inject.js'
import { type NativeReplayStats, native } from './native.js'
import { SendLedger, type SendResult } from './send-result.js'

/** Options of {@link replay}. */
export interface ReplayOptions extends InjectorOptions {
  /** The interface to send on: its name, or one of its alternative names. */
  interface: string
  /**
   * How many times as fast as in the file, above 0 up to 1e9: 2 halves every gap. `'fastest'`: as fast as the interface
   * takes the packets. Default 1: the timing of the file.
   */
  speed?: number | 'fastest' | undefined
  /** How many times the file is sent: a whole number from 1, or Infinity: until `signal` is aborted. Default 1. */
  loop?: number | undefined
  /**
   * Milliseconds: a longer gap in the file is shortened to this, before `speed` is applied, so that a packet with a
   * wrong date delays the others no longer. 0 to 86400000. Default: gaps are kept.
   */
  maxGap?: number | undefined
  /**
   * A pcap-filter(7) expression: only packets that it accepts are sent, at their times. Default: none, every packet.
   */
  filter?: string | undefined
  /** Aborting it ends the replay immediately: the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Called twice a second while it runs, and once at the end, also after an error. An exception ends the replay. */
  onProgress?: ((progress: ReplayProgress) => void) | undefined
}

/** How far a replay has come. */
export interface ReplayProgress {
  /** Packets so far, of all passes together: sent or refused. */
  readonly packets: number
  /** Frames that the kernel took. */
  readonly sent: number
  /** Bytes of these frames. */
  readonly bytes: number
  /** Packets that were refused. */
  readonly refused: number
  /** Passes through the file that were started. */
  readonly passes: number
  /** Seconds since the first packet was due. */
  readonly seconds: number
}

/** What became of the packets of a file. Positions count the packets of a pass that the filter accepts, from 0. */
export interface ReplayResult extends SendResult {
  /** Passes through the file. */
  readonly passes: number
  /** Seconds from the time at which the first packet was due until the last one was sent. */
  readonly seconds: number
  /** Packets sent per second of these; 0 if none was sent. */
  readonly packetsPerSecond: number
  /**
   * How much later than their times packets were given to the kernel, in milliseconds; `undefined` with `speed:
   * 'fastest'`. No packet is early.
   */
  readonly lateness:
    | {
        /** The mean of all packets. */
        readonly mean: number
        /** The highest of any packet. */
        readonly max: number
      }
    | undefined
  /** Remarks on the file, such as that the filter does not apply to some packets. */
  readonly warnings: readonly string[]
}

/** At a higher speed gaps are negligible: `'fastest'` has the same effect. */
const maxSpeed = 1e9

/**
 * Sends the packets of a pcap or pcapng file (plain or compressed, as {@link openFile} reads it) on an interface: with
 * the timing of the file, faster or slower, or as fast as possible.
 *
 * ```ts
 * const { sent, refusals } = await replay('traffic.pcap', { interface: 'eth1', speed: 2, loop: 10 })
 * ```
 *
 * A separate thread reads and sends, so a busy event loop does not affect the timing. No packet is sent before its
 * time, which counts from the first packet (that the filter accepts). One that is late is sent immediately and does not
 * delay the others. The accuracy depends on the machine: on an idle one packets are some tens of microseconds late;
 * `lateness` reports it. Packets that are due at the same time are given to the kernel with one system call. Packets
 * keep the order of the file, even if their times do not. A further pass begins with the last packet of the one before.
 *
 * Packets that were cut when they were captured (`truncated`), or whose link type is not that of the interface
 * (`link-type`), are refused and counted, as are those that the kernel refuses. Bytes are sent as they are: addresses
 * and checksums are the file's (except TCP and UDP checksums that the capturing kernel had left to the device: they are
 * filled in), and a frame check sequence that a file contains is sent as data.
 *
 * @param file Path of a regular file.
 * @returns What became of the packets, once the socket is closed. Refusals do not reject.
 * @throws CaptureError (the promise rejects) `ERR_OPTION` (also: not a regular file), `ERR_NO_INTERFACE`,
 *   `ERR_PERMISSION`, `ERR_FILTER_SYNTAX`, `ERR_FILTER_TOO_LARGE`; `ERR_FILE_FORMAT`, `ERR_FILE_DAMAGED`,
 *   `ERR_FILE_TRUNCATED` (the packets before that position have been sent); `ERR_NATIVE_UNAVAILABLE`, `ERR_SYSTEM`
 *   (also: no such file). The reason of an aborted signal is thrown unchanged.
 */
export async function replay(file: string, options: ReplayOptions): Promise<ReplayResult> {
  const { settings, signal, onProgress } = normaliseReplay(file, options)
  const addon = native()
  const { stats, tally, warnings } = await runJob(
    {
      start: (onEnd) => addon.startReplay(settings, onEnd),
      stats: (handle) => addon.replayStats(handle),
      stop: (handle) => addon.stopReplay(handle),
      finish: (handle) => addon.finishReplay(handle),
      explain: (failure) =>
        failure.code === 'ERR_OPTION' && !failure.syscall ? blame(failure, 'file') : explainOpening(failure, 'sending'),
    },
    signal,
    onProgress && ((now) => onProgress(progressOf(now))),
  )

  const ledger = new SendLedger()
  ledger.add(tally)
  const { passes, seconds, packets, sent } = progressOf(stats)
  return {
    ...ledger.result(),
    passes,
    seconds,
    packetsPerSecond: sent === 0 ? 0 : sent / Math.max(seconds, 1e-9),
    lateness:
      settings.speed === Number.POSITIVE_INFINITY
        ? undefined
        : { mean: packets === 0 ? 0 : stats.latenessSum / packets / 1e6, max: stats.latenessMost / 1e6 },
    warnings,
  }
}

function progressOf({ packets, sent, bytes, refused, passes, nanoseconds }: NativeReplayStats): ReplayProgress {
  return { packets, sent, bytes, refused, passes, seconds: nanoseconds / 1e9 }
}

function normaliseReplay(file: unknown, given: ReplayOptions) {
  const path = checkName(file, 'file', 'the path of a pcap or pcapng file')
  if (given === undefined) throw optionError('options', 'an object with at least "interface"', given)
  const options = checkGroup(given, 'options', [
    'interface',
    'speed',
    'loop',
    'maxGap',
    'filter',
    'signal',
    'onProgress',
    'netns',
    'maxWait',
    'bypassQueue',
  ])
  const { speed = 1, loop = 1, maxGap, filter, onProgress } = options
  if (speed !== 'fastest' && !(typeof speed === 'number' && speed > 0 && speed <= maxSpeed)) {
    throw optionError('speed', `a number above 0 and at most ${maxSpeed}, or 'fastest'`, speed)
  }
  checkFilter(filter, 'filter')
  checkCallback(onProgress, 'onProgress')
  const endless = loop === Number.POSITIVE_INFINITY
  if (!endless && !(Number.isSafeInteger(loop) && loop >= 1)) {
    throw optionError('loop', 'a whole number from 1, or Infinity', loop)
  }
  return {
    signal: checkSignal(options.signal, 'signal'),
    onProgress,
    settings: {
      ...normaliseInjector(options),
      file: path,
      interface: checkInterfaceName(options.interface, 'interface'),
      speed: speed === 'fastest' ? Number.POSITIVE_INFINITY : speed,
      passes: endless ? 0 : loop,
      maxGap: maxGap === undefined ? undefined : checkInteger(maxGap, 'maxGap', 0, 86_400_000, 'milliseconds'),
      filter,
    },
  }
}
