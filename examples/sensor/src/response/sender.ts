/** Sends resets on the interfaces where their connections were seen, at most so many per second. */
import { Injector } from 'ringtap'
import { Rate } from './rate.js'

export interface PendingReset {
  /** The cut that it belongs to. */
  readonly id: string
  readonly interface: { readonly index: number; readonly name: string }
  readonly frame: Uint8Array
  /** For the log: to whom, and the sequence number. */
  readonly text: string
}

export interface SenderEvents {
  sent(reset: PendingReset): void
  failed(reset: PendingReset, reason: string): void
}

export class ResetSender {
  readonly #rate: Rate
  readonly #events: SenderEvents
  /** The latest reset for each end, cut and interface: an earlier one would be out of sequence. */
  readonly #pending = new Map<string, PendingReset>()
  readonly #injectors = new Map<number, Promise<Injector>>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(resetsPerSecond: number, events: SenderEvents) {
    this.#rate = new Rate(resetsPerSecond)
    this.#events = events
  }

  /** Keeps a reset until {@link flush}, in place of the one that has the same key. */
  add(key: string, reset: PendingReset): void {
    this.#pending.delete(key)
    this.#pending.set(key, reset)
  }

  /** Sends what the rate allows; the rest follows by itself. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const [key, reset] of this.#pending) {
      if (this.#closed) return
      if (!this.#rate.take()) {
        this.#timer = setTimeout(() => this.flush(), this.#rate.wait).unref()
        return
      }
      this.#pending.delete(key)
      void this.#send(reset)
    }
  }

  /** Drops what waits for a cut. */
  forget(id: string): void {
    for (const [key, reset] of this.#pending) if (reset.id === id) this.#pending.delete(key)
  }

  /** Ends sending, and closes the sockets. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const opened = await Promise.allSettled(this.#injectors.values())
    await Promise.all(opened.map((result) => result.status === 'fulfilled' && result.value.close()))
  }

  async #send(reset: PendingReset): Promise<void> {
    try {
      const injector = await this.#injector(reset.interface)
      if (this.#closed) return
      const { sent, refusals } = await injector.send(reset.frame)
      if (sent === 1) return this.#events.sent(reset)
      this.#events.failed(reset, refusals[0]?.cause ?? 'refused')
      if (refusals[0]?.cause === 'interface-gone') await this.#drop(reset.interface.index)
    } catch (error) {
      if (!this.#closed) this.#events.failed(reset, (error as Error).message)
    }
  }

  #injector({ index, name }: PendingReset['interface']): Promise<Injector> {
    const open = async () => {
      const injector = await Injector.open(name, { maxWait: 100 })
      if (injector.interface.index === index) return injector
      await injector.close()
      throw new Error(`${name} is another interface by now`)
    }
    let injector = this.#injectors.get(index)
    if (!injector) {
      injector = open()
      this.#injectors.set(index, injector)
      injector.catch(() => this.#injectors.delete(index))
    }
    return injector
  }

  async #drop(index: number): Promise<void> {
    const injector = await this.#injectors.get(index)
    this.#injectors.delete(index)
    await injector?.close()
  }
}
