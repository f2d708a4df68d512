import { CaptureError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { HardwareTimestamps } from '../native/numbers.js'
import type { NativeCapture } from './native.js'

/**
 * Warns of captured interfaces that do not stamp all packets that they receive, once for each. Reading that waits for
 * the kernel's RTNL lock, so it is done on a thread, for all interfaces that have come up at once.
 *
 * @internal
 */
export class HardwareTimestampCheck {
  readonly #native: Pick<NativeCapture, 'readTimestamping'>
  readonly #closed: () => boolean
  readonly #warn: (warning: CaptureError) => void
  /** The generation of each interface that was looked at, by index. */
  readonly #seen = new Map<number, number>()
  #waiting: NetworkInterface[] = []
  #reading = false

  constructor(
    native: Pick<NativeCapture, 'readTimestamping'>,
    closed: () => boolean,
    warn: (warning: CaptureError) => void,
  ) {
    this.#native = native
    this.#closed = closed
    this.#warn = warn
  }

  /** Called for each interface that is captured; again after changes. */
  learn(iface: NetworkInterface): void {
    if (this.#seen.get(iface.index) === iface.generation) return
    this.#seen.set(iface.index, iface.generation)
    this.#waiting.push(iface)
    if (!this.#reading) void this.#read()
  }

  async #read(): Promise<void> {
    this.#reading = true
    while (this.#waiting.length > 0 && !this.#closed()) {
      const names = this.#waiting.map(({ name }) => name)
      this.#waiting = []
      try {
        const states = await this.#native.readTimestamping(names)
        if (this.#closed()) return
        for (const [i, name] of names.entries()) this.#report(name, states[i])
      } catch (error) {
        if (!this.#closed()) this.#warn(error as CaptureError)
      }
    }
    this.#reading = false
  }

  #report(name: string, state: number | undefined): void {
    const reason = reasonOf(state)
    if (!reason) return
    const text =
      `${name} ${reason}: its packets have the system clock's time, unless another device has stamped them. ` +
      'packet.timestampSource is the source of each'
    this.#warn(new CaptureError('ERR_OPTION', text, { interface: name, option: 'timestamps' }))
  }
}

function reasonOf(state: number | undefined): string | undefined {
  if (state === HardwareTimestamps.UNSUPPORTED) return 'has no hardware timestamps for received packets'
  if (state === HardwareTimestamps.OFF) {
    return 'has its hardware timestamps switched off (an administrator switches them on, with hwstamp_ctl -r 1)'
  }
  if (state === HardwareTimestamps.SOME) {
    return 'stamps only some of the received packets, such as those of PTP (hwstamp_ctl -r 1 requests all)'
  }
  return undefined
}
