/** What became of the packets: those that were captured, and those that an earlier start of the sensor left behind. */
import type { SealedBatch } from '../transport/transport.js'
import { type LossCause, type Losses, lossCauses, noLosses } from '../wire/batch-head.js'

/** Batches, the packets in them, and their compressed size in bytes. */
export interface Amount {
  batches: number
  packets: number
  bytes: number
}

export function nothing(): Amount {
  return { batches: 0, packets: 0, bytes: 0 }
}

/** What is counted of a batch. */
export interface Counted {
  readonly packets: number
  readonly bytes: number
  /** The losses that its head reports. */
  readonly lost: Losses
}

export function countedOf({ head, bytes }: SealedBatch): Counted {
  return { packets: head.packets, bytes: bytes.length, lost: head.lost }
}

/**
 * Counts each packet once, and each loss for two receivers: `lost` is for the sensor's own statistics, `takePending` for
 * the heads of batches. If a batch is lost, the losses in its head are reported by the next one, so that the heads that
 * arrive add up to all losses.
 */
export class Accounts {
  readonly recovered = nothing()
  readonly stored = nothing()
  readonly lost: Record<LossCause, number> = noLosses()
  /** Packets in batches so far, and those that the capture lost before they were in one. */
  captured = 0
  /** Called after each change, ahead of what follows from it. */
  onChange: (() => void) | undefined
  #pending = noLosses()

  /** Counts a new batch, and returns the losses that its head has to report. */
  seal(packets: number, lost: Partial<Losses>): Losses {
    this.captured += packets
    for (const cause of lossCauses) {
      const count = lost[cause] ?? 0
      this.captured += count
      this.lost[cause] += count
      this.#pending[cause] += count
    }
    const reported = this.#pending
    this.#pending = noLosses()
    this.onChange?.()
    return reported
  }

  /** Counts a batch of an earlier start. Its head reports losses which that start has counted. */
  recover(batch: Counted): void {
    add(this.recovered, batch)
    this.onChange?.()
  }

  /** Counts packets that an earlier start had in memory when it was killed. */
  recoverKilled(packets: number): void {
    this.recovered.packets += packets
    this.lost.killed += packets
    this.#pending.killed += packets
    this.onChange?.()
  }

  /** Counts a batch that the collector has acknowledged. */
  store(batch: Counted): void {
    add(this.stored, batch)
    this.onChange?.()
  }

  /** Counts a batch that is given up. */
  lose(batch: Counted, cause: LossCause): void {
    this.lost[cause] += batch.packets
    this.#pending[cause] += batch.packets
    for (const each of lossCauses) this.#pending[each] += batch.lost[each]
    this.onChange?.()
  }

  /**
   * Counts a batch as refused that counted as stored: over NATS the server acknowledges a message, and a collector may
   * refuse it later.
   */
  revoke(batch: Counted): void {
    this.stored.batches--
    this.stored.packets -= batch.packets
    this.stored.bytes -= batch.bytes
    this.lose(batch, 'refused')
  }

  get lostPackets(): number {
    return lossCauses.reduce((sum, cause) => sum + this.lost[cause], 0)
  }
}

function add(amount: Amount, { packets, bytes }: Counted): void {
  amount.batches++
  amount.packets += packets
  amount.bytes += bytes
}
