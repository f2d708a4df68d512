/** Bytes of bodies that are being received and stored at once. */
export class MemoryBudget {
  #used = 0

  constructor(readonly max: number) {}

  get used(): number {
    return this.#used
  }

  /** Takes bytes, and returns how they are given back; undefined if there is no room. Giving back twice is harmless. */
  take(bytes: number): (() => void) | undefined {
    if (this.#used + bytes > this.max) return undefined
    this.#used += bytes
    let held = true
    return () => {
      if (held) this.#used -= bytes
      held = false
    }
  }
}
