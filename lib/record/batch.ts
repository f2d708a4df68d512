import { freezeWithJson } from '../to-json.js'
import type { NativeBatch } from './native.js'

/** Packets lost, by cause, as in {@link CaptureStats}. */
export interface BatchLosses {
  /** All causes together. */
  readonly total: number
  /** See {@link CaptureStats.droppedByRing}. */
  readonly droppedByRing: number
  /** See {@link CaptureStats.droppedByOverflow}. */
  readonly droppedByOverflow: number
  /** See {@link CaptureStats.malformed}. */
  readonly malformed: number
}

/** Packets as a whole savefile; from {@link Capture.batches}. In JSON its times are strings of decimal digits. */
export interface Batch {
  /**
   * The savefile: a section, the interfaces of its packets under their names of then, the packets, and statistics of
   * these interfaces with the losses since the last batch. What was lost between two iterations over batches is in
   * `lost` alone.
   */
  readonly bytes: Uint8Array
  /** Number of packets in it; 0 only if the last batch reports nothing but losses. */
  readonly packets: number
  /** The earliest time of its packets, nanoseconds since 1970-01-01 UTC; 0 if it has none. */
  readonly firstTimestamp: bigint
  /** The latest time of its packets. */
  readonly lastTimestamp: bigint
  /** Number of the batch, from 0, without gaps. */
  readonly sequence: number
  /**
   * Packets lost since the last batch that was taken from this capture, and before the first one, since the capture was
   * opened.
   */
  readonly lost: BatchLosses
}

/** The losses until the end of a batch, since the capture was opened. @internal */
export type BatchLossTotals = Omit<BatchLosses, 'total'>

/** `before`: until the end of the last batch. @internal */
export function toBatch(native: NativeBatch, sequence: number, before: BatchLossTotals): Batch {
  const { bytes, packets, firstTimestamp, lastTimestamp } = native
  const droppedByRing = native.droppedByRing - before.droppedByRing
  const droppedByOverflow = native.droppedByOverflow - before.droppedByOverflow
  const malformed = native.malformed - before.malformed
  const total = droppedByRing + droppedByOverflow + malformed
  const lost = Object.freeze({ total, droppedByRing, droppedByOverflow, malformed })
  return freezeWithJson({ bytes, packets, firstTimestamp, lastTimestamp, sequence, lost })
}
