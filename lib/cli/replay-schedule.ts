/** Marks in memory at most. */
const maxMarks = 4096

/** When the packets of a file are due in one pass at the file's own speed. Bounded: exact for files of up to 4096 packets. */
export class ReplaySchedule {
  /** Seconds at which the packets 0, stride, 2 · stride … are due. */
  #marks: number[] = []
  #stride = 1
  #first: number | undefined
  packets = 0
  /** From the first to the last packet. */
  seconds = 0

  /** Adds the next packet. One that is earlier than those before is due at once. */
  add(timestampMs: number): void {
    this.#first ??= timestampMs
    this.seconds = Math.max(this.seconds, (timestampMs - this.#first) / 1000)
    if (this.packets % this.#stride === 0) this.#marks.push(this.seconds)
    this.packets++
    if (this.#marks.length <= maxMarks) return
    this.#marks = this.#marks.filter((_, i) => i % 2 === 0)
    this.#stride *= 2
  }

  /** Seconds at which this packet is due, from 0; not sooner than it is, and later by no more than the next mark. */
  due(packet: number): number {
    return this.#marks[Math.ceil(packet / this.#stride)] ?? this.seconds
  }
}

/** How a replay goes through its file. */
export interface ReplayCourse {
  readonly filter: string | undefined
  /** Factor; Infinity: as fast as possible. */
  readonly speed: number
  readonly passes: number
}

/** Seconds that progress may be reported late. */
const tolerance = 0.25

/**
 * How far a replay is, 0 to 1, and the seconds that are left. As long as the next packet is not due, time is the measure. A replay
 * that is behind its schedule, or has none, is as far as its packets are, and goes on at the pace that it had so far.
 *
 * @param packets Sent or refused, of all passes.
 * @param elapsed Seconds since the first packet.
 */
export function positionOf(
  schedule: ReplaySchedule,
  { speed, passes }: ReplayCourse,
  packets: number,
  elapsed: number,
): { share: number; left: number } {
  if (packets >= schedule.packets * passes) return { share: 1, left: 0 }
  const scheduled = (schedule.seconds * passes) / speed
  const pass = Math.floor(packets / schedule.packets)
  const due = (pass * schedule.seconds + schedule.due(packets % schedule.packets)) / speed
  if (elapsed <= Math.min(due + tolerance, scheduled)) return { share: elapsed / scheduled, left: scheduled - elapsed }
  const share = due > 0 ? Math.min(due / scheduled, 1) : packets / (schedule.packets * passes)
  // The last packets of a file may all be due at its end.
  const counted = share < 1 ? share : packets / (schedule.packets * passes)
  return { share: counted, left: elapsed * (1 / counted - 1) }
}
