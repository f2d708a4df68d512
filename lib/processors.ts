// Which processors there are, from the files of the kernel. Every function takes the root directory of its file systems.
import { readdirSync, readFileSync } from 'node:fs'

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1').trim()
  } catch {
    return undefined
  }
}

/** Numbers of processors in the kernel's form, such as `0-3,8`; `undefined` if it is another text. @internal */
export function parseProcessors(text: string): number[] | undefined {
  const numbers = new Set<number>()
  for (const range of text === '' ? [] : text.split(',')) {
    const [, from, to = from] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(range) ?? []
    if (from === undefined || Number(to) < Number(from)) return undefined
    for (let number = Number(from); number <= Number(to); number++) numbers.add(number)
  }
  return [...numbers].sort((a, b) => a - b)
}

/** The same numbers in that form. @internal */
export function processorsText(numbers: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const number of numbers) {
    const last = ranges.at(-1)
    if (last?.[1] === number - 1) last[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

/** The processors listed in a file of the kernel; `undefined` if it cannot be read. @internal */
export function processorsIn(file: string): number[] | undefined {
  const text = textOf(file)
  return text === undefined ? undefined : parseProcessors(text)
}

/** Those that this thread may be scheduled on: the mask of sched_setaffinity(2) within the cpuset. @internal */
export function usableProcessors(root = ''): number[] | undefined {
  const status = textOf(`${root}/proc/thread-self/status`) ?? textOf(`${root}/proc/self/status`)
  const list = /^Cpus_allowed_list:\s*(\S*)$/m.exec(status ?? '')?.[1]
  return list === undefined ? undefined : parseProcessors(list)
}

/**
 * The NUMA node that a network device is attached to; `undefined` for a virtual one, or with one node. That of a virtio
 * device is its PCI device's.
 *
 * @internal
 */
export function nodeOf(device: string, root = ''): number | undefined {
  const folder = `${root}/sys/class/net/${device}/device`
  const node = Number(textOf(`${folder}/numa_node`) ?? textOf(`${folder}/../numa_node`) ?? -1)
  return node >= 0 ? node : undefined
}

function devices(root: string): string[] {
  try {
    return readdirSync(`${root}/sys/class/net`)
  } catch {
    return []
  }
}

/** {@link usableProcessors}, those of the NUMA nodes of network devices first. @internal */
export function nearProcessors(root = ''): number[] | undefined {
  const usable = usableProcessors(root)
  const nodes = new Set(devices(root).map((device) => nodeOf(device, root)))
  nodes.delete(undefined)
  const near = new Set(
    [...nodes].flatMap((node) => processorsIn(`${root}/sys/devices/system/node/node${node}/cpulist`) ?? []),
  )
  return usable && [...usable.filter((one) => near.has(one)), ...usable.filter((one) => !near.has(one))]
}
