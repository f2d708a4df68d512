import type { Chunk } from './chunk.js'

/** Milliseconds for which an iteration may go on before it yields to timers and I/O. */
const maxBusy = 10

/** What an iteration needs from its capture or savefile. @internal */
export interface ChunkSource {
  /** The next chunk, or `undefined` if no more follow. Takes none once `ended()` is true, and returns `undefined`. */
  next(ended: () => boolean): Promise<Chunk | undefined>
  /** Resumes those who wait for the next chunk. */
  wake(): void
  /** Called with true when the first chunk is requested, with false when the iteration ends. */
  use?(used: boolean): void
}

/**
 * Iterates over the chunks of a source. Requesting the next chunk, or leaving the loop, releases those delivered before.
 *
 * `next()` may be called again before the last call has settled. `return()` ends such calls.
 *
 * @internal
 */
export function iterateChunks(source: ChunkSource): AsyncIterableIterator<Chunk> {
  const done = { done: true, value: undefined } as const
  let lent: Chunk[] = []
  let used = false
  /** Number of returns so far. */
  let returns = 0
  const release = () => {
    const released = lent
    lent = []
    for (const chunk of released) chunk.release()
  }
  const use = (now: boolean) => {
    if (now !== used) source.use?.(now)
    used = now
  }
  return {
    next: async () => {
      release()
      use(true)
      const begun = returns
      const chunk = await source.next(() => returns > begun)
      if (returns > begun) {
        chunk?.release()
        return done
      }
      if (!chunk) {
        use(false)
        return done
      }
      lent.push(chunk)
      return { done: false, value: chunk }
    },
    return: async () => {
      returns++
      release()
      use(false)
      source.wake()
      return done
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
  wait(): Promise<void> {
    return new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Whether an iteration waits. */
  get waiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Resumes all waiting iterations, because new data may be available. */
  wake(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    this.#busySince = 0
    for (const resume of waiting) resume()
  }
}
