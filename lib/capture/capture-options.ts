import {
  checkBoolean,
  checkFilter,
  checkGroup,
  checkInteger,
  checkNetns,
  checkRatio,
  checkSignal,
  checkWord,
} from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { checkAddresses, type HostList } from '../filter/address-sets.js'
import { type InterfaceSelection, normaliseSelection, type Selection } from '../interfaces/selection.js'
import type { LossSettings } from './loss-watch.js'
import type { NativeCaptureOptions } from './native.js'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

/** The kernel's ring. */
export interface RingOptions {
  /**
   * Bytes of ring memory. It is the kernel's, locked, and outside every cgroup's limit: where the kernel cannot give
   * all of it, the capture takes less and says so with a `warning`. Default 64 MiB.
   *
   * With `backend: 'pcap'` the bound of all interfaces' buffers together. They share it evenly, at 1 MiB or more each;
   * with hot-plug half of it (at least what 16 interfaces would not use up) is kept for those that come later. An
   * interface for which nothing is left is not captured: an error from the start, later a `warning`.
   */
  memory?: number | undefined
  /**
   * Bytes of one block: a power of two from 256 KiB to 4 MiB. A packet longer than a block would be cut; 256 KiB hold
   * every merged TCP segment of 64 KiB, 1 MiB those of BIG TCP. A twentieth of it is for the index of its packets; in
   * blocks above 1 MiB each packet takes 64 (2 MiB) or 192 bytes (4 MiB) more instead. Default 1 MiB, or less (not below
   * 256 KiB) where `memory` is small.
   */
  blockSize?: number | undefined
  /**
   * Rings that share the traffic, a thread each: for more than one processor core can take in. Each packet is in exactly
   * one ring, both directions of a flow in the same (PACKET_FANOUT_HASH). `memory` is divided among them. 1 to 64,
   * default 1.
   */
  count?: number | undefined
  /**
   * Interfaces that have a ring of their own, with a thread: a flood on one takes no room in the ring, and no time of the
   * thread, from the others. In the order of their indexes when the capture opens, then as they are selected; when one
   * goes, its ring is the next one's. Interfaces beyond that number share one more ring, and so do packets of an
   * interface until it is selected: its first packets are not lost, but they may be delivered after later ones. `memory`
   * is divided evenly among all these rings. Not together with `count`. 0 to 63, default 0.
   */
  perInterface?: number | undefined
  /**
   * Milliseconds that JavaScript may be busy without a loss while few packets come. A block is handed over after
   * `chunk.maxDelay` however little is in it, so the ring holds (number of blocks) × (that delay) worth of time; this
   * option sets the block size, and the delay where that is not given, so that it is enough. Default 1000.
   */
  maxStall?: number | undefined
  /**
   * How the kernel is told which interfaces are wanted: `'ebpf'` maps, a `'classic'` BPF search tree, or `'auto'`: eBPF
   * where the process may use it (CAP_BPF), else classic. Both select the same packets; only eBPF counts what was
   * received per interface, and takes thousands of addresses (`excludeHosts`). Default `'auto'`.
   */
  table?: 'auto' | 'ebpf' | 'classic' | undefined
}

/** How packets are put together to chunks. */
export interface ChunkOptions {
  /** Milliseconds after which a part-filled chunk is handed over, 1 to 10000. Default 20. */
  maxDelay?: number | undefined
  /**
   * Hand out copies of the ring's blocks instead of the blocks themselves: slower, for programs that must not hold
   * kernel memory. It is done anyway where the embedder allows no external ArrayBuffers. Default false.
   */
  copy?: boolean | undefined
}

/** Memory for blocks copied out of the ring. */
export interface OverflowOptions {
  /**
   * Bytes for blocks that the kernel is about to need while they wait for JavaScript, or while JavaScript holds them. It
   * is taken as needed, and what a block really contains counts: at a low rate it lasts for a long time. 0: none. With
   * `backend: 'pcap'` all packets that wait for JavaScript, or that it holds, are here: 2 MiB at least. Default 64 MiB.
   */
  memory?: number | undefined
}

/**
 * When a loss of packets is worth an event (`CaptureEvents.loss`). What was lost is counted in `stats()` either way.
 *
 * The ratio is that of the lost packets to the received ones, those included, within a sliding window.
 */
