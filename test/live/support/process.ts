import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sleep, waitUntilStable } from './wait.js'

/** What a process holds, for tests that demand that it is given back. */
export interface Holdings {
  /** Open descriptors. */
  descriptors: number
  threads: number
  /** Mappings of all kinds. The allocator's come and go: demand no exact number of these. */
  mappings: number
  /** Mapped rings of packet sockets, and their bytes. */
  rings: number
  ringBytes: number
}

/** What this process holds now. */
export function holdings(): Holdings {
  const maps = readFileSync('/proc/self/maps', 'latin1').trimEnd().split('\n')
  const rings = maps.filter((line) => / socket:\[\d+\]/.test(line))
  return {
    // The listing holds one itself.
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

/** What each open descriptor is (`socket:[…]`, `anon_inode:[eventpoll]`, a path): tells which one leaked. */
export function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)]
    } catch {
      return [] // that of the listing itself
    }
  })
}

/** Resident memory, bytes. Ring memory counts only in so far as the process has touched it. */
export function residentBytes(): number {
  return process.memoryUsage.rss()
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

/** Collects garbage, waits until what the process holds no longer changes, and returns that. */
export async function settle(): Promise<Holdings> {
  await collectGarbage()
  return await waitUntilStable(holdings, 'descriptors, threads and mappings')
}
