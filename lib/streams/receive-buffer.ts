/** Where the bytes of a direction go, in order. @internal */
export interface Receiver {
  data(bytes: Uint8Array): void
  gap(length: number): void
}

/** Bytes that came before what precedes them. Offsets count from the first byte of the direction. */
interface Piece {
  start: number
  end: number
  /** A copy; shorter than the piece if the packet was cut at the snapshot length. */
  data: Uint8Array
}

/**
 * Puts the segments of one direction of a TCP connection into order. What was seen first is kept: later bytes for the same
 * place are dropped.
 *
 * @internal
 */
export class ReceiveBuffer {
  /** Offset of the next byte to hand over: everything before it was handed over, or reported as a gap. */
  offset = 0
  /** Sequence number of the byte at {@link offset}, 32 bits as a signed number. */
  next = 0
  /** Whether {@link next} is known. */
  begun = false
  /** Offset behind the last byte that this end's own segments show to have been sent. */
  sent = 0
  /** Offset behind the last byte, once a FIN was seen. */
  end = Number.POSITIVE_INFINITY
  /** What the peer has acknowledged, and the time at which it first acknowledged bytes that are missing. */
  acknowledged = 0
  missingSince = Number.NaN
  /** Bytes held, and what their places take. */
  memory = 0
  bytes = 0
  gaps = 0
  gapBytes = 0
  retransmitted = 0
  conflicts = 0
  readonly #receiver: Receiver
  #pieces: Piece[] = []

  constructor(receiver: Receiver) {
    this.#receiver = receiver
  }

  begin(sequence: number): void {
    this.begun = true
    this.next = sequence | 0
  }

  /** Whether all bytes up to a FIN were handed over. */
  get finished(): boolean {
    return this.offset >= this.end
  }

  /** The offset that a sequence number stands for: within 2^31 of the next one. */
  offsetOf(sequence: number): number {
    return this.offset + ((sequence - this.next) | 0)
  }

  /** The offset behind the last byte that is held. */
  get heldEnd(): number {
    return this.#pieces.at(-1)?.end ?? this.offset
  }

  /**
   * Takes a segment.
   *
   * @param length its length; `data` may be shorter, and is copied if it must wait.
   */
  add(start: number, length: number, data: Uint8Array): void {
    const end = Math.min(start + length, this.end)
    if (end <= this.offset) {
      this.retransmitted += length
      return
    }
    if (start < this.offset) this.retransmitted += this.offset - start
    const from = Math.max(start, this.offset)
    const first = this.#pieces[0]
    if (from === this.offset && (first === undefined || end <= first.start)) {
      this.#hand(data.subarray(from - start), end - from)
    } else {
      this.#hold(from, end, data.subarray(from - start))
    }
    this.#drain()
  }

  /** Reports what is missing up to the next byte that is held, or up to `limit`, as a gap. False: nothing is missing. */
  skip(limit: number): boolean {
    const to = Math.min(this.#pieces[0]?.start ?? limit, limit, this.end)
    if (to <= this.offset) return false
    this.#gap(to - this.offset)
    this.#drain()
    return true
  }

  /** Hands over what is held and has nothing missing before it: what a receiver that threw has left. */
  proceed(): void {
    this.#drain()
  }

  /** Hands over all that is held, with the gaps in it. */
  flush(): void {
    while (this.#pieces.length > 0 && this.skip(Number.POSITIVE_INFINITY));
  }

  /**
   * A FIN ends the direction at this offset: what is held beyond it is dropped. The first one counts. One before bytes that
   * were handed over already is not this connection's: no receiver would take it.
   */
  finish(offset: number): void {
    if (this.end < Number.POSITIVE_INFINITY || offset < this.offset) return
    this.end = offset
    for (let last = this.#pieces.at(-1); last && last.end > this.end; last = this.#pieces.at(-1)) {
      this.#pieces.pop()
      this.memory -= last.data.length + pieceOverhead
      if (last.start < this.end) this.#hold(last.start, this.end, last.data)
    }
  }

  /** Passes over bytes that nobody wants to have, without a gap. */
  pass(offset: number): void {
    if (offset <= this.offset) return
    this.next = (this.next + (offset - this.offset)) | 0
    this.offset = offset
  }

  /** Forgets what is held. */
  clear(): void {
    this.#pieces = []
    this.memory = 0
  }

  /** Keeps what no earlier segment has. */
  #hold(start: number, end: number, data: Uint8Array): void {
    const added: Piece[] = []
    let at = start
    const take = (to: number) => {
      if (to > at) added.push({ start: at, end: to, data: Uint8Array.from(data.subarray(at - start, to - start)) })
    }
    for (const piece of this.#pieces) {
      if (piece.end <= at) continue
      if (piece.start >= end) break
      take(piece.start)
      const low = Math.max(at, piece.start)
      const high = Math.min(end, piece.end)
      this.retransmitted += high - low
      if (differ(piece.data, low - piece.start, data, low - start, high - low)) this.conflicts++
      at = high
    }
    take(end)
    if (added.length === 0) return
    for (const { data: bytes } of added) this.memory += bytes.length + pieceOverhead
    // Nearly always behind all others: in order, but for the hole before them.
    this.#pieces.push(...added)
    if (added.length > 1 || (this.#pieces.at(-2)?.end ?? 0) > start) this.#pieces.sort((a, b) => a.start - b.start)
  }

  /** The receiver may clear the buffer, or throw: the pieces are consistent before each call of it. */
  #drain(): void {
    for (let first = this.#pieces[0]; first && first.start <= this.offset; first = this.#pieces[0]) {
      this.#pieces.shift()
      this.memory -= first.data.length + pieceOverhead
      this.#hand(first.data, first.end - first.start)
    }
  }

  /** Hands over `length` bytes, of which those that were not captured are a gap. */
  #hand(data: Uint8Array, length: number): void {
    const there = data.length > length ? data.subarray(0, length) : data
    this.offset += there.length
    this.next = (this.next + there.length) | 0
    this.bytes += there.length
    if (there.length > 0) this.#receiver.data(there)
    if (there.length < length) this.#gap(length - there.length)
  }

  #gap(length: number): void {
    this.offset += length
    this.next = (this.next + length) | 0
    this.gaps++
    this.gapBytes += length
    this.#receiver.gap(length)
  }
}

/** What a piece takes besides its bytes, about. */
const pieceOverhead = 128

function differ(one: Uint8Array, oneAt: number, other: Uint8Array, otherAt: number, length: number): boolean {
  const shared = Math.min(length, one.length - oneAt, other.length - otherAt)
  for (let i = 0; i < shared; i++) if (one[oneAt + i] !== other[otherAt + i]) return true
  return false
}
