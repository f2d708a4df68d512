/** What the forwarder needs of a way to the collector. */
import type { Answer } from '../wire/answer.js'
import type { BatchHead } from '../wire/batch-head.js'
import type { Identity } from '../wire/identity.js'

/** A batch as it is sent and spooled: compressed already. */
export interface SealedBatch extends Identity {
  readonly head: BatchHead
  readonly bytes: Uint8Array
}

/** A TCP connection of the sensor's own, as both of its ends see it. */
export interface OwnConnection {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
}

/** A batch or report that was not accepted. */
export class TransportError extends Error {
  override readonly name = 'TransportError'

  /** Whether somebody answered, so that the way is not the reason. */
  readonly answered: boolean

  /** `again`: whether it may be accepted later. `retryAfter`: milliseconds that the collector asked to wait. */
  constructor(
    message: string,
    readonly again: boolean,
    readonly retryAfter?: number,
    { answered = false, ...options }: ErrorOptions & { readonly answered?: boolean } = {},
  ) {
    super(message, options)
    this.answered = answered
  }
}

export interface Transport {
  /** Bytes of a compressed batch at most. */
  readonly maximumBytes: number
  /** How many batches may be on their way at once. */
  readonly window: number
  /**
   * Resolves once the batch is stored where a crash does not lose it, to the answer.
   * @throws TransportError
   */
  send(batch: SealedBatch, signal: AbortSignal): Promise<Answer>
  /**
   * Sends a report: the state of the sensor as JSON.
   * @throws TransportError
   */
  report(identity: Identity, report: unknown, signal: AbortSignal): Promise<Answer>
  close(): Promise<void>
}

/**
 * Called with all connections of the transport before one of them is opened, and after one is closed. A connection is
 * opened once the promise is resolved, so that the capture keeps it out from its first packet.
 */
export type AnnounceConnections = (connections: readonly OwnConnection[]) => Promise<void>
