import { Capture, type CaptureInterfaceEvent } from 'ringtap'
import { reading, type Seen } from './collect.js'
import { waitUntil } from './wait.js'

/** A capture that is read continuously, with its packets and events. */
export class Running implements AsyncDisposable {
  readonly packets: Seen[]
  readonly events: CaptureInterfaceEvent[] = []
  readonly capture: Capture
  readonly #reading: Promise<void>

  private constructor(capture: Capture) {
    this.capture = capture
    capture.on('interface', (event) => this.events.push(event))
    const { packets, done } = reading(capture)
    this.packets = packets
    this.#reading = done
  }

  static async open(options: Parameters<typeof Capture.open>[0]): Promise<Running> {
    return new Running(await Capture.open(options))
  }

  /** The events so far, as `type name selected`. */
  get emitted(): string[] {
    return this.events.map((event) => `${event.type} ${event.interface.name}${event.selected ? ' selected' : ''}`)
  }

  /** Waits for an event, as in {@link emitted}. */
  async event(text: string): Promise<void> {
    await waitUntil(
      () => this.emitted.includes(text),
      `the event "${text}"`,
      20_000,
      () => this.emitted,
    )
  }

  get names(): string[] {
    return this.capture.interfaces.map(({ name }) => name)
  }

  /** Stops the capture and returns all packets. */
  async stop(): Promise<Seen[]> {
    await this.capture.stop()
    await this.#reading
    return this.packets
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.capture.close()
  }
}

/** The sequence numbers of the packets of one interface. */
export const numbersOn = (packets: readonly Seen[], name: string) =>
  packets.filter((packet) => packet.interface === name).map(({ number }) => number)
