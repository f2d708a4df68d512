import { checkBoolean, checkEntry, checkGroup, checkInteger, orElse } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { FilterMode, Sharing } from '../native/numbers.js'
import type { NativeCaptureOptions } from './native.js'
import { normaliseGroup, type RingGroup } from './ring-group.js'
import { normaliseLayout } from './ring-layout.js'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

/** The ring, or rings, in which the kernel puts packets. */
export interface RingOptions {
  /**
   * Bytes of ring memory, all rings together, from 1 MiB per ring to 64 GiB. Default 64 MiB. The kernel allocates and
   * locks it, outside the limits of memory cgroups. Where the kernel refuses all of it (ENOMEM), the capture runs with
   * less and emits a `warning`. It refuses late: before that it reclaims other memory, in the last resort with the OOM
   * killer. Choose a size that the machine can spare.
   *
   * While a program takes views (`packet.data`), copies of blocks occupy up to half as much memory of the process: those
   * that it has not released, those whose views the garbage collector has yet to find, and memory for the next.
   *
   * With `backend: 'pcap'`: bytes of all interfaces' buffers together, from 1 MiB. Each interface gets an equal share,
   * at least 1 MiB. With `hotplug`, each of n interfaces gets 1/(2n) of it, at most a sixteenth, so that some is left
   * for those that come later. An interface for which nothing is left is not captured: an error at the start, a
   * `warning` later.
   */
  memory?: number | undefined
  /**
   * Bytes of one block: a power of two from 256 KiB to 4 MiB. A packet longer than a block would be cut; 256 KiB hold
   * every merged TCP segment of 64 KiB, 1 MiB those of BIG TCP. A twentieth of a block holds the index of its packets;
   * in blocks above 1 MiB each packet takes 64 (2 MiB) or 192 bytes (4 MiB) more instead. Default 1 MiB, or less (not
   * below 256 KiB) where `memory` is small.
   */
  blockSize?: number | undefined
  /**
   * Number of rings that share the traffic, each with a thread: for rates that one processor core cannot handle. Each
   * packet is in exactly one ring, and both directions of a flow are in the same (PACKET_FANOUT_HASH). `memory` is
   * divided among them. 1 to 64; default 1, or the number of `cpus`.
   */
  count?: number | undefined
  /**
   * The processors of the rings, a list with one for each, by the kernel's numbers: the ring's thread runs on its
   * processor alone, and its memory is of that processor's NUMA node. The list may name processors that the program
   * itself does not use: isolated ones, or others than taskset(1) gave it; not those outside its cpuset (cpuset(7)) nor
   * those that are offline: `Capture.open` then rejects with `ERR_OPTION` and names the allowed ones. JavaScript's thread
   * and the others of the process are not affected.
   *
   * `'auto'`: of the processors that the process uses (`Cpus_allowed_list` of proc_pid_status(5)) as many as there are
   * rings: first those of the NUMA nodes of the network devices, then the others, each in ascending order. Without
   * `count` and `perInterface` that is one, because the first ring is enough for most (`ringtap doctor` proposes).
   *
   * Default: wherever the kernel's scheduler puts them.
   */
  cpus?: readonly number[] | 'auto' | undefined
  /**
   * How the rings share the traffic.
   *
   * - `'hash'`: by flow; both directions of a flow go to the same ring.
   * - `'cpu'`: by the processor that receives or sends the packet: each of `cpus` has its ring, so that a packet is read
   *   where the kernel has just written it. The packets of processors that are not in `cpus` go to the ring (processor
   *   modulo number of rings). The two directions of a flow may go to different rings, which are delivered in no order
   *   of their own: {@link TcpReassembler} waits for what is late, {@link FlowTable} may take the answer for the start.
   *
   * Not with `perInterface` or `group` (which has a mode of its own). Default `'hash'`.
   */
  mode?: 'hash' | 'cpu' | undefined
  /**
   * Number of interfaces that have a ring and a thread of their own, so that a flood on one does not use up the ring or
   * the thread of the others. Rings are given to interfaces in the order of their indexes when the capture opens, then
   * as they are selected; when an interface goes, the next one gets its ring. Interfaces beyond that number share one
   * more ring. It also takes the packets of an interface until that is selected: its first packets are not lost, but
   * may be delivered after later ones. `memory` is divided evenly among all these rings. Excludes `count`. 0 to 63,
   * default 0.
   */
  perInterface?: number | undefined
  /** Share the traffic with other captures, also of other processes; see {@link RingGroup}. Default: with none. */
  group?: RingGroup | undefined
  /**
   * Milliseconds for which JavaScript may be busy at a low packet rate without a loss, 1 to 3600000. A block is handed
   * over after `chunk.maxDelay` however little is in it, so the ring lasts for (number of blocks) × (that delay); this
   * option sets the block size, and the delay where that is not given, so that this is enough. Default 1000.
   */
  maxStall?: number | undefined
  /**
   * How the kernel filter looks interfaces up: in `'ebpf'` maps, in a search tree of `'classic'` BPF, or `'auto'`: eBPF
   * where the process may use it (CAP_BPF), else classic. Both select the same packets; only eBPF counts received
   * packets per interface, and has room for thousands of addresses (`excludeHosts`). Default `'auto'`.
   *
   * With `'auto'`, a process may give up CAP_BPF while it captures: the filter becomes classic when it is next replaced
   * ({@link Capture.setFilter}). With `'ebpf'` such a change is refused.
   */
  table?: 'auto' | 'ebpf' | 'classic' | undefined
}

