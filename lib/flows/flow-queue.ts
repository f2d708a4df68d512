import type { Flow } from './flow.js'

/** Flows that wait to be taken, first in, first out, at a constant cost however many they are. @internal */
export class FlowQueue {
  #flows: (Flow | undefined)[] = []
  /** Where the first one is. */
  #head = 0

  get length(): number {
    return this.#flows.length - this.#head
  }

  push(flow: Flow): void {
    this.#flows.push(flow)
  }

  shift(): Flow | undefined {
    const flow = this.#flows[this.#head]
    if (flow === undefined) return undefined
    this.#flows[this.#head++] = undefined
    if (2 * this.#head > this.#flows.length) {
      // Half of them at least has been shifted since the last time.
      this.#flows = this.#head > 64 || this.length === 0 ? this.#rest() : this.#flows
    }
    return flow
  }

  takeAll(): Flow[] {
    const flows = this.#rest() as Flow[]
    this.#flows = []
    return flows
  }

  #rest(): (Flow | undefined)[] {
    const rest = this.#flows.slice(this.#head)
    this.#head = 0
    return rest
  }
}
