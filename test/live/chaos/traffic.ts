import { type ChildProcess, execFile } from 'node:child_process'
import { type FrameOptions, sendSync } from '../support/send.js'
import { commandIn, tool } from '../support/tools.js'
import type { Random } from './random.js'

/** One run of `send`: frames `start` to `start + count - 1`. */
export interface Sending {
  readonly start: number
  readonly count: number
  readonly frame: FrameOptions
}

/** Sends frames whose numbers are unique in the test. The processes may fail when interfaces are removed. */
export class Traffic {
  readonly #sendings: Sending[] = []
  readonly #running = new Map<ChildProcess, Promise<void>>()
  #next = 0

  constructor(private readonly random: Random) {}

  #sending(count: number): Sending {
    const { random } = this
    const frame = { size: random.pick([64, 300, 1300]), port: random.pick([7, 8, 9]), flows: random.between(1, 16) }
    const sending = { start: this.#next, count, frame }
    this.#next += count
    this.#sendings.push(sending)
    return sending
  }

  /** Starts sending in the background. */
  start(interfaces: readonly string[], namespace?: number): void {
    const { start, count, frame } = this.#sending(this.random.between(100, 4000))
    const rate = this.random.pick([2000, 10_000, 0])
    // Taps have already seen a frame that a veth refuses (veth_xmit(), drivers/net/veth.c), so refused frames must not
    // be sent again: no retries, and no bursts, because sendmmsg(2) reports an error only on the next call.
    const args = ['--interface', interfaces.join(','), '--rate', String(rate), '--burst', '1']
    for (const [name, value] of Object.entries({ start, count, ...frame })) args.push(`--${name}`, String(value))
    const [command, rest] = commandIn(namespace, tool('send'), args)
    const child = execFile(command, rest)
    this.#running.set(
      child,
      new Promise((resolve) => {
        child.on('error', () => resolve())
        child.on('close', () => {
          this.#running.delete(child)
          resolve()
        })
      }),
    )
  }

  /** Sends on an interface that does not change meanwhile: every frame is accepted. Blocks the JavaScript thread. */
  exactly(name: string, count: number): Sending {
    const sending = this.#sending(count)
    sendSync({ interface: name, count, start: sending.start, rate: 20_000, ...sending.frame, mayDrop: true })
    return sending
  }

  get busy(): boolean {
    return this.#running.size > 3
  }

  async finish(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  /** The options of the frame with this number. */
  frameOf(number: number): FrameOptions | undefined {
    let [low, high] = [0, this.#sendings.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#sendings[middle] as Sending).start <= number) low = middle
      else high = middle - 1
    }
    const found = this.#sendings[low]
    return found && number < found.start + found.count ? found.frame : undefined
  }
}
