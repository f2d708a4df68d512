// Memory for a table's rows that grows without being copied. JavaScript has one kind of it: that of WebAssembly, whose
// addresses are reserved for the most that it may become. Pages that were never written take no memory.

interface GrowingMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}
interface MemoryConstructor {
  new (limits: { initial: number; maximum: number }): GrowingMemory
}

const pageSize = 65_536
/** Bytes up to which memory is copied when it grows: the copy is too short to be noticed, and nothing is reserved for it. */
const copiedSize = 2 ** 21

/**
 * Bytes left out at the start of a buffer, so that rows begin on a cache line, and on a pair of lines: the C library puts 16
 * bytes of its own before a large allocation, which begins on a page.
 */
const alignment = 112

/** An array of zeros; `undefined` if there is no memory for it. @internal */
export function allocateWords(length: number): Int32Array<ArrayBuffer> | undefined {
  return ifAllowed(() => new Int32Array(new ArrayBuffer(alignment + 4 * length), alignment))
}

/** @internal */
export class FlowMemory {
  /** All of it; another array after each {@link grow}. */
  words: Int32Array
  /** The same memory. */
  doubles: Float64Array
  /** Bytes that it may become. */
  readonly #limit: number
  #growing: GrowingMemory | undefined

  constructor(size: number, limit: number) {
    this.#limit = limit
    this.words = new Int32Array(size / 4)
    this.doubles = doublesOf(this.words)
  }

  /** Makes it `size` bytes, the new ones zeros. Returns false if there is no memory for them; it is as before then. */
  grow(size: number): boolean {
    const words = size <= copiedSize ? this.#copy(size) : (this.#enlarge(size) ?? this.#copy(size))
    if (!words) return false
    this.words = words
    this.doubles = doublesOf(words)
    return true
  }

  #copy(size: number): Int32Array | undefined {
    if (this.#growing) return undefined
    const words = allocateWords(size / 4)
    words?.set(this.words)
    return words
  }

  #enlarge(size: number): Int32Array | undefined {
    const pages = Math.ceil(size / pageSize)
    if (!this.#growing) {
      const memory = reserve(pages, Math.ceil(this.#limit / pageSize))
      if (!memory) return undefined
      new Int32Array(memory.buffer).set(this.words)
      this.#growing = memory
    } else {
      const memory = this.#growing
      const more = pages - memory.buffer.byteLength / pageSize
      if (more > 0 && ifAllowed(() => memory.grow(more)) === undefined) return undefined
    }
    return new Int32Array(this.#growing.buffer, 0, size / 4)
  }
}

const doublesOf = (words: Int32Array) => new Float64Array(words.buffer, words.byteOffset, words.length / 2)

/** `undefined` where the engine has no WebAssembly, or the process may not have that many addresses. */
function reserve(initial: number, maximum: number): GrowingMemory | undefined {
  const { WebAssembly } = globalThis as { WebAssembly?: { Memory: MemoryConstructor } }
  return WebAssembly && ifAllowed(() => new WebAssembly.Memory({ initial, maximum }))
}

/** What `allocate` returns; `undefined` if the system refuses memory. */
function ifAllowed<T>(allocate: () => T): T | undefined {
  try {
    return allocate()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