export interface LossOptions {
  /** Milliseconds that the ratio is taken over, 100 to 3600000. Default 60000. */
  window?: number | undefined
  /** Ratio from which on the level is `warn`: above 0, up to 1. Default 0.03, or `critical` where that is less. */
  warn?: number | undefined
  /** Ratio from which on the level is `critical`: `warn` to 1. Default 0.05, or `warn` where that is more. */
  critical?: number | undefined
  /**
   * Packets that must be lost within the window for a level other than `none`, 1 to 1000000000: in a quiet minute a
   * single packet may be half of all. Default 10.
   */
  minimum?: number | undefined
}

/** What {@link Capture.open} takes; everything is optional. */
export interface CaptureOptions {
  /** Which interfaces; see {@link InterfaceSelection}. Default: every interface but loopback, those present now. */
  interfaces?: InterfaceSelection | undefined
  /** A pcap-filter(7) expression. Default: none, every packet. */
  filter?: string | undefined
  /**
   * Addresses whose packets are not captured: a packet is dropped in the kernel when its source or its destination is
   * one of them. Beside `filter`: a packet must pass both. Default: none.
   *
   * It means what the pcap filter `not (host … or net … or …)` would, were it not for the number of addresses: in ARP
   * the addresses of sender and target count, in IPv6 those of the plain header; each fragment has addresses; those
   * inside tunnels are not looked at; and what has no address, such as LLDP, or a packet too short for one, is captured.
   * Unlike there, up to two VLAN tags in the bytes are looked through.
   *
   * Changes while the capture runs: {@link Capture.setHosts}. With CAP_BPF the addresses are kept in kernel maps, and
   * 100 000 cost a packet little more than one. Without, they are written into the filter program, which holds some
   * 1500 addresses of IPv4, or 250 to 600 of IPv6: more is `ERR_FILTER_TOO_LARGE`.
   */
  excludeHosts?: HostList | undefined
  /**
   * The only addresses whose packets are captured: source or destination must be one of them, and what has no address
   * is dropped. `excludeHosts` wins. Not given, or an empty list (as programs build from an empty setting): all. What
   * counts as an address, and how many there may be: as with `excludeHosts`.
   */
  includeHosts?: HostList | undefined
  /** Bytes kept of each packet, 1 to 262144. Default 262144. */
  snapshotLength?: number | undefined
  /** Receive also what is addressed to others, on each selected interface. Default false. */
  promiscuous?: boolean | undefined
  /**
   * `'in'`: only what the interfaces receive; `'out'`: only what they send. On loopback each packet is seen twice by the
   * kernel, and delivered once, as incoming: with `'out'` loopback has none. Default `'both'`.
   */
  direction?: 'both' | 'in' | 'out' | undefined
  /**
   * Deliver a packet once where several captured interfaces see it: a container's veth, the bridge, the uplink. The
   * first sighting is delivered, the later ones are counted as {@link CaptureStats.duplicates}. Default false.
   *
   * | the packet | delivered | duplicates |
   * |---|---|---|
   * | bridged from one port to others, or flooded | in at the port | out at the others, in at the bridge |
   * | from a port to the host | in at the port | in at the bridge |
   * | from the host through a bridge | out at the bridge | out at its ports |
   * | routed | in where it came in | out wherever it leaves, a bridge's ports too |
   * | through a veth pair with both ends here | out at the first end | in at the other |
   *
   * Bonds and teams are like bridges. Where the first interface is not captured, the next one counts; so does, where the
   * first sighting does not satisfy the filter, the next one that does (address translation). It goes by the way a
   * packet takes, never by its content: a retransmission is another packet, and so is what comes out of a tunnel. A
   * VLAN's or macvlan's interface and the one beneath it both deliver.
   *
   * In doubt a packet is delivered twice rather than never:
   *
   * - in the moment until a new interface, or a new port of a bridge, is known and decided upon;
   * - flooded copies, where the interface that a packet came in on is not captured (or `direction` is `'out'`), or the
   *   host floods it through a bridge that is not captured;
   * - what is routed from a bridge that is not captured, where only some of its ports are;
   * - where the kernel puts packets off between a bridge's port and the bridge (RPS on the bridge, queues to programs).
   *
   * Not delivered, though, is
   *
   * - what a program or the kernel sends at the port of a captured bridge, past the bridge (but for link-local frames, to
   *   01:80:c2:00:00:0X: spanning tree, LLDP, LACP), and what enters a pair past the tap (`PACKET_QDISC_BYPASS`, XDP);
   * - what is sent at a port that has just left its bridge, until the news of that is read;
   * - what traffic control redirects to another captured interface as it leaves one;
   * - with a filter that tells interfaces or directions (`inbound`), what it refuses at the bridge or the first end of a
   *   pair, and would accept at a port or the other end.
   *
   * All that needs eBPF (CAP_BPF). In the classic form of the table (`stats().ring.table`; a `warning` says so) it
   * goes by topology alone, in user space: routed packets are delivered as they come in and as they leave; where not
   * every port of a bridge is captured, so are bridged ones, and with `direction: 'out'` everything; the filter decides
   * about the first sighting only; duplicates take room in the ring.
   */
  dedupe?: boolean | undefined
  /** The kernel's ring. */
  ring?: RingOptions | undefined
  /** How packets are put together to chunks. */
  chunk?: ChunkOptions | undefined
  /** Memory beside the ring. */
  overflow?: OverflowOptions | undefined
  /** When a loss of packets is worth an event. */
  loss?: LossOptions | undefined
  /**
   * Path of a network namespace to capture in, such as `/run/netns/blue` or `/proc/4711/ns/net`. Needs CAP_SYS_ADMIN.
   * Interfaces and their indexes are those of that namespace. Default: that of this process.
   */
  netns?: string | undefined
  /**
   * Where packets come from.
   *
   * - `'ring'`: packet sockets with rings of our own, which serve all interfaces at once.
   * - `'pcap'`: libpcap, with a handle for each interface. For where `'ring'` cannot be had, and for devices that are no
   *   network interfaces but that libpcap can listen on, such as `nflog:5`, `usbmon1` or `bluetooth-monitor`: those are
   *   captured when `interfaces` names them exactly, and need the privilege that libpcap asks for each (nflog:
   *   CAP_NET_ADMIN). Which there are depends on how libpcap was built. All packets are copied.
   *
   *   What differs: `packet.direction` and `packet.kind` are `undefined` unless only one direction is captured;
   *   checksum flags are never set; the tag of a VLAN is taken out of the bytes also where the sender had put it there;
   *   the first packets of an interface that appears, or comes up, are lost until the news of it is read; of the options
   *   of `ring` only `memory` has a meaning, and `overflow.memory` is at least 2 MiB. On what is no network interface
   *   libpcap itself filters: `setFilter` may lose packets there, and `stop()` cannot fetch what the device has not
   *   handed over yet (nflog: up to a second's worth).
   *
   * Default `'ring'`.
   */
  backend?: 'ring' | 'pcap' | undefined
  /** Aborting closes the capture; iterations reject with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** The options, checked, with every default in place. @internal */
export interface NormalisedOptions {
  readonly selection: Selection
  readonly signal: AbortSignal | undefined
  readonly loss: LossSettings
  readonly native: NativeCaptureOptions
}

/**
 * Checks what the user gave, once and for all.
 *
 * @throws CaptureError `ERR_OPTION`, `ERR_PATTERN`.
 * @internal
 */
export function normaliseOptions(given: CaptureOptions | undefined): NormalisedOptions {
  const options = checkGroup(given, 'options', [
    'interfaces',
    'filter',
    'excludeHosts',
    'includeHosts',
    'snapshotLength',
    'promiscuous',
    'direction',
    'dedupe',
    'ring',
    'chunk',
    'overflow',
    'loss',
    'netns',
    'backend',
    'signal',
  ])
  const pcap = checkWord(orElse(options.backend, 'ring'), 'backend', ['ring', 'pcap']) === 'pcap'
  const { filter, signal } = options
  checkFilter(filter, 'filter')
  checkSignal(signal, 'signal')
  const selection = normaliseSelection(options.interfaces)
  const ring = pcap ? normalisePcap(options) : normaliseRing(options)
  return {
    selection,
    signal,
    loss: normaliseLoss(options.loss),
    native: {
      ...ring,
      names: [...(selection.names ?? [])],
      snapshotLength: checkInteger(orElse(options.snapshotLength, 262144), 'snapshotLength', 1, 262144, 'bytes'),
      direction: ['both', 'in', 'out'].indexOf(
        checkWord(orElse(options.direction, 'both'), 'direction', ['both', 'in', 'out']),
      ),
      hotplug: selection.hotplug,
      promiscuous: checkBoolean(orElse(options.promiscuous, false), 'promiscuous'),
      dedupe: checkBoolean(orElse(options.dedupe, false), 'dedupe'),
      filter,
      excludeHosts: checkAddresses(options.excludeHosts, 'excludeHosts'),
      includeHosts: checkAddresses(options.includeHosts, 'includeHosts'),
      netns: checkNetns(options.netns, 'netns'),
    },
  }
}

/** The default where an option is not given. Not for null: that is a wrong value, and refused like any other. */
function orElse<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value
}

