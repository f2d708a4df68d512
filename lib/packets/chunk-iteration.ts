import type { Chunk } from './chunk.js'

/** Milliseconds for which an iteration goes on without letting timers and I/O have their turn. */
const maxShare = 10

/**
 * Iterates over what `next` gives. Asking for the next chunk, or leaving the loop, releases the one before. `onUse` hears
 * when chunks begin to be asked for, and when that is over.
 *
 * @internal
 */
export function iterateChunks(
  next: () => Promise<Chunk | undefined>,
  onUse: (used: boolean) => void = () => {},
): AsyncIterableIterator<Chunk> {
  let current: Chunk | undefined
  let used = false
  const release = () => {
    current?.release()
    current = undefined
  }
  const use = (now: boolean) => {
    if (now !== used) onUse(now)
    used = now
  }
  return {
    next: async () => {
      release()
      use(true)
      current = await next()
      if (current) return { done: false, value: current }
      use(false)
      return { done: true, value: undefined }
    },
    return: async () => {
      release()
      use(false)
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** When iterations give way to the rest of the program, and when they wait. @internal */
export class LoopShare {
  /** Since when nothing was waited for. */
  #began = 0
  #waiting: (() => void)[] = []

  /**
   * To be awaited before the next chunk where it gives a promise: promises that are ready would keep everything else in
   * the program from its turn for as long as packets come.
   */
  dropWaiting(): Promise<void> | undefined {
    const now = performance.now()
    if (this.#began === 0) this.#began = now
    if (now - this.#began <= maxShare) return undefined
    return this.pass()
  }

  /** Lets the rest of the program have its turn. */
  async pass(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#began = 0
  }

  /** Resolves with the next {@link wake}. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#began = 0
  }

  /** Whether anybody waits. */
  get waiting(): boolean {
    return this.#waiting.length > 0
  }

  /** There may be something new. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}
