// The processes at the ends of flows, followed from when they are first asked for.
import { type Flow, type PacketOwners, SocketOwners } from '../index.js'

export class Processes {
  readonly #netns: string | undefined
  #owners: SocketOwners | undefined
  #opening: Promise<void> | undefined
  /** Milliseconds since 1970. */
  #since = 0
  #closed = false

  constructor(netns: string | undefined) {
    this.#netns = netns
  }

  /** Whether they are followed. */
  get open(): boolean {
    return this.#owners !== undefined
  }

  /**
   * Begins to follow them; later calls wait for the first. Returns what cannot be found out, in words, or `undefined`.
   *
   * @throws CaptureError (the promise rejects) as {@link SocketOwners.open}.
   */
  async begin(): Promise<string | undefined> {
    this.#opening ??= this.#open()
    await this.#opening
    const lacking = this.#owners?.missing.filter(({ capability }) => capability !== undefined) ?? []
    if (lacking.length === 0) return undefined
    return `not every process is shown: ${lacking.map(({ reason, capability }) => `${reason} (${capability})`).join('; ')}`
  }

  async #open(): Promise<void> {
    const owners = await SocketOwners.open({ netns: this.#netns })
    if (this.#closed) await owners.close()
    else {
      this.#owners = owners
      this.#since = Date.now()
    }
  }

  /** Reads sockets and processes, so that everything is known of the packets so far. */
  async update(): Promise<void> {
    // It can be closed meanwhile.
    await this.#owners?.update().catch(() => undefined)
  }

  /** `undefined` while they are not followed. */
  of(flow: Flow): PacketOwners | undefined {
    // Nothing is known of the time before: a flow that had begun by then is looked up by its last packet.
    const at = flow.first < this.#since ? BigInt(Math.floor(flow.last * 1000)) * 1000n : undefined
    return this.#owners?.ownersOf(flow, at)
  }

  async close(): Promise<void> {
    this.#closed = true
    const owners = this.#owners
    this.#owners = undefined
    await owners?.close()
  }
}
