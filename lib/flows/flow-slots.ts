// The memory of a flow table. A flow has a slot of the same number in two buffers, 128 bytes in each: in the first what
// every packet of the flow needs, two neighbouring cache lines; in the second what few packets need. Both grow by doubling,
// up to the table's limit; large ones are not copied (flow-memory.ts).

import { FlowMemory } from './flow-memory.js'

/** Words of 32 bits in a slot, of either buffer. @internal */
export const slotWords = 32
/** Doubles in a slot. @internal */
export const slotDoubles = 16

/** Words: the key. @internal */
export const Key = {
  /** The originator's address: one word of IPv4, four of IPv6. */
  SOURCE: 0,
  DESTINATION: 4,
  /** The originator's port in the upper half, the responder's in the lower one. */
  PORTS: 8,
  /** The protocol, and the IP version above it. */
  PROTOCOL: 9,
  /** The interface by its number in FlowInterfaces, if it is part of the key. */
  INTERFACE: 10,
  VLAN: 11,
  TUNNEL: 12,
} as const

/** Words that all packets of TCP need. @internal */
export const Tcp = {
  /** State of the originator in the lowest four bits, of the responder in the next four; see tcp-tracker.ts. */
  STATES: 13,
  /** Letters of the history that were written, bits of both ends. */
  SEEN: 14,
  /** TCP flags seen from the originator, and 16 bits higher from the responder. */
  FLAGS: 15,
  /** The next sequence number expected from each end. */
  NEXT: 30,
} as const

/** Doubles; those of the responder follow those of the originator. @internal */
export const Sum = { PACKETS: 8, BYTES: 10, PAYLOAD: 12, LAST: 14 } as const

/** Words of the second buffer. @internal */
export const Rare = {
  HASH: 0,
  /** The slot's neighbours in the lists of FlowTimers and FlowSlots. */
  PREVIOUS: 1,
  NEXT: 2,
  /** The bucket of the timer wheel that the slot is in. */
  BUCKET: 3,
  /** The interface that the first packet of each end was seen on, by its number in FlowInterfaces; 0: none. */
  INTERFACES: 4,
  /** The newest hole in each end's sequence numbers: its start and its end. */
  HOLES: 6,
  RETRANSMISSIONS: 10,
  OUT_OF_ORDER: 12,
  GAPS: 14,
  /** Letters of the history, five bits each, six in a word. */
  HISTORY: 16,
  HISTORY_WORDS: 3,
  /** How many letters there are. */
  LETTERS: 19,
} as const

/**
 * Doubles of the second buffer: the time of the first packet; times of the handshake, milliseconds since 1970, and 1 more
 * (0: not seen); bytes that are missing of each end.
 *
 * @internal
 */
export const RareSum = { FIRST: 10, SYN: 11, SYN_ACK: 12, ACK: 13, GAP_BYTES: 14 } as const

/** Slots that there is room for at the beginning. */
const firstCapacity = 1024
const slotSize = 4 * slotWords

/** @internal */
export class FlowSlots {
  /** The first buffer: {@link Key}, {@link Tcp}, {@link Sum}. */
  words: Int32Array
  doubles: Float64Array
  /** The second one: {@link Rare}, {@link RareSum}. */
  rareWords: Int32Array
  rareDoubles: Float64Array
  /** Slots in use. */
  used = 0
  readonly #common: FlowMemory
  readonly #rare: FlowMemory
  /** Slots that can be used without growing. */
  #capacity: number
  /** The most slots; less than asked for once memory was refused. */
  #limit: number
  /** Slots that were in use, linked through Rare.NEXT; -1: none. */
  #free = -1
  /** Slots from this one on have never been used. */
  #fresh = 0

  constructor(limit: number) {
    this.#limit = limit
    this.#capacity = Math.min(limit, firstCapacity)
    this.#common = new FlowMemory(this.#capacity * slotSize, limit * slotSize)
    this.#rare = new FlowMemory(this.#capacity * slotSize, limit * slotSize)
    this.words = this.#common.words
    this.doubles = this.#common.doubles
    this.rareWords = this.#rare.words
    this.rareDoubles = this.#rare.doubles
  }

  /** Takes a slot, all zeros; -1 if the limit is reached. */
  take(): number {
    let slot = this.#free
    if (slot >= 0) {
      this.#free = this.rareWords[slot * slotWords + Rare.NEXT] as number
      this.words.fill(0, slot * slotWords, (slot + 1) * slotWords)
      this.rareWords.fill(0, slot * slotWords, (slot + 1) * slotWords)
    } else {
      if (this.#fresh === this.#limit) return -1
      if (this.#fresh === this.#capacity && !this.#grow()) return -1
      slot = this.#fresh++
    }
    this.used++
    return slot
  }

  release(slot: number): void {
    this.rareWords[slot * slotWords + Rare.NEXT] = this.#free
    this.#free = slot
    this.used--
  }

  #grow(): boolean {
    const capacity = Math.min(this.#limit, this.#capacity * 2)
    const isEnough = this.#common.grow(capacity * slotSize) && this.#rare.grow(capacity * slotSize)
    // Also where the second one has not grown: the array of the first is another one by then.
    this.words = this.#common.words
    this.doubles = this.#common.doubles
    this.rareWords = this.#rare.words
    this.rareDoubles = this.#rare.doubles
    if (isEnough) this.#capacity = capacity
    else this.#limit = this.#capacity
    return isEnough
  }
}
