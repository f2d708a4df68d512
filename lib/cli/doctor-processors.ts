// On which processors packets arrive, where the threads of this process may run, and what follows for the rings.
import { readdirSync, readFileSync } from 'node:fs'
import { nodeOf, processorsIn, processorsText, usableProcessors } from '../processors.js'

export interface Processors {
  /** Those that this process is scheduled on; `undefined` without /proc. */
  readonly usable: readonly number[] | undefined
  /** Those without processes that were not bound to them (isolcpus=). */
  readonly isolated: readonly number[]
  /** The processors of each NUMA node; one entry, or none, where memory is the same for all. */
  readonly nodes: readonly (readonly number[])[]
}

export interface Reception {
  /** Queues in which the device delivers packets. */
  readonly queues: number
  /** On which packets enter the network stack: those that RPS names, else those of the queues' interrupts. */
  readonly processors: readonly number[]
  /** Whether the kernel distributes packets itself (RPS). */
  readonly steered: boolean
  /** The NUMA node of the device; `undefined` if it has none. */
  readonly node: number | undefined
}

const ascending = (numbers: Iterable<number>) => [...new Set(numbers)].sort((a, b) => a - b)

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

export function processors(root = ''): Processors {
  const system = `${root}/sys/devices/system`
  const nodes = namesIn(`${system}/node`).filter((name) => /^node\d+$/.test(name))
  return {
    usable: usableProcessors(root),
    isolated: processorsIn(`${system}/cpu/isolated`) ?? [],
    nodes: nodes
      .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
      .map((name) => processorsIn(`${system}/node/${name}/cpulist`) ?? []),
  }
}

/** The processors of a mask as sysfs writes it: words of 32 bits in hex, the highest first. */
function ofMask(file: string): number[] {
  let mask = 0n
  try {
    mask = BigInt(`0x${readFileSync(file, 'latin1').trim().replaceAll(',', '')}`)
  } catch {
    return []
  }
  const numbers: number[] = []
  for (let number = 0; mask >> BigInt(number) > 0n; number++) if ((mask >> BigInt(number)) & 1n) numbers.push(number)
  return numbers
}

/** Names of interrupts of a device that are not for receiving. */
const otherInterrupts = /config|control|output|async|event|admin|mgmnt|link|[-.]tx(?![-.]?rx)/i

/** The processors of a device's interrupts for receiving; of a virtio device they are its PCI device's. */
function interrupted(device: string, root: string): number[] {
  const folder = `${root}/sys/class/net/${device}/device`
  const [numbers = []] = [`${folder}/msi_irqs`, `${folder}/../msi_irqs`].map(namesIn).filter((list) => list.length > 0)
  return numbers.flatMap((number) => {
    const irq = `${root}/proc/irq/${number}`
    // The handlers' names are folders. An interrupt without a handler is not in use.
    const files = namesIn(irq)
    const handlers = files.filter((name) => !/^(smp_|effective_)?affinity|^(node|spurious)$/.test(name))
    if (handlers.length === 0 || handlers.every((name) => otherInterrupts.test(name))) return []
    return processorsIn(`${irq}/effective_affinity_list`) ?? processorsIn(`${irq}/smp_affinity_list`) ?? []
  })
}

/** Where packets of the device arrive; `undefined` where the kernel does not say: most virtual devices. */
export function receptionOf(device: string, root = ''): Reception | undefined {
  const queues = namesIn(`${root}/sys/class/net/${device}/queues`).filter((name) => name.startsWith('rx-'))
  const steered = ascending(
    queues.flatMap((queue) => ofMask(`${root}/sys/class/net/${device}/queues/${queue}/rps_cpus`)),
  )
  const processors = steered.length > 0 ? steered : ascending(interrupted(device, root))
  if (processors.length === 0) return undefined
  return { queues: queues.length, processors, steered: steered.length > 0, node: nodeOf(device, root) }
}

/** What a capture on the device could gain from places for its rings; and what stands in the way. */
export function placementNotes(name: string, reception: Reception, { usable, isolated, nodes }: Processors): string[] {
  if (usable === undefined) return []
  const lines: string[] = []
  const { processors, node } = reception
  const within = processors.filter((one) => usable.includes(one) || isolated.includes(one))
  if (within.length > 1)
    lines.push(
      `${name} receives on the processors ${processorsText(processors)}. If one thread cannot keep up with its packets, a ring ` +
        `on each: --ring-mode\u00a0cpu --ring-cpus\u00a0${processorsText(within)}`,
    )
  const outside = processors.filter((one) => !within.includes(one))
  if (outside.length > 0)
    lines.push(`${name} receives on processors that this process does not use: ${processorsText(outside)}.`)
  const local = node === undefined || nodes.length < 2 ? undefined : nodes[node]
  if (local && !usable.some((one) => local.includes(one)))
    lines.push(
      `${name} is attached to NUMA node ${node} (processors ${processorsText(local)}), of which this process uses no processor: ` +
        'its packets cross between the nodes.',
    )
  return lines
}
