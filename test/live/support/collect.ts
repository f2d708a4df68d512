import { Capture, type CaptureOptions, type Packet } from 'ringtap'
import { drainBacklog } from './backlog.js'
import { labelOf, sequenceOf } from './send.js'

/** The properties of a packet that tests keep. */
export interface Seen {
  readonly interface: string
  readonly index: number
  readonly direction: 'in' | 'out' | undefined
  readonly number: number | undefined
  readonly label: number | undefined
  readonly data: Uint8Array
  readonly capturedLength: number
  readonly originalLength: number
  readonly timestamp: bigint
  readonly linkType: number | undefined
}

export function seen(packet: Packet): Seen {
  const data = Uint8Array.from(packet.data)
  return {
    interface: packet.interface.name,
    index: packet.interface.index,
    direction: packet.direction,
    number: sequenceOf(data),
    label: labelOf(data),
    data,
    capturedLength: packet.capturedLength,
    originalLength: packet.originalLength,
    timestamp: packet.timestamp,
    linkType: packet.linkType,
  }
}

/** Reads packets continuously: `packets` holds those read so far, `done` resolves when the capture ends. */
export function reading(capture: Capture): { packets: Seen[]; done: Promise<void> } {
  const packets: Seen[] = []
  const done = (async () => {
    for await (const chunk of capture) for (const packet of chunk) packets.push(seen(packet))
  })()
  return { packets, done }
}

/** Returns all packets captured while `traffic` runs; then stops, drains and closes the capture. */
export async function captureDuring(
  options: CaptureOptions,
  traffic: (capture: Capture) => unknown,
): Promise<{ packets: Seen[]; stats: Awaited<ReturnType<Capture['stop']>> }> {
  const capture = await Capture.open(options)
  try {
    const { packets, done } = reading(capture)
    await traffic(capture)
    drainBacklog()
    await capture.stop()
    await done
    return { packets, stats: capture.stats() }
  } finally {
    await capture.close()
  }
}