function normaliseLoss(given: LossOptions | undefined): LossSettings {
  const { window, warn, critical, minimum } = checkGroup(given, 'loss', ['window', 'warn', 'critical', 'minimum'])
  const warnAt = warn === undefined ? 0.03 : checkRatio(warn, 'loss.warn')
  const criticalAt = critical === undefined ? 0.05 : checkRatio(critical, 'loss.critical')
  if (warn !== undefined && critical !== undefined && warn > critical) {
    throw optionError('loss.warn', `at most loss.critical, ${critical}`, warn)
  }
  return {
    window: checkInteger(orElse(window, 60_000), 'loss.window', 100, 3_600_000, 'milliseconds'),
    warn: warn === undefined ? Math.min(warnAt, criticalAt) : warnAt,
    critical: critical === undefined ? Math.max(warnAt, criticalAt) : criticalAt,
    minimum: checkInteger(orElse(minimum, 10), 'loss.minimum', 1, 1_000_000_000, 'packets'),
  }
}

type RingSettings = Pick<
  NativeCaptureOptions,
  | 'blockSize'
  | 'blockCount'
  | 'ringCount'
  | 'ownRings'
  | 'overflowMemory'
  | 'maxDelay'
  | 'table'
  | 'copying'
  | 'pcap'
  | 'pcapMemory'
