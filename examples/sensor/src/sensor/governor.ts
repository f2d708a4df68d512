/**
 * Keeps the sensor within its limits by capturing less: first fewer bytes of each packet, then fewer flows. One step at a
 * time, each a state that is logged and counted; back again when the load has fallen.
 */
import type { States } from './states.js'

/** What is measured, at each look. */
export interface Load {
  /** Packets captured, and compressed bytes of batches, since the start. */
  readonly packets: number
  readonly bytes: number
  /** Bytes of memory in use. */
  readonly memory: number
}

export interface GovernorOptions {
  /** Per second; 0: no limit. */
  readonly packets: number
  readonly bytes: number
  /** Bytes of memory at most. */
  readonly memory: number
  /** Bytes of a packet that are captured without a limit in force. */
  readonly snapshotLength: number
  readonly states: States
  setSnapshotLength(bytes: number): Promise<void>
  /** One of so many flows; 1: all. */
  sampleFlows(flows: number): Promise<void>
  onError(error: Error): void
}

/** Bytes of each packet in the first step: the headers, and a little of what follows. */
const headerBytes = 128

/** Flows of which one is captured, from the second step on. */
const flowSteps = [2, 4, 8, 16, 32, 64] as const

/** Looks over a limit before a step down, and looks well below it before a step back. */
const patience = 2
const recovery = 10

export class Governor {
  readonly #options: GovernorOptions
  /** 0: everything; 1: the headers; from 2 on also `flowSteps`. */
  #step = 0
  #over = 0
  #below = 0
  #last: { load: Load; at: number } | undefined
  #changing = false

  constructor(options: GovernorOptions) {
    this.#options = options
  }

  get step(): number {
    return this.#step
  }

  /** To be called about once a second; resolves once a step that is due has been taken. */
  async look(load: Load, now = performance.now()): Promise<void> {
    const last = this.#last
    this.#last = { load, at: now }
    if (!last || this.#changing || now <= last.at) return
    const seconds = (now - last.at) / 1000
    const use = this.#use(load, last.load, seconds)
    this.#over = use > 1 ? this.#over + 1 : 0
    // A step back may double the load.
    this.#below = use < 0.45 ? this.#below + 1 : 0
    if (this.#over >= patience && this.#step <= flowSteps.length) await this.#go(this.#step + 1)
    else if (this.#below >= recovery && this.#step > 0) await this.#go(this.#step - 1)
  }

  /** The greatest share of a limit that is used; above 1, it is exceeded. */
  #use(load: Load, last: Load, seconds: number): number {
    const { packets, bytes, memory } = this.#options
    const share = (amount: number, limit: number) => (limit > 0 ? amount / seconds / limit : 0)
    return Math.max(
      share(load.packets - last.packets, packets),
      share(load.bytes - last.bytes, bytes),
      // Memory is given back late: half of it in use is as good as little.
      load.memory > memory * 0.9 ? 1.1 : load.memory > memory * 0.75 ? 0.5 : 0,
    )
  }

  async #go(step: number): Promise<void> {
    const { snapshotLength, states, setSnapshotLength, sampleFlows, onError } = this.#options
    this.#changing = true
    this.#over = 0
    this.#below = 0
    try {
      const bytes = step > 0 ? Math.min(headerBytes, snapshotLength) : snapshotLength
      const flows = flowSteps[step - 2] ?? 1
      if (step > 0 !== this.#step > 0) await setSnapshotLength(bytes)
      await sampleFlows(flows)
      this.#step = step
      if (step > 0) states.enter('snapshot-length', `${bytes} bytes of each packet`)
      else states.leave('snapshot-length')
      if (flows > 1) states.enter('sampling', `1 of ${flows} flows`)
      else states.leave('sampling')
    } catch (error) {
      onError(error as Error)
    } finally {
      this.#changing = false
    }
  }
}
