/** `clock`: the local time of day, as tcpdump; `date`: with the date; `epoch`: seconds since 1970; `none`: nothing. */
export type TimeStyle = 'clock' | 'date' | 'epoch' | 'none'

const second = 1_000_000_000n
const pad = (value: number, width: number) => String(value).padStart(width, '0')

/** Text of timestamps, followed by a space. What the packets of one second share is made once. */
export class TimeText {
  readonly #style: TimeStyle
  readonly #nanoseconds: boolean
  #begin = -1n * second
  #prefix = ''

  constructor(style: TimeStyle, nanoseconds: boolean) {
    this.#style = style
    this.#nanoseconds = nanoseconds
  }

  /** @param timestamp nanoseconds since 1970 */
  of(timestamp: bigint): string {
    if (this.#style === 'none') return ''
    let rest = Number(timestamp - this.#begin)
    if (!(rest >= 0 && rest < 1e9)) {
      this.#begin = timestamp - (timestamp % second)
      this.#prefix = this.#secondText(Number(this.#begin / second))
      rest = Number(timestamp - this.#begin)
    }
    if (this.#nanoseconds) return `${this.#prefix}${pad(rest, 9)} `
    // 1000000 more gives six digits with their zeros; the leading 1 is cut off.
    return `${this.#prefix}${String(1_000_000 + Math.trunc(rest / 1000)).slice(1)} `
  }

  #secondText(seconds: number): string {
    if (this.#style === 'epoch') return `${seconds}.`
    const date = new Date(seconds * 1000)
    const clock = `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}.`
    if (this.#style === 'clock') return clock
    return `${date.getFullYear()}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)} ${clock}`
  }
}
