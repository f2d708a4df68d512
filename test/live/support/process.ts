import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sleep, waitUntil, waitUntilStable } from './wait.js'

/** Resources held by a process, for tests that check that they are released. */
export interface Holdings {
  /** Number of open descriptors. */
  descriptors: number
  threads: number
  /** Number of mappings of all kinds. The allocator adds and removes some: do not test for an exact number. */
  mappings: number
  /** Number of mapped rings of packet sockets, and their size in bytes. */
  rings: number
  ringBytes: number
}

/** The resources this process holds now. */
export function holdings(): Holdings {
  const maps = readFileSync('/proc/self/maps', 'latin1').trimEnd().split('\n')
  const rings = maps.filter((line) => / socket:\[\d+\]/.test(line))
  return {
    // Reading the directory opens one descriptor.
    descriptors: readdirSync('/proc/self/fd').length - 1,
    threads: readdirSync('/proc/self/task').length,
    mappings: maps.length,
    rings: rings.length,
    ringBytes: rings.reduce((sum, line) => {
      const [from = '0', to = '0'] = (line.split(' ')[0] ?? '').split('-')
      return sum + Number.parseInt(to, 16) - Number.parseInt(from, 16)
    }, 0),
  }
}

/** The target of each open descriptor (`socket:[…]`, `anon_inode:[eventpoll]`, a path), to identify a leak. */
export function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)]
    } catch {
      return [] // the descriptor of the directory being read
    }
  })
}

/**
 * Resident memory in bytes, without what V8 keeps for objects to come: how much that is depends on what the process did
 * before. Only the pages of a ring that this process has touched count.
 */
export function residentBytes(): number {
  const heap = getHeapStatistics()
  return process.memoryUsage.rss() - (heap.total_physical_size - heap.used_heap_size)
}

/** Waits until this process has threads with this name, and all of them sleep: loops that wait for packets. */
export async function waitUntilAsleep(name: string): Promise<void> {
  // proc_pid_stat(5): the name in parentheses, then the state.
  const states = () =>
    readdirSync('/proc/self/task')
      .map((thread) => readFileSync(`/proc/self/task/${thread}/stat`, 'latin1'))
      .filter((stat) => stat.includes(` (${name}) `))
      .map((stat) => stat.charAt(stat.lastIndexOf(')') + 2))
  await waitUntil(
    () => states().length > 0 && states().every((state) => state === 'S'),
    `the thread ${name} to sleep`,
    undefined,
    states,
  )
}

let gc: (() => void) | undefined

/** Collects garbage and lets finalizers run. */
export async function collectGarbage(): Promise<void> {
  if (!gc) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as () => void
  }
  for (let i = 0; i < 3; i++) {
    gc()
    await sleep(1)
  }
}

/** Collects garbage, waits until the resources this process holds are stable, and returns them. */
export async function settle(): Promise<Holdings> {
  await collectGarbage()
  return await waitUntilStable(holdings, 'descriptors, threads and mappings')
}
