import { clockWindow } from '../wire/signature.js'

/** The nonces of requests whose time is still within the window. */
export class Nonces {
  #recent = new Set<string>()
  #earlier = new Set<string>()
  #turnedAt = 0

  /** `max`: how many are kept at most. */
  constructor(readonly max = 1_000_000) {}

  /** Notes a nonce. `seen`: it was used before. `full`: there is no room to remember it. */
  note(nonce: string, now: number): 'new' | 'seen' | 'full' {
    // A nonce is kept for at least two windows: a request may be dated one window ahead.
    const age = now - this.#turnedAt
    if (age >= 2 * clockWindow || age < 0) {
      this.#earlier = age >= 4 * clockWindow ? new Set() : this.#recent
      this.#recent = new Set()
      this.#turnedAt = now
    }
    if (this.#recent.has(nonce) || this.#earlier.has(nonce)) return 'seen'
    if (this.#recent.size + this.#earlier.size >= this.max) return 'full'
    this.#recent.add(nonce)
    return 'new'
  }
}
