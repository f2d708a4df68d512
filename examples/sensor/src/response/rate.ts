/** So many per second, and as many at once after a second without any. */
export class Rate {
  readonly #perSecond: number
  #available: number
  /** When `#available` was computed, milliseconds of a clock that only goes forward. */
  #at: number

  constructor(perSecond: number, now: number = performance.now()) {
    this.#perSecond = perSecond
    this.#available = perSecond
    this.#at = now
  }

  /** Takes one if there is one. */
  take(now: number = performance.now()): boolean {
    this.#available = Math.min(this.#perSecond, this.#available + ((now - this.#at) * this.#perSecond) / 1000)
    this.#at = now
    if (this.#available < 1) return false
    this.#available--
    return true
  }

  /** Milliseconds until the next one, after {@link take} returned false. */
  get wait(): number {
    return Math.ceil(((1 - this.#available) * 1000) / this.#perSecond)
  }
}
