import { readFileSync } from 'node:fs'
import { block, patience } from './wait.js'

/** Columns of /proc/net/softnet_stat (softnet_seq_show(), net/core/net-procfs.c); the second since Linux 5.10. */
const backlogColumn = 11
const processorColumn = 12

/** The processors whose backlog holds packets now; none where the kernel does not tell. */
function busy(): Set<number> {
  const found = new Set<number>()
  for (const row of readFileSync('/proc/net/softnet_stat', 'latin1').trim().split('\n')) {
    const columns = row.split(' ').map((word) => Number.parseInt(word, 16))
    if ((columns[backlogColumn] ?? 0) > 0) found.add(columns[processorColumn] ?? 0)
  }
  return found
}

/**
 * Waits, while JavaScript stands still, until what was sent by now has arrived at the other end of its veth. The sender
 * is told that a frame is sent when it is in the backlog of a processor; where that has too much to do, the frame waits
 * there for ksoftirqd to have its turn, and a capture that is stopped by then has not received it.
 *
 * @throws Error where a backlog is not worked off
 */
export function drainBacklog(): void {
  const end = performance.now() + 20_000 * patience
  // A backlog is a queue: it need not be empty again, once it has been.
  let left = busy()
  while (left.size > 0) {
    if (performance.now() >= end) throw new Error(`waited in vain for the backlog of processor ${[...left].join(', ')}`)
    block(1)
    const now = busy()
    left = new Set([...left].filter((processor) => now.has(processor)))
  }
}
