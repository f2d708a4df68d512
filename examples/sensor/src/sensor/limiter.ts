/** A rate that is kept on average, by a bucket that holds what one second allows. */
export class Limiter {
  readonly #rate: number
  #level: number
  #filled: number

  /** `rate`: units per second; 0: no limit. */
  constructor(rate: number, now = performance.now()) {
    this.#rate = rate
    this.#level = rate
    this.#filled = now
  }

  /**
   * Takes from the bucket, if it is not empty; it may then be overdrawn, so that an amount above the rate of a second
   * passes too, and what follows waits.
   */
  take(amount: number, now = performance.now()): boolean {
    if (this.#rate === 0) return true
    this.#level = Math.min(this.#level + ((now - this.#filled) * this.#rate) / 1000, this.#rate)
    this.#filled = now
    if (this.#level <= 0) return false
    this.#level -= amount
    return true
  }

  /** Milliseconds until {@link take} succeeds. */
  delay(now = performance.now()): number {
    if (this.#rate === 0) return 0
    const level = this.#level + ((now - this.#filled) * this.#rate) / 1000
    return level > 0 ? 0 : Math.ceil((-level * 1000) / this.#rate) + 1
  }
}
