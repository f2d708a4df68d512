import { execFile, spawnSync } from 'node:child_process'
import { drainBacklog } from './backlog.js'
import type { FrameOptions } from './frame.js'
import { assertInside } from './namespace.js'
import { commandIn, tool } from './tools.js'

export { expectedFrame, type FrameOptions, labelOf, sequenceOf } from './frame.js'

/** A run of the program `send`; its usage says more. */
export interface SendOptions extends FrameOptions {
  /** Where to: one name, or several, served round robin. */
  interface: string | readonly string[]
  /** How many frames. */
  count: number
  /** Number of the first frame. Default 0. */
  start?: number
  /** Frames a second, evenly paced; 0: as fast as it goes. Default 0. */
  rate?: number
  /** Most frames in one system call. Default 64. */
  burst?: number
  /** Faster, and taps on the sending interface do not see the frames. Default false. */
  bypass?: boolean
  /**
   * Do not send, but let the one interface receive the frames: several times faster. Needs root outside any user
   * namespace ({@link canInject}); at most 3300 bytes a frame. Default false.
   */
  inject?: boolean
  /** Repeat refused frames until they are sent. Default true. */
  keepGoing?: boolean
  /** Accept that the sending device dropped frames after it had taken them. Default false: an error. */
  mayDrop?: boolean
  /** Send each frame once, and accept that the kernel refuses some: `refused` then tells. Default false. */
  mayRefuse?: boolean
  /** pid of a process in the network namespace to send in. Default: this one's. */
  namespace?: number | undefined
}

/** What was done. */
export interface Sent {
  /** Frames that the kernel took. */
  sent: number
  seconds: number
  packetsPerSecond: number
  /** How often the kernel refused one. */
  refused: number
  /** Frames that the sending devices took and dropped (a veth: the backlog of the receiving CPU was full). */
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

/** Whether `inject` works here; asks the kernel for one frame on loopback. */
export function canInject(): boolean {
  const [command, args] = commandLine({ interface: 'lo', count: 1, inject: true })
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

/**
 * Sends numbered frames ({@link expectedFrame}) from a process of its own.
 *
 * @returns when the kernel has taken all of them, and they are at the other end of a veth; a program that receives them
 * may still have to wait a moment
 * @throws Error unless every frame was sent, and none dropped on its way (see `mayDrop`)
 */
export function send(options: SendOptions): Promise<Sent> {
  const [command, args] = commandLine(options)
  return new Promise((resolve, reject) => {
    execFile(command, args, (error, stdout, stderr) => {
      try {
        resolve(outcome(options, error ? (error.code ?? error.signal ?? 1) : 0, stdout, stderr))
      } catch (failure) {
        reject(failure)
      }
    })
  })
}

/** As {@link send}, while JavaScript stands still. */
export function sendSync(options: SendOptions): Sent {
  const [command, args] = commandLine(options)
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  return outcome(options, status ?? signal, stdout, error?.message ?? stderr)
}