>

const maxRings = 64
const fewestBlocks = 4
const smallestBlock = 256 * KiB
const largestBlock = 4 * MiB
const usualBlock = MiB
const longestDelay = 10_000
const maxMemory = 64 * GiB
/** libpcap's smallest buffer here, and the least memory for blocks (native/core/capture/pcap/pcap_table.cpp, pcap_loop.h). */
const leastPcapBuffer = MiB
const leastPcapOverflow = 2 * MiB

/** What only the ring's filter does. */
const ringOnly = ['dedupe', 'excludeHosts', 'includeHosts'] as const
const ringKeys = ['memory', 'blockSize', 'count', 'perInterface', 'maxStall', 'table'] as const

/** The settings that mean the same whatever the packets come from. */
function normaliseChunks(options: CaptureOptions, leastOverflow: number) {
  const chunk = checkGroup(options.chunk, 'chunk', ['maxDelay', 'copy'])
  const overflow = checkGroup(options.overflow, 'overflow', ['memory'])
  return {
    maxDelay: checkInteger(orElse(chunk.maxDelay, 20), 'chunk.maxDelay', 1, longestDelay, 'milliseconds'),
    copying: checkBoolean(orElse(chunk.copy, false), 'chunk.copy'),
    overflowMemory: checkInteger(
      orElse(overflow.memory, 64 * MiB),
      'overflow.memory',
      leastOverflow,
      maxMemory,
      'bytes',
    ),
  }
}

