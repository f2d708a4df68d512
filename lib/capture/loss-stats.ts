import { LossHead, LossRow } from '../native/layouts.js'

/** How severe a loss is: `warn` and `critical` begin at the thresholds of {@link LossOptions}. */
export type LossLevel = 'none' | 'warn' | 'critical'

/** The losses of one interface within the window. */
export interface InterfaceLoss {
  /** Its last known name. */
  readonly name: string
  /** Its interface index. */
  readonly index: number
  /** Distinguishes it from other devices with the same index, see {@link NetworkInterface.generation}. */
  readonly generation: number
  /** lost / received, 0 to 1. */
  readonly ratio: number
  /** Packets lost, for whatever cause. */
  readonly lost: number
  /** Packets that the filter accepted, including those lost. */
  readonly received: number
}

/** The losses within the window. */
export interface LossStats {
  /** lost / received, 0 to 1; 0 if no packet came. */
  readonly ratio: number
  /** Packets lost: the sum of `causes`. */
  readonly lost: number
  /** Packets that the filter accepted, including those lost. */
  readonly received: number
  /**
   * Milliseconds that these figures cover: `loss.window` and up to a twentieth more; less while the capture is younger
   * than the window; more if the event loop was blocked for longer than the window, so that no loss is missed between
   * two samples.
   */
  readonly duration: number
  /** Packets lost by cause, see {@link CaptureStats}. */
  readonly causes: {
    /** See {@link CaptureStats.droppedByRing}. */
    readonly droppedByRing: number
    /** See {@link CaptureStats.droppedByOverflow}. */
    readonly droppedByOverflow: number
    /** See {@link CaptureStats.malformed}. */
    readonly malformed: number
  }
  /**
   * The interfaces that lost packets, those with the most losses first; `undefined` if the filter has its classic form.
   * Exact once nothing is in the ring or queued. While packets come, some that are on their way through the ring may be
   * listed as lost, but never more than all interfaces lost together.
   */
  readonly interfaces: readonly InterfaceLoss[] | undefined
}

/** Returns the name of a device. @internal */
export type NameOf = (index: number, generation: number) => string

/**
 * The losses since a capture was opened, at one moment: a {@link LossHead}, then a {@link LossRow} for each interface.
 * Written by native/binding/capture/capture_stats.cpp.
 *
 * @internal
 */
export type LossSample = Float64Array

/** The sample at the time a capture is opened: all zero. @internal */
export const emptySample: LossSample = new Float64Array(LossHead.WORDS)

/**
 * The argument for the addon's `lossSample()` with which it returns a sample only if that would differ from this one:
 * the number of packets that the rings had accepted. -1 (always take a sample) if some of these were not yet processed,
 * because the counters then change without a further packet.
 *
 * @internal
 */
export function packetsOf(sample: LossSample): number {
  return sample[LossHead.SETTLED] ? (sample[LossHead.PACKETS] as number) : -1
}

/**
 * The losses between two samples.
 *
 * @internal
 */
export function lossBetween(from: LossSample, to: LossSample, duration: number, nameOf: NameOf): LossStats {
  const more = (word: number) => difference(to[word], from[word])
  const causes = {
    droppedByRing: more(LossHead.BY_RING),
    droppedByOverflow: more(LossHead.BY_OVERFLOW),
    malformed: more(LossHead.MALFORMED),
  }
  const received = more(LossHead.RECEIVED)
  const lost = causes.droppedByRing + causes.droppedByOverflow + causes.malformed
  return {
    ratio: ratio(lost, received),
    lost,
    received,
    duration,
    causes,
    interfaces: to[LossHead.PER_INTERFACE] ? interfacesBetween(from, to, lost, nameOf) : undefined,
  }
}

function interfacesBetween(from: LossSample, to: LossSample, maxLost: number, nameOf: NameOf): InterfaceLoss[] {
  if (maxLost === 0) return []
  const before = new Map<string, number>()
  const key = (sample: LossSample, row: number) => `${sample[row + LossRow.INDEX]} ${sample[row + LossRow.GENERATION]}`
  for (let row: number = LossHead.WORDS; row < from.length; row += LossRow.WORDS) before.set(key(from, row), row)
  const losses: InterfaceLoss[] = []
  for (let row: number = LossHead.WORDS; row < to.length; row += LossRow.WORDS) {
    const earlier = before.get(key(to, row))
    const more = (word: number) => difference(to[row + word], earlier === undefined ? 0 : from[earlier + word])
    const lost = Math.min(more(LossRow.LOST), maxLost)
    if (lost === 0) continue
    const index = to[row + LossRow.INDEX] as number
    const generation = to[row + LossRow.GENERATION] as number
    const received = more(LossRow.RECEIVED)
    losses.push({ name: nameOf(index, generation), index, generation, ratio: ratio(lost, received), lost, received })
  }
  return losses.sort((a, b) => b.lost - a.lost || a.index - b.index)
}

/** The counters of one sample are not read at the same instant, so a difference may be negative: it counts as 0. */
function difference(now: number | undefined, before: number | undefined): number {
  return Math.max(0, (now ?? 0) - (before ?? 0))
}

function ratio(lost: number, received: number): number {
  // A packet may be found unreadable after the window in which it was received.
  return lost === 0 ? 0 : Math.min(1, lost / received)
}
