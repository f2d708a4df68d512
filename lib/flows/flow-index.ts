import { allocateWords } from './flow-slots.js'

/**
 * Finds slots by hash: open addressing with linear probing, at most half full. A place is a pair of words, the hash and
 * the slot + 1 (0: empty), so that most misses end without a look at the slot.
 *
 * @internal
 */
export class FlowIndex {
  /** The pairs. */
  places: Int32Array
  /** Number of places - 1. */
  mask: number
  #count = 0
  /** Memory for more was refused. */
  #isLargest = false

  constructor() {
    this.mask = 2047
    this.places = new Int32Array(2 * (this.mask + 1))
  }

  /** Makes room for one more. False: there is no memory for it. */
  reserve(): boolean {
    return 2 * (this.#count + 1) <= this.mask || this.#grow()
  }

  /** Inserts a slot; {@link reserve} comes before. */
  insert(hash: number, slot: number): void {
    this.#count++
    this.#put(hash, slot + 1)
  }

  /** Removes a slot that is in the index. The places behind it move up, so that no search ends too early. */
  remove(hash: number, slot: number): void {
    const { places, mask } = this
    let at = hash & mask
    while (places[2 * at + 1] !== slot + 1) at = (at + 1) & mask
    this.#count--
    let gap = at
    for (;;) {
      at = (at + 1) & mask
      if (places[2 * at + 1] === 0) break
      const home = (places[2 * at] as number) & mask
      // It may stay if its home is cyclically behind the gap.
      if (((at - home) & mask) < ((at - gap) & mask)) continue
      places[2 * gap] = places[2 * at] as number
      places[2 * gap + 1] = places[2 * at + 1] as number
      gap = at
    }
    places[2 * gap + 1] = 0
  }

  #put(hash: number, entry: number): void {
    const { places, mask } = this
    let at = hash & mask
    while (places[2 * at + 1] !== 0) at = (at + 1) & mask
    places[2 * at] = hash
    places[2 * at + 1] = entry
  }

  #grow(): boolean {
    if (this.#isLargest) return false
    const old = this.places
    const places = allocateWords(2 * old.length)
    if (!places) {
      this.#isLargest = true
      return false
    }
    this.mask = 2 * this.mask + 1
    this.places = places
    for (let at = 0; at < old.length; at += 2) {
      const entry = old[at + 1] as number
      if (entry !== 0) this.#put(old[at] as number, entry)
    }
    return true
  }
}
