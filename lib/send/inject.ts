import {
  checkBoolean,
  checkGroup,
  checkInteger,
  checkName,
  checkNetns,
  checkSignal,
  throwIfAborted,
} from '../arguments.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { Packet } from '../packets/packet.js'
import { explainOpening } from '../permission.js'
import { checkFrames, eachFrame, FramePacker } from './frame-packer.js'
import { type InjectorHandle, native } from './native.js'
import { SendLedger, type SendResult } from './send-result.js'

/**
 * Frames to send: one, or an iterable of them (an array, a generator, a {@link Chunk}).
 *
 * A Uint8Array (a Buffer is one) is sent unchanged, from the link-layer header on, or without one on a device that has
 * none (tun). It may contain a VLAN tag. A {@link Packet} is sent as it was on the wire: a VLAN tag that the kernel
 * took out is put back, a TCP or UDP checksum that it left to the device is filled in, and a TCP super-frame is divided
 * into segments of the interface's MTU (by the kernel, or by the device if it can).
 */
export type Frames = Uint8Array | Packet | Iterable<Uint8Array | Packet>

/** Options of {@link Injector.open}. */
export interface InjectorOptions {
  /**
   * Path of the network namespace of the interface, such as `/run/netns/blue`; needs CAP_SYS_ADMIN. Default: the one of
   * this process.
   */
  netns?: string | undefined
  /**
   * Milliseconds that frames may wait for room in the send buffer or in the queue of the interface, since the last one
   * was sent. After that each frame is tried once and refused as `no-room`, until one is sent again. 0 to 3600000,
   * default 1000.
   */
  maxWait?: number | undefined
  /**
   * Send past the queueing discipline of the interface, directly to the device (PACKET_QDISC_BYPASS): faster, but taps
   * on the interface (tcpdump, a Capture on it) do not see the frames, and traffic shaping does not apply. Default
   * false.
   */
  bypassQueue?: boolean | undefined
}

/** Options of {@link Injector.send}. */
export interface SendOptions {
  /** Aborting it ends the sending immediately: the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** Options of {@link inject}. */
export interface InjectOptions extends InjectorOptions, SendOptions {}

const injectorKeys = ['netns', 'maxWait', 'bypassQueue'] as const

/**
 * Sends frames on one interface, any number of times, through one socket that receives nothing.
 *
 * ```ts
 * await using injector = await Injector.open('eth1')
 * for await (const chunk of capture) await injector.send(chunk)
 * ```
 *
 * It is bound to the device that had the name when it was opened, also after a rename. Once the device is removed,
 * every frame is refused as `interface-gone`. An open injector does not keep the process running; a send in progress
 * does.
 */
export class Injector implements AsyncDisposable {
  /** The interface, as it was when the injector was opened. */
  readonly interface: NetworkInterface
  readonly #handle: InjectorHandle
  readonly #packer = new FramePacker()
  readonly #total = new SendLedger()
  /** Number of frames of completed sends. */
  #before = 0
  /** Settles when the latest send is complete; sends run one after another. */
  #turn: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  /**
   * Opens an injector.
   *
   * @param interfaceName The name of the interface, or one of its alternative names.
   * @throws CaptureError (the promise rejects) `ERR_OPTION`, `ERR_NO_INTERFACE`, `ERR_PERMISSION` (the message names
   *   the missing capability, usually CAP_NET_RAW, and how to grant it), `ERR_NATIVE_UNAVAILABLE`, `ERR_SYSTEM`.
   */
  static async open(interfaceName: string, options?: InjectorOptions): Promise<Injector> {
    const { netns, maxWait, bypassQueue } = normaliseInjector(checkGroup(options, 'options', injectorKeys))
    checkInterfaceName(interfaceName, 'interfaceName')
    try {
      const opened = await native().openInjector(interfaceName, netns, maxWait, bypassQueue)
      return new Injector(construction, opened.handle, opened.interface)
    } catch (error) {
      throw explainOpening(error, 'sending')
    }
  }

  private constructor(by: typeof construction, handle: InjectorHandle, iface: NetworkInterface) {
    if (by !== construction) throw notConstructible('Injector', 'use Injector.open()')
    this.#handle = handle
    this.interface = iface
  }

