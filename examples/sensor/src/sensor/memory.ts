/** How much memory the sensor may use, and what of it goes where. */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'

const MiB = 2 ** 20

/** What Node.js and the program itself need, beside the buffers. */
const base = 96 * MiB

/** Bytes of each buffer, from {@link shareMemory}. */
export interface Buffers {
  /** The ring: kernel memory, which memory cgroups do not count. */
  readonly ring: number
  readonly overflow: number
  /** Finished batches that wait to be taken from the capture. */
  readonly batches: number
  /** Batches that wait for the collector, or are being sent. */
  readonly queue: number
}

/** Divides the memory among the buffers; `batch`: bytes of a batch before compression. */
export function shareMemory(memory: number, batch: number): Buffers {
  const free = Math.max(memory - base, 32 * MiB)
  const share = (part: number, min: number, max: number) =>
    Math.floor(Math.min(Math.max(free * part, min), max) / MiB) * MiB
  return {
    ring: share(0.5, 16 * MiB, 64 * MiB),
    overflow: share(0.35, 8 * MiB, 64 * MiB),
    batches: Math.max(share(0.15, 4 * MiB, 16 * MiB), 2 * batch),
    queue: Math.max(share(0.25, 4 * MiB, 64 * MiB), 4 * batch),
  }
}

/**
 * Bytes of a batch before compression where none are set. Large ones were measured to cost less processor time per packet
 * (bench/README.md); with little memory they are smaller, so that {@link shareMemory} need not exceed it.
 */
export function defaultBatch(memory: number): number {
  return Math.min(Math.floor(memory / 64), 4 * MiB)
}

/** Four fifths of the cgroup's limit (version 2 or 1), at most 512 MiB; without a limit, 512 MiB. */
export function defaultMemory(): number {
  const limit = cgroupLimit() ?? totalmem()
  return Math.floor(Math.min(limit * 0.8, 512 * MiB))
}

/** The memory limit of this process's cgroup, as a container sees it; `undefined`: none, or it cannot be read. */
function cgroupLimit(): number | undefined {
  for (const path of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const limit = Number(readFileSync(path, 'utf8'))
      if (Number.isFinite(limit) && limit < totalmem()) return limit
    } catch {
      // Another version of cgroups, or none is mounted.
    }
  }
  return undefined
}

/** Bytes of memory of this process alone, which a memory cgroup counts; the ring is not among them. */
export function memoryInUse(): number {
  const [, kilobytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return kilobytes === undefined ? process.memoryUsage.rss() : Number(kilobytes) * 1024
}
