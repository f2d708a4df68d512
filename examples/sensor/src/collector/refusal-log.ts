import type { Log } from '../common/log.js'

/** The maximum number of lines in a second: whoever sends nonsense must not fill the disk with it. */
const maxPerSecond = 20

/** Logs refusals of one kind, and of more than some in a second only how many they were. */
export class RefusalLog {
  #second = 0
  #count = 0

  constructor(
    readonly log: Log,
    readonly level: 'info' | 'warn' = 'warn',
    readonly kind = 'refused',
  ) {}

  add(detail: string, fields: Readonly<Record<string, unknown>>, now = Date.now()): void {
    const second = Math.floor(now / 1000)
    if (second !== this.#second) {
      this.flush()
      this.#second = second
    }
    if (++this.#count <= maxPerSecond) this.log[this.level](`${this.kind}: ${detail}`, fields)
  }

  /** Logs how many were left out. */
  flush(): void {
    const more = this.#count - maxPerSecond
    if (more > 0) this.log[this.level](`${this.kind}: ${more} more in one second`)
    this.#count = 0
  }
}
