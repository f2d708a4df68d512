import type { Capture } from 'ringtap'
import { type SendOptions, sendSync } from './send.js'
import { block, patience, waitUntil } from './wait.js'

/** Whether every packet the capture has accepted has left the ring: queued, delivered or counted as lost. */
function ringIsEmpty(capture: Capture): boolean {
  const stats = capture.stats()
  const { delivered, queued, unselected, malformed, droppedByRing, droppedByOverflow, droppedByRecorder } = stats
  const lost = malformed + droppedByRing + droppedByOverflow + droppedByRecorder
  return stats.received === delivered + queued + unselected + lost
}

function* steps({ count, start = 0, ...options }: SendOptions, step: number): Generator<SendOptions> {
  for (let sent = 0; sent < count; sent += step) {
    yield { ...options, start: start + sent, count: Math.min(step, count - sent) }
  }
}

/**
 * Sends frames in steps, each after the capture has taken the previous one out of its ring. If a step fits the ring,
 * the ring loses nothing, however little CPU time the capture thread gets.
 *
 * @param step Frames per step.
 * @param isRead Whether all frames below this number were read; given if a reader or a recorder must keep up as well.
 */
export async function sendInSteps(
  capture: Capture,
  options: SendOptions,
  step: number,
  isRead: (next: number) => boolean = () => true,
): Promise<void> {
  for (const one of steps(options, step)) {
    sendSync(one)
    const next = (one.start ?? 0) + one.count
    await waitUntil(
      () => ringIsEmpty(capture) && isRead(next),
      `all below ${next} to be taken`,
      60_000,
      () => capture.stats(),
    )
  }
}

/** The same, blocking the JavaScript thread. */
export function sendInStepsSync(capture: Capture, options: SendOptions, step: number): void {
  for (const one of steps(options, step)) {
    sendSync(one)
    for (const end = performance.now() + 60_000 * patience; !ringIsEmpty(capture); block(1)) {
      if (performance.now() >= end) {
        throw new Error(`waited in vain for the ring to be empty: ${JSON.stringify(capture.stats())}`)
      }
    }
  }
}
