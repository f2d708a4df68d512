// What the doctor reads from the system.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { listInterfaces, type NetworkInterface } from '../index.js'

/** Text of a file, or `undefined` if it cannot be read. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return undefined
  }
}

/** Those of this namespace; none if they cannot be listed. */
export function presentInterfaces(): NetworkInterface[] {
  try {
    return listInterfaces()
  } catch {
    return []
  }
}

export interface Softnet {
  readonly dropped: number
  readonly squeezed: number
}

/** The sums of /proc/net/softnet_stat over all processors, since the system was started. */
export function softnet(): Softnet | undefined {
  const rows = textOf('/proc/net/softnet_stat')?.trim().split('\n')
  const cells = rows?.map((row) => row.split(' ').map((cell) => Number.parseInt(cell, 16)))
  const sum = (column: number) => cells!.reduce((total, row) => total + (row[column] ?? 0), 0)
  return cells && { dropped: sum(1), squeezed: sum(2) }
}

export interface DeviceCounts {
  readonly packets: number
  /** Losses by the kernel's name of the cause; without those that are 0. */
  readonly losses: Readonly<Record<string, number>>
}

/** What each interface has received, and lost, since it exists, from the table /proc/net/dev. */
export function deviceCounts(text = textOf('/proc/net/dev') ?? ''): ReadonlyMap<string, DeviceCounts> {
  const lines = text.split('\n').slice(2).filter(Boolean)
  return new Map(
    lines.map((line) => {
      // name: bytes packets errs drop fifo …; a name may contain any character but colons and white space.
      const at = line.lastIndexOf(':')
      const [, packets = 0, errors = 0, dropped = 0, overruns = 0] = line
        .slice(at + 1)
        .trim()
        .split(/\s+/)
        .map(Number)
      const losses = Object.entries({ errors, dropped, overruns }).filter(([, count]) => count > 0)
      return [line.slice(0, at).trim(), { packets, losses: Object.fromEntries(losses) }]
    }),
  )
}

/**
 * The offloads of a device that are on, by ethtool's names: those that make frames larger than the MTU, and checksums that
 * the device fills in. `undefined` if ethtool(8) is not installed or cannot read them.
 */
export function offloadsOf(name: string): readonly string[] | undefined {
  const { status, stdout } = spawnSync('ethtool', ['-k', name], { encoding: 'latin1' })
  if (status !== 0 || !stdout) return undefined
  const on = stdout.matchAll(/^([a-z-]*(?:segmentation|receive)-offload|[rt]x-checksumming): on/gm)
  return [...on].map(([, what]) => what!)
}

/** How `ethtool -K` abbreviates the offloads that make frames larger than the MTU. */
const superFrames: Readonly<Record<string, string>> = {
  'tcp-segmentation-offload': 'tso',
  'generic-segmentation-offload': 'gso',
  'generic-receive-offload': 'gro',
  'large-receive-offload': 'lro',
}

export const superFrameOffloads = (on: readonly string[]) =>
  on.map((what) => superFrames[what]).filter((short) => short !== undefined)

export interface MemoryLimit {
  /** Bytes; `undefined`: there is no limit. */
  readonly limit: number | undefined
  /** Bytes that the group with the limit uses. */
  readonly used: number | undefined
}

/**
 * The lowest memory limit of the process's control group and those above it, of version 1 or 2.
 *
 * @param root Where the kernel's file systems are mounted.
 */
export function memoryLimit(root = ''): MemoryLimit {
  let lowest: MemoryLimit = { limit: undefined, used: undefined }
  for (const line of textOf(`${root}/proc/self/cgroup`)?.trim().split('\n') ?? []) {
    // 4:memory:/path of version 1, 0::/path of version 2
    const [, controllers, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    const isFirst = controllers?.split(',').includes('memory')
    if (group === undefined || !(isFirst || controllers === '')) continue
    const mount = `${root}/sys/fs/cgroup${isFirst ? '/memory' : ''}`
    const names = isFirst ? ['memory.limit_in_bytes', 'memory.usage_in_bytes'] : ['memory.max', 'memory.current']
    const parts = group.split('/').filter((part) => part !== '' && part !== '..')
    for (let length = parts.length; length >= 0; length--) {
      const folder = [mount, ...parts.slice(0, length)].join('/')
      const limit = Number(textOf(`${folder}/${names[0]}`)?.trim())
      // Version 1 writes "no limit" as a number near 2^63.
      if (!(limit < 2 ** 60) || limit >= (lowest.limit ?? Number.POSITIVE_INFINITY)) continue
      const used = Number(textOf(`${folder}/${names[1]}`)?.trim())
      lowest = { limit, used: Number.isFinite(used) ? used : undefined }
    }
  }
  return lowest
}

/** Bytes that the system could give to programs now. */
export function availableMemory(): number | undefined {
  const kilobytes = /^MemAvailable: +(\d+) kB/m.exec(textOf('/proc/meminfo') ?? '')?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** Bytes that the process may lock; `undefined`: any number. Kernels before 5.11 charge eBPF maps to it. */
export function lockedMemory(): number | undefined {
  const text = /^Max locked memory +(\S+)/m.exec(textOf('/proc/self/limits') ?? '')?.[1]
  return text === undefined || text === 'unlimited' ? undefined : Number(text)
}
