/**
 * Reads integers in network byte order and parts of a message one after another. What lies beyond the end reads as 0 or
 * empty, and sets {@link failed}: a parser checks that once, at its end, and needs no exception.
 *
 * @internal
 */
export class ByteReader {
  /** Whether something beyond the end was read. */
  failed = false
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    if (!this.#has(1)) return 0
    return this.#bytes[this.#at++] as number
  }

  u16(): number {
    if (!this.#has(2)) return 0
    this.#at += 2
    return ((this.#bytes[this.#at - 2] as number) << 8) | (this.#bytes[this.#at - 1] as number)
  }

  skip(length: number): void {
    if (this.#has(length)) this.#at += length
  }

  bytes(length: number): Uint8Array {
    if (!this.#has(length)) return new Uint8Array(0)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** A reader of the next bytes. */
  part(length: number): ByteReader {
    return new ByteReader(this.bytes(length))
  }

  /** All that is left, as 16-bit integers; an odd byte at the end is left out. */
  u16s(): number[] {
    const values: number[] = []
    while (this.left >= 2) values.push(this.u16())
    return values
  }

  #has(length: number): boolean {
    if (length <= this.left) return true
    this.failed = true
    this.#at = this.#bytes.length
    return false
  }
}
