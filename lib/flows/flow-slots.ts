// The memory of a flow table: one slot of 256 bytes per flow, in one buffer that grows by doubling up to the table's limit.
// A slot lies within one page of memory: what a packet needs is in its first three cache lines.

/** Words of 32 bits in a slot. @internal */
export const slotWords = 64
/** Doubles in a slot. @internal */
export const slotDoubles = 32

/** Words: the key, and the slot's place in the lists. @internal */
export const Key = {
  /** The originator's address: one word of IPv4, four of IPv6. */
  SOURCE: 0,
  DESTINATION: 4,
  /** The originator's port in the upper half, the responder's in the lower one. */
  PORTS: 8,
  /** The protocol, and the IP version above it. */
  PROTOCOL: 9,
  INTERFACE: 10,
  VLAN: 11,
  TUNNEL: 12,
  HASH: 13,
  PREVIOUS: 14,
  NEXT: 15,
} as const

/** Doubles; those of the responder follow those of the originator. @internal */
export const Sum = { PACKETS: 8, BYTES: 10, PAYLOAD: 12, FIRST: 14, LAST: 15 } as const

/** Words that most packets of TCP need. @internal */
export const Tcp = {
  /** State of the originator in the lowest four bits, of the responder in the next four; see tcp-tracker.ts. */
  STATES: 32,
  /** The next sequence number expected from each end. */
  NEXT: 33,
  /** Letters of the history that were written, bits of both ends. */
  SEEN: 35,
  /** TCP flags seen from the originator, and 16 bits higher from the responder. */
  FLAGS: 36,
  /** The interface that the first packet of each end was seen on, by its number in FlowInterfaces; 0: none. */
  INTERFACES: 37,
  /** The bucket of the timer wheel that the slot is in. */
  BUCKET: 39,
} as const

/** Words that few packets need. @internal */
export const Rare = {
  /** The newest hole in each end's sequence numbers: its start and its end. */
  HOLES: 40,
  RETRANSMISSIONS: 44,
  OUT_OF_ORDER: 46,
  GAPS: 48,
  /** Letters of the history, five bits each, six in a word. */
  HISTORY: 52,
  HISTORY_WORDS: 3,
  /** How many letters there are. */
  LETTERS: 55,
} as const

/** Doubles: times of the handshake, milliseconds since 1970, and 1 more; 0: not seen. @internal */
export const Handshake = { SYN: 28, SYN_ACK: 29, ACK: 30 } as const

/** The double with the bytes that are missing of an end. @internal */
export const gapBytes = (end: number): number => (end === 0 ? 25 : 31)

/** An array of zeros; `undefined` if there is no memory for it. @internal */
export function allocateWords(length: number): Int32Array<ArrayBuffer> | undefined {
  try {
    return new Int32Array(length)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** @internal */
export class FlowSlots {
  words: Int32Array
  doubles: Float64Array
  /** Slots in use. */
  used = 0
  /** Slots that can be used without growing. */
  #capacity: number
  /** The most slots; less than asked for once memory was refused. */
  #limit: number
  /** Slots that were in use, linked through Key.NEXT; -1: none. */
  #free = -1
  /** Slots from this one on have never been used. */
  #fresh = 0

  constructor(limit: number) {
    this.#limit = limit
    this.#capacity = Math.min(limit, 1024)
    this.words = new Int32Array(this.#capacity * slotWords)
    this.doubles = new Float64Array(this.words.buffer)
  }

  /** Takes a slot, all zeros; -1 if the limit is reached. */
  take(): number {
    let slot = this.#free
    if (slot >= 0) {
      this.#free = this.words[slot * slotWords + Key.NEXT] as number
      this.words.fill(0, slot * slotWords, (slot + 1) * slotWords)
    } else {
      if (this.#fresh === this.#limit) return -1
      if (this.#fresh === this.#capacity && !this.#grow()) return -1
      slot = this.#fresh++
    }
    this.used++
    return slot
  }

  release(slot: number): void {
    this.words[slot * slotWords + Key.NEXT] = this.#free
    this.#free = slot
    this.used--
  }

  #grow(): boolean {
    const capacity = Math.min(this.#limit, this.#capacity * 2)
    const words = allocateWords(capacity * slotWords)
    if (!words) {
      this.#limit = this.#capacity
      return false
    }
    words.set(this.words)
    this.#capacity = capacity
    this.words = words
    this.doubles = new Float64Array(words.buffer)
    return true
  }
}
