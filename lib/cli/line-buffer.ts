/** Lines as bytes, gathered to be written together. */
export class LineBuffer {
  /** What is appended may replace it by a larger one. */
  bytes = Buffer.allocUnsafe(1 << 18)
  /** Bytes that were appended. */
  length = 0

  /** Makes room for `size` bytes more. */
  reserve(size: number): void {
    const needed = this.length + size
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(2 * needed)
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }

  /** Appends a few bytes. */
  append(bytes: Uint8Array): void {
    const { length } = bytes
    this.reserve(length)
    const { bytes: to, length: at } = this
    for (let i = 0; i < length; i++) to[at + i] = bytes[i] as number
    this.length = at + length
  }

  /** Appends a text in UTF-8. */
  text(text: string): void {
    this.reserve(3 * text.length)
    this.length += this.bytes.write(text, this.length)
  }

  /** Replaces what was appended from `start` on, which is ASCII. */
  rewrite(start: number, change: (text: string) => string): void {
    const text = this.bytes.toString('latin1', start, this.length)
    this.length = start
    this.text(change(text))
  }

  /** What was appended, valid until something is appended anew: the buffer is empty again. */
  take(): Uint8Array {
    const taken = this.bytes.subarray(0, this.length)
    this.length = 0
    return taken
  }
}
