import { readFileSync } from 'node:fs'
import type { Capture } from 'ringtap'
import { block, patience } from './wait.js'

/** Columns in /proc/net/softnet_stat (softnet_seq_show(), net/core/net-procfs.c); the second needs Linux 5.10. */
const backlogColumn = 11
const processorColumn = 12

/** The CPUs whose backlog holds packets now; empty if the kernel does not report backlog lengths. */
function busy(): Set<number> {
  const found = new Set<number>()
  for (const row of readFileSync('/proc/net/softnet_stat', 'latin1').trim().split('\n')) {
    const columns = row.split(' ').map((word) => Number.parseInt(word, 16))
    if ((columns[backlogColumn] ?? 0) > 0) found.add(columns[processorColumn] ?? 0)
  }
  return found
}

/**
 * Blocks the JavaScript thread until everything sent so far has arrived at the other end of its veth. A send returns
 * when the frame is in the backlog of a CPU. If that CPU is busy, the frame waits there for ksoftirqd, and a capture
 * stopped in the meantime does not receive it.
 *
 * @throws Error if a backlog is not processed in time
 */
export function drainBacklog(): void {
  const end = performance.now() + 20_000 * patience
  // The backlog is a FIFO queue: once it has been empty, all earlier packets are processed, even if it fills again.
  let left = busy()
  while (left.size > 0) {
    if (performance.now() >= end) throw new Error(`waited in vain for the backlog of processor ${[...left].join(', ')}`)
    block(1)
    const now = busy()
    left = new Set([...left].filter((processor) => now.has(processor)))
  }
}

/**
 * Blocks the JavaScript thread until the capture's own thread has taken everything sent so far out of the ring. A device
 * that gets the index of a removed one is told apart only by what was taken before it appeared: which of the two received
 * a packet that was taken later cannot be determined.
 *
 * @throws Error if packets are not taken in time
 */
export function drainRing(capture: Capture): void {
  drainBacklog()
  const end = performance.now() + 20_000 * patience
  for (;;) {
    const { received, delivered, queued, unselected, malformed, ...lost } = capture.stats()
    const { droppedByRing, droppedByOverflow, droppedByRecorder } = lost
    const taken = delivered + queued + unselected + malformed + droppedByRing + droppedByOverflow + droppedByRecorder
    if (taken === received) return
    if (performance.now() >= end) throw new Error(`waited in vain: ${taken} of ${received} packets taken from the ring`)
    block(1)
  }
}
