/** Who sent a message, and which of its messages it is. */
export interface Identity {
  /** The sensor's name; see {@link isSensorName}. */
  readonly sensor: string
  /** 16 hexadecimal digits, new at each start of the sensor's spool: with an empty spool, a new start of the program. */
  readonly boot: string
  /** Number of the batch or report within its boot, from 0. */
  readonly sequence: number
}

/** Whether a name can be a directory, a NATS subject token and a label: letters, digits, `-` and `_`, at most 63. */
export function isSensorName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name)
}

export function isBoot(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}
