import { type FlowSlots, Key, slotWords, Tcp } from './flow-slots.js'

const buckets = 512
const none = -1

/**
 * When flows are looked at again: a timer wheel. Each bucket is a list of slots, linked in both directions through their
 * keys. A packet does not move its flow: that happens when the bucket is due, and the flow turns out to have been active
 * meanwhile.
 *
 * @internal
 */
export class FlowTimers {
  readonly #slots: FlowSlots
  /** Milliseconds per bucket. */
  readonly #tick: number
  readonly #heads = new Int32Array(buckets).fill(none)
  /** The bucket of the present time, counted from 1970. */
  #now = Number.NEGATIVE_INFINITY
  /** The time from which on {@link advance} has something to do. */
  next = Number.NEGATIVE_INFINITY

  /** @param span the longest time for which a slot is set, in milliseconds. */
  constructor(slots: FlowSlots, span: number) {
    this.#slots = slots
    this.#tick = Math.max(span / (buckets - 2), 0.001)
  }

  /**
   * Advances to `time`, and takes out the slots that are due.
   *
   * @param due decides on a slot: ends it, or sets it again.
   */
  advance(time: number, due: (slot: number) => void): void {
    const target = Math.floor(time / this.#tick)
    if (target <= this.#now) return
    const from = Math.max(this.#now + 1, target - buckets + 1)
    const first = this.#now === Number.NEGATIVE_INFINITY ? target : from
    this.#now = target
    this.next = (target + 1) * this.#tick
    for (let bucket = first; bucket <= target; bucket++) {
      const at = bucket % buckets
      let slot = this.#heads[at] as number
      this.#heads[at] = none
      while (slot !== none) {
        const next = this.#slots.words[slot * slotWords + Key.NEXT] as number
        due(slot)
        slot = next
      }
    }
  }

  /** Sets a slot, which is in no bucket, for a time; not before the next bucket, and at most the span ahead. */
  set(slot: number, time: number): void {
    const wanted = Math.floor(time / this.#tick) + 1
    const bucket = Math.min(Math.max(wanted, this.#now + 1), this.#now + buckets - 1)
    const at = bucket % buckets
    const head = this.#heads[at] as number
    const { words } = this.#slots
    words[slot * slotWords + Key.PREVIOUS] = none
    words[slot * slotWords + Key.NEXT] = head
    words[slot * slotWords + Tcp.BUCKET] = at
    if (head !== none) words[head * slotWords + Key.PREVIOUS] = slot
    this.#heads[at] = slot
  }

  /** Takes a slot out of its bucket. */
  clear(slot: number): void {
    const { words } = this.#slots
    const previous = words[slot * slotWords + Key.PREVIOUS] as number
    const next = words[slot * slotWords + Key.NEXT] as number
    if (previous === none) this.#heads[words[slot * slotWords + Tcp.BUCKET] as number] = next
    else words[previous * slotWords + Key.NEXT] = next
    if (next !== none) words[next * slotWords + Key.PREVIOUS] = previous
  }

  /** A slot that would be due first; -1 if none is set. */
  first(): number {
    for (let i = 1; i <= buckets; i++) {
      const slot = this.#heads[(this.#now + i) % buckets] as number
      if (slot !== none) return slot
    }
    return none
  }
}