/** How packets are grouped into chunks. */
export interface ChunkOptions {
  /** Milliseconds after which a part-filled chunk is handed over, 1 to 10000. Default 20. */
  maxDelay?: number | undefined
  /**
   * Deliver copies of the ring's blocks instead of the blocks themselves: slower, for programs that must not hold
   * kernel memory. Always the case if the embedder does not allow external ArrayBuffers. Default false.
   */
  copy?: boolean | undefined
}

/** Memory for blocks copied out of the ring. */
export interface OverflowOptions {
  /**
   * Bytes for blocks that the kernel is about to need while they wait for JavaScript, or while JavaScript holds them.
   * Allocated as needed, for what a block really contains: at a low rate it lasts for a long time. Up to 64 GiB; 0:
   * none. With `backend: 'pcap'` all packets that wait for JavaScript, or that it holds, are in this memory: at least 2
   * MiB. Default 64 MiB.
   */
  memory?: number | undefined
}

/** The capture options that determine its memory. @internal */
export interface MemoryOptions {
  ring?: RingOptions | undefined
  chunk?: ChunkOptions | undefined
  overflow?: OverflowOptions | undefined
}

type RingSettings = Pick<
  NativeCaptureOptions,
  | 'blockSize'
  | 'blockCount'
  | 'ringCount'
  | 'sharing'
  | 'processors'
  | 'groupId'
  | 'groupType'
  | 'overflowMemory'
  | 'maxDelay'
  | 'table'
  | 'copying'
  | 'pcap'
  | 'pcapMemory'
>

const minBlocks = 4
const minBlockSize = 256 * KiB
const maxBlockSize = 4 * MiB
const defaultBlockSize = MiB
const longestDelay = 10_000
const maxMemory = 64 * GiB
/** Minimum sizes for the pcap backend in bytes (native/core/capture/pcap/pcap_table.cpp, pcap_loop.h). */
const minPcapMemory = MiB
const minPcapOverflow = 2 * MiB

const ringKeys = ['memory', 'blockSize', 'count', 'cpus', 'mode', 'perInterface', 'group', 'maxStall', 'table'] as const
const tables = { auto: FilterMode.AUTO, ebpf: FilterMode.EBPF, classic: FilterMode.CLASSIC } as const

/** Checks the options that both backends share. */
function normaliseChunks({ chunk, overflow }: MemoryOptions, minOverflow: number) {
  const { maxDelay, copy } = checkGroup(chunk, 'chunk', ['maxDelay', 'copy'])
  const { memory } = checkGroup(overflow, 'overflow', ['memory'])
  return {
    delayGiven: maxDelay !== undefined,
    maxDelay: checkInteger(orElse(maxDelay, 20), 'chunk.maxDelay', 1, longestDelay, 'milliseconds'),
    copying: checkBoolean(orElse(copy, false), 'chunk.copy'),
    overflowMemory: checkInteger(orElse(memory, 64 * MiB), 'overflow.memory', minOverflow, maxMemory, 'bytes'),
  }
}

