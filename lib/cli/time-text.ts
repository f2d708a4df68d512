import type { LineBuffer } from './line-buffer.js'

/** `clock`: the local time of day, as tcpdump; `date`: with the date; `epoch`: seconds since 1970; `none`: nothing. */
export type TimeStyle = 'clock' | 'date' | 'epoch' | 'none'

const second = 1_000_000_000n
const pad = (value: number, width: number) => String(value).padStart(width, '0')

/** Writes timestamps, followed by a space. What the packets of one second share is made once. */
export class TimeText {
  readonly #style: TimeStyle
  readonly #nanoseconds: boolean
  #begin = -1n * second
  #prefix: Uint8Array = new Uint8Array(0)

  constructor(style: TimeStyle, nanoseconds: boolean) {
    this.#style = style
    this.#nanoseconds = nanoseconds
  }

  /** @param timestamp nanoseconds since 1970 */
  write(timestamp: bigint, out: LineBuffer): void {
    if (this.#style === 'none') return
    let rest = Number(timestamp - this.#begin)
    if (!(rest >= 0 && rest < 1e9)) {
      this.#begin = timestamp - (timestamp % second)
      this.#prefix = Buffer.from(this.#secondText(Number(this.#begin / second)))
      rest = Number(timestamp - this.#begin)
    }
    out.append(this.#prefix)
    const digits = this.#nanoseconds ? 9 : 6
    out.reserve(digits + 1)
    const { bytes, length } = out
    let fraction = this.#nanoseconds ? rest : (rest / 1000) | 0
    for (let i = digits - 1; i >= 0; i--) {
      const tenth = (fraction / 10) | 0
      bytes[length + i] = 0x30 + fraction - 10 * tenth
      fraction = tenth
    }
    bytes[length + digits] = 0x20
    out.length = length + digits + 1
  }

  #secondText(seconds: number): string {
    if (this.#style === 'epoch') return `${seconds}.`
    const date = new Date(seconds * 1000)
    const clock = `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}.`
    if (this.#style === 'clock') return clock
    return `${date.getFullYear()}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)} ${clock}`
  }
}
