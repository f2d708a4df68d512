/** Numbers the batches, and adds what the collector has to know of each. */
import type { Batch } from 'ringtap'
import type { SealedBatch } from '../transport/transport.js'
import type { Accounts } from './accounts.js'
import type { Self } from './report.js'

export class Sealer {
  readonly #self: Self
  readonly #encoding: SealedBatch['head']['encoding']
  readonly #accounts: Accounts
  #sequence = 0
  #bytes = 0

  constructor(self: Self, encoding: SealedBatch['head']['encoding'], accounts: Accounts) {
    this.#self = self
    this.#encoding = encoding
    this.#accounts = accounts
  }

  /** Batches so far. */
  get batches(): number {
    return this.#sequence
  }

  /** Their bytes, compressed. */
  get bytes(): number {
    return this.#bytes
  }

  /** Enters a batch into the accounts, with the losses before it. */
  seal({ bytes, packets, firstTimestamp, lastTimestamp, lost }: Batch): SealedBatch {
    const { droppedByRing: ring, droppedByOverflow: overflow, malformed } = lost
    this.#bytes += bytes.length
    return {
      sensor: this.#self.name,
      boot: this.#self.boot,
      sequence: this.#sequence++,
      head: {
        packets,
        encoding: this.#encoding,
        first: firstTimestamp,
        last: lastTimestamp,
        lost: this.#accounts.seal(packets, { ring, overflow, malformed }),
      },
      bytes,
    }
  }
}