/** For `backend: 'pcap'`: no rings. @internal */
export function normalisePcap(options: MemoryOptions): RingSettings {
  const ring = checkGroup(options.ring, 'ring', ringKeys)
  for (const key of ringKeys) {
    if (key === 'memory' || ring[key] === undefined) continue
    throw new CaptureError('ERR_OPTION', `ring.${key} has no meaning with backend: 'pcap'`, { option: `ring.${key}` })
  }
  const { maxDelay, copying, overflowMemory } = normaliseChunks(options, minPcapOverflow)
  return {
    pcap: true,
    pcapMemory: checkInteger(orElse(ring.memory, 64 * MiB), 'ring.memory', minPcapMemory, maxMemory, 'bytes'),
    maxDelay,
    overflowMemory,
    copying,
    blockSize: 0,
    blockCount: 0,
    ringCount: 0,
    sharing: Sharing.BY_FLOW,
    processors: [],
    ...normaliseGroup(undefined),
    table: FilterMode.AUTO,
  }
}

/** For `backend: 'ring'`. @internal */
export function normaliseRing(options: MemoryOptions): RingSettings {
  const ring = checkGroup(options.ring, 'ring', ringKeys)
  const { delayGiven, maxDelay, copying, overflowMemory } = normaliseChunks(options, 0)
  const layout = normaliseLayout(ring)
  const { ringCount } = layout
  const minMemory = minBlocks * minBlockSize * ringCount
  const allMemory = checkInteger(orElse(ring.memory, 64 * MiB), 'ring.memory', minMemory, maxMemory, 'bytes')
  const maxStall = checkInteger(orElse(ring.maxStall, 1000), 'ring.maxStall', 1, 3_600_000, 'milliseconds')
  const blocks = {
    ...chooseBlocks(ring.blockSize, Math.floor(allMemory / ringCount), maxStall, maxDelay),
    ringCount,
  }
  return {
    ...blocks,
    ...layout,
    ...normaliseGroup(ring.group),
    pcap: false,
    pcapMemory: 0,
    overflowMemory,
    copying,
    maxDelay: chooseDelay(blocks, { maxStall, maxDelay, delayGiven, stallGiven: ring.maxStall !== undefined }),
    table: checkEntry(orElse(ring.table, 'auto'), 'ring.table', tables),
  }
}

/**
 * Milliseconds until a ring is full if JavaScript takes no block, while each block is handed over after `maxDelay` with
 * few packets in it. One block is always being filled.
 */
function lasts(blockCount: number, maxDelay: number): number {
  return (blockCount - 1) * maxDelay
}

/**
 * Divides a ring's memory into blocks. If no block size is given, the default is halved until there are enough blocks
 * and the ring lasts for `maxStall`, or the minimum is reached.
 */
function chooseBlocks(given: number | undefined, memory: number, maxStall: number, maxDelay: number) {
  let blockSize = checkInteger(orElse(given, defaultBlockSize), 'ring.blockSize', minBlockSize, maxBlockSize, 'bytes')
  if ((blockSize & (blockSize - 1)) !== 0) throw optionError('ring.blockSize', 'a power of two', blockSize)
  const count = () => Math.floor(memory / blockSize)
  if (given === undefined) {
    while (blockSize > minBlockSize && (count() < minBlocks || lasts(count(), maxDelay) < maxStall)) blockSize /= 2
  }
  const blockCount = count()
  if (blockCount < minBlocks) {
    throw new CaptureError(
      'ERR_OPTION',
      `ring.memory must hold at least ${minBlocks} blocks for each ring; ${memory} bytes hold ${blockCount} of ${blockSize}`,
      { option: 'ring.memory' },
    )
  }
  return { blockSize, blockCount }
}

interface StallSettings {
  maxStall: number
  stallGiven: boolean
  maxDelay: number
  delayGiven: boolean
}

/** Returns `chunk.maxDelay`, raised if it is not given and the ring would not last for `ring.maxStall`. */
function chooseDelay(
  { blockSize, blockCount, ringCount }: { blockSize: number; blockCount: number; ringCount: number },
  { maxStall, stallGiven, maxDelay, delayGiven }: StallSettings,
): number {
  if (lasts(blockCount, maxDelay) >= maxStall) return maxDelay
  const needed = Math.ceil(maxStall / (blockCount - 1))
  if (delayGiven ? !stallGiven : needed <= longestDelay) return delayGiven ? maxDelay : needed
  throw new CaptureError(
    'ERR_OPTION',
    `ring.maxStall of ${maxStall} ms cannot be kept: ${blockCount} blocks handed over after ${maxDelay} ms each last ` +
      `${lasts(blockCount, maxDelay)} ms; raise ring.memory to ` +
      `${(Math.ceil(maxStall / maxDelay) + 1) * blockSize * ringCount} bytes, or chunk.maxDelay to ${needed} ms`,
    { option: 'ring.maxStall' },
  )
}
