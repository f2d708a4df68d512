import { type FlowSlots, Rare, slotWords } from './flow-slots.js'

const buckets = 512
const none = -1
/** The most slots that are looked at for one packet: what is left then is looked at for the next ones. */
const maxLooks = 16_384

/**
 * When flows are looked at again: a timer wheel. Each bucket is a list of slots, linked in both directions through their
 * slots. A packet does not move its flow: that happens when the bucket is due, and the flow turns out to have been active
 * meanwhile.
 *
 * @internal
 */
export class FlowTimers {
  readonly #slots: FlowSlots
  /** Milliseconds per bucket. */
  readonly #tick: number
  readonly #heads = new Int32Array(buckets).fill(none)
  /** The bucket that was looked at last, counted from 1970. */
  #now = Number.NEGATIVE_INFINITY
  /** Whether slots are left in it, or in later ones that are due. */
  isPartial = false
  /** No slot is in a bucket between the present one and this one. */
  #first = Number.NEGATIVE_INFINITY
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
    if (this.#now === Number.NEGATIVE_INFINITY) this.turnBack(time)
    let looks = 0
    const from = Math.max(this.isPartial ? this.#now : this.#now + 1, target - buckets + 1)
    for (let bucket = from; bucket <= target; bucket++) {
      this.#now = bucket
      // The lowest bits are the same for numbers above 2^31.
      const at = bucket & (buckets - 1)
      for (let slot = this.#heads[at] as number; slot !== none; slot = this.#heads[at] as number) {
        this.isPartial = ++looks > maxLooks
        if (this.isPartial) return
        this.clear(slot)
        due(slot)
      }
    }
    this.isPartial = false
    this.next = (target + 1) * this.#tick
  }

  /** The time is an earlier one now. Slots stay in their buckets: each comes to be due within a turn of the wheel. */
  turnBack(time: number): void {
    this.#now = Math.floor(time / this.#tick)
    this.isPartial = false
    this.#first = this.#now
    this.next = (this.#now + 1) * this.#tick
  }

  /** Sets a slot, which is in no bucket, for a time; not before the next bucket, and at most the span ahead. */
  set(slot: number, time: number): void {
    this.#put(slot, this.#bucketOf(time))
  }

  #bucketOf(time: number): number {
    const wanted = Math.floor(time / this.#tick) + 1
    return Math.min(Math.max(wanted, this.#now + 1), this.#now + buckets - 1)
  }

  #put(slot: number, bucket: number): void {
    const at = bucket & (buckets - 1)
    const head = this.#heads[at] as number
    const { rareWords } = this.#slots
    rareWords[slot * slotWords + Rare.PREVIOUS] = none
    rareWords[slot * slotWords + Rare.NEXT] = head
    rareWords[slot * slotWords + Rare.BUCKET] = at
    if (head !== none) rareWords[head * slotWords + Rare.PREVIOUS] = slot
    this.#heads[at] = slot
    if (bucket < this.#first) this.#first = bucket
  }

  /** Takes a slot out of its bucket. */
  clear(slot: number): void {
    const { rareWords } = this.#slots
    const previous = rareWords[slot * slotWords + Rare.PREVIOUS] as number
    const next = rareWords[slot * slotWords + Rare.NEXT] as number
    if (previous === none) this.#heads[rareWords[slot * slotWords + Rare.BUCKET] as number] = next
    else rareWords[previous * slotWords + Rare.NEXT] = next
    if (next !== none) rareWords[next * slotWords + Rare.PREVIOUS] = previous
  }

  /** A slot that would be due first; -1 if none is set. */
  first(): number {
    let bucket = Math.max(this.#first, this.isPartial ? this.#now : this.#now + 1)
    for (let i = 0; i < buckets; i++, bucket++) {
      const slot = this.#heads[bucket & (buckets - 1)] as number
      if (slot === none) continue
      this.#first = bucket
      return slot
    }
    return none
  }

  /** Sets a slot that {@link first} has returned for a later time. False: it is not later, and the slot stays. */
  defer(slot: number, time: number): boolean {
    const bucket = this.#bucketOf(time)
    if (bucket <= this.#first) return false
    this.clear(slot)
    this.#put(slot, bucket)
    return true
  }
}
