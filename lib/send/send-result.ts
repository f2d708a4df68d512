import { getSystemErrorName } from 'node:util'
import type { NativeTally } from './native.js'

/**
 * Why a frame was not sent.
 *
 * - `too-short`: shorter than the link layer's header (Ethernet: 14 bytes), or empty.
 * - `too-long`: longer than the interface's MTU and the link layer's header allow (for Ethernet 4 bytes more if the
 *   frame begins with an 802.1Q tag).
 * - `interface-down`: the interface is down.
 * - `interface-gone`: the interface was removed, or was moved to another network namespace.
 * - `no-room`: the send buffer or the interface's queue stayed full for longer than `maxWait`. What a filter on the way
 *   out (tc, nftables) drops may look the same.
 * - `truncated`: a captured packet that was cut at the snapshot length.
 * - `checksum`: a captured packet whose checksum the kernel had left to the device, of a protocol for which it cannot
 *   be completed (all except TCP and UDP in IPv4 and IPv6, without a tunnel).
 * - `link-type`: a captured packet whose link type is not that of the interface (raw IP for an Ethernet device).
 * - `other`: any other error of the kernel, see `errno`.
 */
export type RefusalCause =
  | 'too-short'
  | 'too-long'
  | 'interface-down'
  | 'interface-gone'
  | 'no-room'
  | 'truncated'
  | 'link-type'
  | 'checksum'
  | 'other'

/** The frames that were refused for one cause. */
export interface Refusal {
  /** Why they were refused. */
  readonly cause: RefusalCause
  /** The system's error number (errno(3)), positive; `undefined` if the kernel was not involved. */
  readonly errno: number | undefined
  /** Its name, such as `EMSGSIZE`. */
  readonly errorName: string | undefined
  /** Number of frames. */
  readonly count: number
  /** Their positions, from 0: the first hundred. */
  readonly positions: readonly number[]
}

/** What became of frames: each was sent, or refused for a cause. */
export interface SendResult {
  /** Frames that the kernel accepted. (What a device drops after that is in its own counters.) */
  readonly sent: number
  /** Bytes of these frames, from the link-layer header on. */
  readonly bytes: number
  /** Frames that were not sent. */
  readonly refused: number
  /** The refused frames by cause, in the order in which the causes first occurred. */
  readonly refusals: readonly Refusal[]
}

/** The causes, indexed by their numbers in native/core/send/send_tally.h. @internal */
export const causes: readonly RefusalCause[] = [
  'other',
  'too-short',
  'too-long',
  'interface-down',
  'interface-gone',
  'no-room',
  'truncated',
  'link-type',
  'checksum',
  'other',
]

/** The index of `too-long` in {@link causes}. @internal */
export const TOO_LONG = 2
/** The index of `truncated` in {@link causes}. @internal */
export const TRUNCATED = 6

const maxPositions = 100

/** Adds up the native counts of consecutive parts. @internal */
export class SendLedger {
  #sent = 0
  #bytes = 0
  #refused = 0
  readonly #refusals = new Map<string, { cause: number; errno: number; count: number; positions: number[] }>()

  /** Adds a part. `offset` is added to its positions: the number of frames before those that they count. */
  add(part: NativeTally, offset = 0): void {
    this.#sent += part.sent
    this.#bytes += part.bytes
    for (const { cause, errno, count, positions } of part.refusals) {
      const key = `${cause} ${errno}`
      const known = this.#refusals.get(key) ?? { cause, errno, count: 0, positions: [] }
      this.#refusals.set(key, known)
      known.count += count
      const room = maxPositions - known.positions.length
      for (const position of positions.slice(0, room)) known.positions.push(position + offset)
      this.#refused += count
    }
  }

  /** The sums so far. */
  result(): SendResult {
    return {
      sent: this.#sent,
      bytes: this.#bytes,
      refused: this.#refused,
      refusals: [...this.#refusals.values()].map(({ cause, errno, count, positions }) => ({
        cause: causes[cause] ?? 'other',
        errno: errno || undefined,
        errorName: errno ? getSystemErrorName(-errno) : undefined,
        count,
        positions: [...positions],
      })),
    }
  }
}
