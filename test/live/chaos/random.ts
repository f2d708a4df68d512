/** Pseudo-random numbers, the same for the same seed (xorshift32). */
export class Random {
  #state: number

  /** @param seed 1 to 2³² − 1 */
  constructor(readonly seed: number) {
    this.#state = seed >>> 0 || 1
  }

  /** A number ≥ 0 and < 1. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state / 2 ** 32
  }

  /** An integer from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(of: readonly T[]): T {
    if (of.length === 0) throw new Error('nothing to pick from')
    return of[this.between(0, of.length - 1)] as T
  }

  /** Up to `max` of the elements, in their order. */
  some<T>(of: readonly T[], max: number): T[] {
    const probability = Math.min(1, max / 2 / Math.max(1, of.length))
    return of.filter(() => this.chance(probability)).slice(0, max)
  }

  /** One of the keys, with a probability proportional to its weight. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const all = Object.entries(weights) as [T, number][]
    let rest = this.next() * all.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of all) {
      rest -= weight
      if (rest < 0) return key
    }
    return (all.at(-1) as [T, number])[0]
  }
}
