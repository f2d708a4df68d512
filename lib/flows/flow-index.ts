import { allocateWords } from './flow-memory.js'

const nothing = new Int32Array(0)
/** Old places that each insertion empties: enough for all of them to be empty long before the next growth. */
const movedPlaces = 8

/**
 * Finds slots by hash: open addressing with linear probing, at most half full. A place is a pair of words, the hash and
 * the slot + 1 (0: empty), so that most misses end without a look at the slot.
 *
 * When it grows, the entries move from the old places to the new ones little by little, with the insertions that follow.
 * Until then a search that fails goes on in the old places.
 *
 * @internal
 */
export class FlowIndex {
  /** The pairs. */
  places: Int32Array = new Int32Array(4096)
  /** Number of places - 1. */
  mask = 2047
  /** The places before the last growth, as long as there are entries in them. */
  old: Int32Array = nothing
  oldMask = 0
  /** Old places before this one are empty. */
  #moving = 0
  #count = 0
  /** Memory for more was refused. */
  #isLargest = false

  /** Makes room for one more. False: there is no memory for it. */
  reserve(): boolean {
    return 2 * (this.#count + 1) <= this.mask || this.#grow()
  }

  /** Inserts a slot; {@link reserve} comes before. */
  insert(hash: number, slot: number): void {
    this.#count++
    put(this.places, this.mask, hash, slot + 1)
    if (this.old.length > 0) this.#move(movedPlaces)
  }

  /** Removes a slot that is in the index. */
  remove(hash: number, slot: number): void {
    const isNew = remove(this.places, this.mask, hash, slot + 1)
    if (!isNew) remove(this.old, this.oldMask, hash, slot + 1)
    this.#count--
  }

  /** All slots, in no particular order. */
  slots(): Int32Array {
    const slots = new Int32Array(this.#count)
    let count = 0
    for (const places of [this.places, this.old]) {
      for (let at = 1; at < places.length; at += 2) {
        const entry = places[at] as number
        if (entry !== 0) slots[count++] = entry - 1
      }
    }
    return slots
  }

  #grow(): boolean {
    if (this.#isLargest) return false
    const places = allocateWords(2 * this.places.length)
    if (!places) {
      this.#isLargest = true
      return false
    }
    if (this.old.length > 0) this.#move(this.oldMask + 1)
    this.old = this.places
    this.oldMask = this.mask
    this.#moving = 0
    this.places = places
    this.mask = 2 * this.mask + 1
    return true
  }

  /** Empties the next `count` old places. */
  #move(count: number): void {
    const { old, oldMask } = this
    const end = Math.min(this.#moving + count, oldMask + 1)
    for (let at = this.#moving; at < end; at++) {
      // What moves up takes its place.
      for (let entry = old[2 * at + 1] as number; entry !== 0; entry = old[2 * at + 1] as number) {
        const hash = old[2 * at] as number
        put(this.places, this.mask, hash, entry)
        close(old, oldMask, at)
      }
    }
    this.#moving = end
    if (end > oldMask) this.old = nothing
  }
}

function put(places: Int32Array, mask: number, hash: number, entry: number): void {
  let at = hash & mask
  while (places[2 * at + 1] !== 0) at = (at + 1) & mask
  places[2 * at] = hash
  places[2 * at + 1] = entry
}

/** Removes an entry. Returns false if it is not there. */
function remove(places: Int32Array, mask: number, hash: number, entry: number): boolean {
  let at = hash & mask
  for (; places[2 * at + 1] !== entry; at = (at + 1) & mask) {
    if (places[2 * at + 1] === 0) return false
  }
  close(places, mask, at)
  return true
}

/** Empties a place. Those behind it move up, so that no search ends too early. */
function close(places: Int32Array, mask: number, place: number): void {
  let gap = place
  for (let at = (place + 1) & mask; places[2 * at + 1] !== 0; at = (at + 1) & mask) {
    const home = (places[2 * at] as number) & mask
    // It may stay if its home is cyclically behind the gap.
    if (((at - home) & mask) < ((at - gap) & mask)) continue
    places[2 * gap] = places[2 * at] as number
    places[2 * gap + 1] = places[2 * at + 1] as number
    gap = at
  }
  places[2 * gap + 1] = 0
}