  /**
   * Sends frames in their order, many with one system call, off the event loop. Several calls are executed one after
   * another.
   *
   * The frames are copied in parts, at most 256 KiB (or one longer frame) at a time, while the sending is in progress:
   * do not change them until it is done.
   *
   * @returns What became of them, once each was sent or refused. Refusals do not reject.
   * @throws CaptureError (the promise rejects) `ERR_OPTION`: something is not a frame; frames before it from an
   *   iterable (other than an array) may have been sent. `ERR_CLOSED`: closed before all of them were sent.
   *   `ERR_RELEASED`: a packet whose chunk is released. What the iterable throws, and the reason of an aborted signal,
   *   are thrown as they are. {@link stats} reports what was sent until then.
   */
  async send(frames: Frames, options?: SendOptions): Promise<SendResult> {
    const { signal } = checkGroup(options, 'options', ['signal'])
    checkSignal(signal, 'signal')
    const list = checkFrames(frames)
    throwIfAborted(signal)
    const done = this.#turn.then(() => this.#send(list, signal))
    this.#turn = done.catch(() => {})
    return done
  }

  /** What became of all frames since the injector was opened. Positions count all of them together. */
  stats(): SendResult {
    return this.#total.result()
  }

  /**
   * Ends a send in progress, and closes the socket. Resolves when that is done (the kernel takes some 10 ms). Legal in
   * any state, any number of times.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    native().injectorInterrupt(this.#handle)
    await this.#turn
    await native().injectorClose(this.#handle)
  }

  async #send(frames: Iterable<unknown>, signal: AbortSignal | undefined): Promise<SendResult> {
    const packer = this.#packer
    const ledger = new SendLedger()
    let position = 0
    const check = () => {
      throwIfAborted(signal)
      if (this.#closing) throw new CaptureError('ERR_CLOSED', 'the injector is closed')
    }
    const flush = async () => {
      check()
      const { count } = packer
      if (count === 0) return
      const part = await native().injectorSend(this.#handle, packer.bytes, packer.layout, count, position)
      packer.clear()
      ledger.add(part)
      this.#total.add(part, this.#before)
      position += part.done
      if (part.done < count) check()
    }
    const abort = () => native().injectorInterrupt(this.#handle)
    packer.clear()
    check()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      for (const frame of eachFrame(frames)) {
        if (packer.add(frame)) continue
        await flush()
        packer.add(frame)
      }
      await flush()
      return ledger.result()
    } finally {
      this.#before += position
      signal?.removeEventListener('abort', abort)
    }
  }
}

/**
 * Sends frames on an interface: opens an {@link Injector}, sends, and closes it. To send more than once, open one: the
 * kernel takes some 10 ms to close a packet socket.
 *
 * ```ts
 * const { sent, refusals } = await inject('eth1', frames)
 * ```
 *
 * @param interfaceName The name of the interface, or one of its alternative names.
 * @returns What became of the frames, as of {@link Injector.send}.
 * @throws CaptureError (the promise rejects) as {@link Injector.open} and {@link Injector.send} do.
 */
export async function inject(interfaceName: string, frames: Frames, options?: InjectOptions): Promise<SendResult> {
  const { signal, ...opening } = checkGroup(options, 'options', [...injectorKeys, 'signal'])
  checkSignal(signal, 'signal')
  normaliseInjector(opening)
  checkInterfaceName(interfaceName, 'interfaceName')
  checkFrames(frames)
  throwIfAborted(signal)
  const injector = await Injector.open(interfaceName, opening)
  try {
    return await injector.send(frames, { signal })
  } finally {
    await injector.close()
  }
}

/** @internal */
export function normaliseInjector(options: InjectorOptions) {
  const { maxWait = 1000, bypassQueue = false } = options
  return {
    netns: checkNetns(options.netns, 'netns'),
    maxWait: checkInteger(maxWait, 'maxWait', 0, 3_600_000, 'milliseconds'),
    bypassQueue: checkBoolean(bypassQueue, 'bypassQueue'),
  }
}

/** Checks the name of an interface. @internal */
export function checkInterfaceName(value: unknown, label: string): string {
  return checkName(value, label, 'the name of an interface')
}
