import type { Chunk } from './chunk.js'

/** Milliseconds for which an iteration may go on before it yields to timers and I/O. */
const maxBusy = 10

/**
 * Iterates over the chunks that `next` returns. Taking the next chunk, or leaving the loop, releases the previous one.
 *
 * @param onUse called with true when the first chunk is requested, with false when the iteration ends.
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

/**
 * When the iterations of one capture or savefile yield to the event loop, and how they wait for new data.
 *
 * @internal
 */
export class IterationPacer {
  /** When an iteration first ran after the last return to the event loop, in milliseconds; 0: none has run since. */
  #busySince = 0
  #waiting: (() => void)[] = []

  /**
   * To be awaited before the next chunk if it returns a promise. Promises that are already resolved run before timers
   * and I/O: without this an iteration would block the event loop for as long as packets arrive.
   */
  yieldIfDue(): Promise<void> | undefined {
    const now = performance.now()
    if (this.#busySince === 0) this.#busySince = now
    if (now - this.#busySince <= maxBusy) return undefined
    return this.yield()
  }

  /** Lets the event loop run timers and I/O once. */
  async yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#busySince = 0
  }

  /** Resolves with the next {@link wake}. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#busySince = 0
  }

  /** Whether an iteration waits. */
  get waiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Resumes all waiting iterations, because new data may be available. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}
