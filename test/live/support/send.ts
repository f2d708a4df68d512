import { execFile, spawnSync } from 'node:child_process'
import { witnessEnvironment } from '../../helpers/child-environment.js'
import { drainBacklog } from './backlog.js'
import type { FrameOptions } from './frame.js'
import { assertInside } from './namespace.js'
import { commandIn, tool } from './tools.js'

export { expectedFrame, type FrameOptions, labelOf, sequenceOf } from './frame.js'

/** Options of one run of the program `send`; see its usage text. */
export interface SendOptions extends FrameOptions {
  /** The interface to send on; several are used round robin. */
  interface: string | readonly string[]
  /** Number of frames. */
  count: number
  /** Number of the first frame. Default 0. */
  start?: number
  /** Frames per second, evenly paced; 0: as fast as possible. Default 0. */
  rate?: number
  /** Maximum number of frames per system call. Default 64. */
  burst?: number
  /** Bypass the queueing discipline: faster, but taps on the sending interface do not see the frames. Default false. */
  bypass?: boolean
  /**
   * Do not send, but have the one interface receive the frames: several times faster. Needs root outside any user
   * namespace ({@link canInject}); at most 3300 bytes per frame. Default false.
   */
  inject?: boolean
  /** Run on this processor only: with `inject`, the interface receives there too. Default: where the kernel puts it. */
  cpu?: number
  /** Retry refused frames until they are sent. Default true. */
  keepGoing?: boolean
  /** Allow the sending device to drop frames it has accepted. Default false: dropped frames are an error. */
  mayDrop?: boolean
  /** Send each frame once and allow the kernel to refuse some, counted in `refused`. Default false. */
  mayRefuse?: boolean
  /** pid of a process in the network namespace to send in. Default: this process's own namespace. */
  namespace?: number | undefined
}

/** Result of a run. */
export interface Sent {
  /** Frames accepted by the kernel. */
  sent: number
  seconds: number
  packetsPerSecond: number
  /** Number of times the kernel refused a frame. */
  refused: number
  /** Frames that the sending devices accepted and dropped (veth: the backlog of the receiving CPU was full). */
  dropped: number
}

function commandLine(options: SendOptions): [string, string[]] {
  assertInside()
  const { interface: interfaces, namespace, mayRefuse = false, keepGoing = !mayRefuse, mayDrop: _, ...rest } = options
  const args = ['--interface', [interfaces].flat().join(',')]
  if (keepGoing) args.push('--keep-going')
  for (const [name, value] of Object.entries(rest)) {
    if (value === true) args.push(`--${name}`)
    else if (value !== undefined && value !== false) args.push(`--${name}`, String(value))
  }
  return commandIn(namespace, tool('send'), args)
}

function outcome(options: SendOptions, status: number | string | null, stdout: string, stderr: string): Sent {
  const failed = () => new Error(`send failed (${status}): ${stderr.trim() || stdout.trim()}`)
  if (status !== 0 && !(options.mayRefuse && status === 1 && stdout !== '')) throw failed()
  const sent = JSON.parse(stdout) as Sent
  if (options.mayRefuse && sent.sent + sent.refused !== options.count) throw failed()
  if (sent.dropped > 0 && !options.mayDrop) {
    throw new Error(`${sent.dropped} of ${sent.sent} frames were dropped by the sending device and reached nobody`)
  }
  drainBacklog()
  return sent
}

/** Whether `inject` works here; tries one frame on loopback. */
export function canInject(): boolean {
  const [command, args] = commandLine({ interface: 'lo', count: 1, inject: true })
  return spawnSync(command, args, { stdio: 'ignore', env: witnessEnvironment() }).status === 0
}

/**
 * Sends numbered frames ({@link expectedFrame}) from a separate process.
 *
 * @returns when the kernel has accepted all frames and they have arrived at the other end of a veth; a program that
 * receives them may need a moment longer to read them
 * @throws Error unless every frame was sent and none dropped (see `mayDrop`)
 */
export function send(options: SendOptions): Promise<Sent> {
  const [command, args] = commandLine(options)
  return new Promise((resolve, reject) => {
    execFile(command, args, { env: witnessEnvironment() }, (error, stdout, stderr) => {
      try {
        resolve(outcome(options, error ? (error.code ?? error.signal ?? 1) : 0, stdout, stderr))
      } catch (failure) {
        reject(failure)
      }
    })
  })
}

/** Like {@link send}, but blocks the JavaScript thread. */
export function sendSync(options: SendOptions): Sent {
  const [command, args] = commandLine(options)
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: witnessEnvironment(),
  })
  return outcome(options, status ?? signal, stdout, error?.message ?? stderr)
}
