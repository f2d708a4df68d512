import { checkGroup, checkInteger, orElse } from '../arguments.js'
import type { NativeCutoff } from './native.js'

/**
 * How much of each connection is captured. Without `bytes` and `packets` all of it, except of those given to
 * {@link Capture.bypass}.
 */
export interface CutoffOptions {
  /**
   * Packets of a connection pass until so many bytes have passed, in both directions together, as they were on the wire
   * with all headers; the packet that reaches the limit passes whole. 1 to 2⁵⁰.
   */
  bytes?: number | undefined
  /** Packets of a connection pass until so many have passed, in both directions together. 1 to 2⁵⁰. */
  packets?: number | undefined
  /** Milliseconds without a packet after which a connection begins again, 1 to 1e9. Default 60 000. */
  idle?: number | undefined
  /**
   * Number of connections to remember, 1024 to 2²²; of more, those seen longest ago are forgotten, and begin again with
   * their next packet. Each takes some 150 bytes of kernel memory, which is allocated at once and charged to the memory
   * limit of the process. The kernel forgets in groups, so that a few connections may go before the table is full.
   * Default 65 536.
   */
  flows?: number | undefined
}

const maxLimit = 2 ** 50

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseCutoff(given: CutoffOptions | undefined): NativeCutoff | undefined {
  if (given === undefined) return undefined
  const { bytes, packets, idle, flows } = checkGroup(given, 'cutoff', ['bytes', 'packets', 'idle', 'flows'])
  return {
    bytes: bytes === undefined ? 0 : checkInteger(bytes, 'cutoff.bytes', 1, maxLimit, 'bytes'),
    packets: packets === undefined ? 0 : checkInteger(packets, 'cutoff.packets', 1, maxLimit),
    idle: checkInteger(orElse(idle, 60_000), 'cutoff.idle', 1, 1e9, 'milliseconds'),
    flows: checkInteger(orElse(flows, 65_536), 'cutoff.flows', 1024, 2 ** 22),
  }
}