function normalisePcap(options: CaptureOptions): RingSettings {
  const ring = checkGroup(options.ring, 'ring', ringKeys)
  for (const key of ringKeys) {
    if (key === 'memory' || ring[key] === undefined) continue
    throw new CaptureError('ERR_OPTION', `ring.${key} has no meaning with backend: 'pcap'`, { option: `ring.${key}` })
  }
  for (const key of ringOnly) {
    if (options[key] === undefined || options[key] === false) continue
    throw new CaptureError('ERR_OPTION', `${key} is not to be had with backend: 'pcap'`, { option: key })
  }
  const { maxDelay, copying, overflowMemory } = normaliseChunks(options, leastPcapOverflow)
  return {
    pcap: true,
    pcapMemory: checkInteger(orElse(ring.memory, 64 * MiB), 'ring.memory', leastPcapBuffer, maxMemory, 'bytes'),
    maxDelay,
    overflowMemory,
    copying,
    // Of rings, of which there are none.
    blockSize: 0,
    blockCount: 0,
    ringCount: 0,
    ownRings: false,
    table: 0,
  }
}

function normaliseRing(options: CaptureOptions): RingSettings {
  const ring = checkGroup(options.ring, 'ring', ringKeys)
  const { maxDelay: usualDelay, copying, overflowMemory } = normaliseChunks(options, 0)
  const perInterface = checkInteger(orElse(ring.perInterface, 0), 'ring.perInterface', 0, maxRings - 1)
  if (perInterface > 0 && ring.count !== undefined) {
    throw new CaptureError('ERR_OPTION', 'ring.perInterface and ring.count exclude each other', {
      option: 'ring.perInterface',
    })
  }
  const ringCount = perInterface > 0 ? perInterface + 1 : checkInteger(orElse(ring.count, 1), 'ring.count', 1, maxRings)
  const allMemory = checkInteger(
    orElse(ring.memory, 64 * MiB),
    'ring.memory',
    fewestBlocks * smallestBlock * ringCount,
    maxMemory,
    'bytes',
  )
  const memory = Math.floor(allMemory / ringCount)
  const maxStall = checkInteger(orElse(ring.maxStall, 1000), 'ring.maxStall', 1, 3_600_000, 'milliseconds')
  const delayGiven = options.chunk?.maxDelay !== undefined

  let blockSize = checkInteger(
    orElse(ring.blockSize, usualBlock),
    'ring.blockSize',
    smallestBlock,
    largestBlock,
    'bytes',
  )
  if ((blockSize & (blockSize - 1)) !== 0) throw optionError('ring.blockSize', 'a power of two', blockSize)
  // One block is always the one being filled.
  const lasts = () => (Math.floor(memory / blockSize) - 1) * usualDelay
  if (ring.blockSize === undefined) {
    const tooFew = () => memory < fewestBlocks * blockSize
    while (blockSize > smallestBlock && (tooFew() || lasts() < maxStall)) blockSize /= 2
  }
  const blockCount = Math.floor(memory / blockSize)
  if (blockCount < fewestBlocks) {
    throw new CaptureError(
      'ERR_OPTION',
      `ring.memory must hold at least ${fewestBlocks} blocks for each ring; ${memory} bytes hold ${blockCount} of ${blockSize}`,
      { option: 'ring.memory' },
    )
  }
  let maxDelay = usualDelay
  if (lasts() < maxStall) {
    if (!delayGiven) {
      maxDelay = Math.ceil(maxStall / (blockCount - 1))
    }
    if (maxDelay > longestDelay || (delayGiven && ring.maxStall !== undefined)) {
      throw new CaptureError(
        'ERR_OPTION',
        `ring.maxStall of ${maxStall} ms cannot be kept: ${blockCount} blocks handed over after ${usualDelay} ms each last ` +
          `${lasts()} ms; raise ring.memory to ${(Math.ceil(maxStall / usualDelay) + 1) * blockSize * ringCount} bytes, or chunk.maxDelay to ${Math.ceil(maxStall / (blockCount - 1))} ms`,
        { option: 'ring.maxStall' },
      )
    }
  }
  return {
    blockSize,
    blockCount,
    ringCount,
    ownRings: perInterface > 0,
    pcap: false,
    pcapMemory: 0,
    overflowMemory,
    copying,
    maxDelay,
    table: ['auto', 'ebpf', 'classic'].indexOf(
      checkWord(orElse(ring.table, 'auto'), 'ring.table', ['auto', 'ebpf', 'classic']),
    ),
  }
}
