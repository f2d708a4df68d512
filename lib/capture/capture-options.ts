import {
  checkBoolean,
  checkFilter,
  checkGroup,
  checkInteger,
  checkNetns,
  checkSignal,
  checkWord,
  orElse,
} from '../arguments.js'
import { CaptureError } from '../errors.js'
import { checkAddresses, type HostList } from '../filter/address-sets.js'
import {
  type CheckedSelection,
  type InterfaceSelection,
  normaliseSelection,
  type Selection,
} from '../interfaces/selection.js'
import { type LossOptions, normaliseLoss } from './loss-options.js'
import type { LossSettings } from './loss-watch.js'
import type { NativeCaptureOptions } from './native.js'
import {
  type ChunkOptions,
  normalisePcap,
  normaliseRing,
  type OverflowOptions,
  type RingOptions,
} from './ring-options.js'

/** What {@link Capture.open} takes; everything is optional. */
export interface CaptureOptions {
  /** Which interfaces; see {@link InterfaceSelection}. Default: every interface but loopback, those present now. */
  interfaces?: InterfaceSelection | undefined
  /**
   * A pcap-filter(7) expression. Default: none, every packet.
   *
   * On an interface whose {@link NetworkInterface.linkType} is `undefined` (IP over InfiniBand, CAN, 6LoWPAN, …) no
   * expression matches: a `warning` names each that is selected. With `backend: 'pcap'` libpcap filters these too.
   */
  filter?: string | undefined
  /**
   * Addresses whose packets are not captured: the kernel drops a packet when its source or its destination is one of
   * them. A packet must pass this as well as `filter`. Default: none.
   *
   * It means the same as the pcap filter `not (host … or net … or …)`, for any number of addresses: in ARP the
   * addresses of sender and target count, in IPv6 those of the fixed header; every fragment has addresses; those inside
   * tunnels do not count; and packets without an address, such as LLDP, or too short for one, are captured. Unlike in a
   * pcap filter, up to two VLAN tags in the bytes are skipped.
   *
   * To change it while the capture runs: {@link Capture.setHosts}. With CAP_BPF the addresses are kept in kernel maps,
   * and 100 000 cost a packet little more than one. Without, they are part of the filter program, which holds some 1500
   * addresses of IPv4, or 250 to 600 of IPv6: more is `ERR_FILTER_TOO_LARGE`.
   */
  excludeHosts?: HostList | undefined
  /**
   * The only addresses whose packets are captured: source or destination must be one of them, and packets without an
   * address are dropped. `excludeHosts` wins. Not given, or an empty list (as programs build from an empty setting):
   * all. What counts as an address, and how many there may be: as with `excludeHosts`.
   */
  includeHosts?: HostList | undefined
  /** Bytes kept of each packet, 1 to 262144. Default 262144. */
  snapshotLength?: number | undefined
  /**
   * Put each selected interface into promiscuous mode, to receive packets for other hosts too. Default false.
   *
   * If the selection of an interface changes while the capture runs, the mode is changed on JavaScript's thread. The
   * kernel does that under its RTNL lock: while another process holds it (for a hundred milliseconds while many devices
   * are deleted), the event loop waits.
   */
  promiscuous?: boolean | undefined
  /**
   * `'in'`: only packets that the interfaces receive; `'out'`: only those they send. A packet on loopback passes packet
   * sockets twice, and is delivered once, as incoming: with `'out'` loopback has none. Default `'both'`.
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
   * Bonds and teams are like bridges. Where the first interface is not captured, the next one counts; where the first
   * sighting does not pass the filter, the next one that does (address translation). Duplicates are recognised by the
   * path of a packet, never by its content: a retransmission is another packet, and so is one that leaves a tunnel. The
   * interface of a VLAN or macvlan and its lower device both deliver.
   *
   * In doubt a packet is delivered twice rather than never:
   *
   * - until a new interface, or a new port of a bridge, has been read from the kernel and decided on;
   * - flooded copies, where the interface that a packet came in on is not captured (or `direction` is `'out'`), or the
   *   host floods it through a bridge that is not captured;
   * - packets routed from a bridge that is not captured, where only some of its ports are;
   * - where the kernel queues packets between a bridge's port and the bridge (RPS on the bridge, queues to programs).
   *
   * These packets, however, are not delivered at all:
   *
   * - those that a program or the kernel sends directly on the port of a captured bridge (except link-local frames, to
   *   01:80:c2:00:00:0X: spanning tree, LLDP, LACP), and those that enter a pair without passing packet sockets
   *   (`PACKET_QDISC_BYPASS`, XDP);
   * - those sent on a port that has just left its bridge, until the event of that is read;
   * - those that traffic control redirects to another captured interface as they leave one;
   * - with a filter that depends on the interface or the direction (`inbound`), those that it refuses at the bridge or
   *   the first end of a pair, and would accept at a port or the other end.
   *
   * All this needs eBPF (CAP_BPF). With the classic filter (`stats().ring.table`; there is a `warning`) duplicates are
   * recognised by topology alone, in user space: routed packets are delivered as they come in and as they leave; where
   * not every port of a bridge is captured, so are bridged ones, and with `direction: 'out'` everything; the filter
   * decides about the first sighting only; duplicates take room in the ring.
   */
  dedupe?: boolean | undefined
  /** The kernel's ring. */
  ring?: RingOptions | undefined
  /** How packets are grouped into chunks. */
  chunk?: ChunkOptions | undefined
  /** Memory beside the ring. */
  overflow?: OverflowOptions | undefined
  /** When a loss of packets causes an event. */
  loss?: LossOptions | undefined
  /**
   * Path of a network namespace to capture in, such as `/run/netns/blue` or `/proc/4711/ns/net`. Needs CAP_SYS_ADMIN.
   * Interfaces and their indexes are those of that namespace. Default: that of this process.
   *
   * An open capture keeps the namespace and its interfaces alive: if the namespace is deleted, no interface is removed,
   * and no packet comes any more. There is a `warning` (`ERR_OPTION`, with `option: 'netns'`) within a second or so of
   * the path leading nowhere, or to another namespace: close the capture then. The path of a process stops leading there
   * when the process ends, whether or not others are in the namespace.
   */
  netns?: string | undefined
  /**
   * The clock of {@link Packet.timestamp}.
   *
   * - `'system'`: the system clock, which the kernel reads when it receives or sends the packet.
   * - `'hardware'`: the clock of the network card that received the packet (PACKET_TIMESTAMP), where the card has stamped
   *   it. Every other packet has the system clock's time: what this host sends itself, what virtual devices carry, and
   *   everything on a card that does not stamp. {@link Packet.timestampSource} is the source of each packet.
   *
   * ringtap does not change the settings of a card. An administrator switches its timestamps on (SIOCSHWTSTAMP, which
   * needs CAP_NET_ADMIN): `hwstamp_ctl -i eth0 -r 1` of linuxptp, for all received packets; `ethtool -T eth0` lists what
   * the card can do, and many stamp packets of PTP alone. A `warning` (`ERR_OPTION`, with `option: 'timestamps'`) names
   * each captured interface that does not stamp all packets at the time at which it is selected.
   *
   * A card's clock counts from anywhere, or in TAI, which is 37 s ahead of UTC, until it is synchronised with the system
   * clock (`phc2sys`). Do that: packets with times of two clocks are otherwise in no order, flows and reassembly measure
   * idle time wrongly, and packets that were in the ring while their interface was renamed may be selected and named by
   * the wrong one of its two names.
   *
   * Not available with `backend: 'pcap'`. Default `'system'`.
   */
  timestamps?: 'system' | 'hardware' | undefined
  /**
   * Where packets come from.
   *
   * - `'ring'`: packet sockets with rings, which serve all interfaces at once.
   * - `'pcap'`: libpcap, with a handle for each interface. For systems without such rings, and for devices of libpcap
   *   that are no network interfaces, such as `nflog:5`, `usbmon1` or `bluetooth-monitor`: those are captured when
   *   `interfaces` names them exactly, and need the privilege that libpcap requires for each (nflog: CAP_NET_ADMIN).
   *   Which there are depends on how libpcap was built. All packets are copied.
   *
   *   Differences: `packet.direction` and `packet.kind` are `undefined` unless only one direction is captured; checksum
   *   flags are never set; a VLAN tag is removed from the bytes also where the sender had put it there; the first
   *   packets of an interface that appears, or comes up, are lost until its event is read; of the options of `ring`
   *   only `memory` is accepted, and `overflow.memory` is at least 2 MiB. On devices that are no network interfaces
   *   libpcap does the filtering: `setFilter` may lose packets there, and `stop()` cannot fetch what the device has not
   *   delivered yet (nflog: up to a second's worth).
   *
   * Default `'ring'`.
   */
  backend?: 'ring' | 'pcap' | undefined
  /** Aborting closes the capture; iterations reject with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** The options, checked, with defaults applied. @internal */
export interface NormalisedOptions {
  readonly selection: CheckedSelection
  readonly signal: AbortSignal | undefined
  readonly loss: LossSettings
  readonly native: NativeCaptureOptions
}

/** The same, with the selection compiled. @internal */
export interface OpeningOptions extends Omit<NormalisedOptions, 'selection'> {
  readonly selection: Selection
}

const keys = [
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
  'timestamps',
  'backend',
  'signal',
] as const
const directions = ['both', 'in', 'out'] as const
/** Options that are not available with `backend: 'pcap'`. */
const ringOnly = ['dedupe', 'excludeHosts', 'includeHosts'] as const

/**
 * Checks the options and applies the defaults.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseOptions(given: CaptureOptions | undefined): NormalisedOptions {
  const options = checkGroup(given, 'options', keys)
  const pcap = checkWord(orElse(options.backend, 'ring'), 'backend', ['ring', 'pcap']) === 'pcap'
  const filter = checkFilter(options.filter, 'filter')
  const signal = checkSignal(options.signal, 'signal')
  const selection = normaliseSelection(options.interfaces)
  if (pcap) {
    for (const key of ringOnly) {
      if (options[key] === undefined || options[key] === false) continue
      throw new CaptureError('ERR_OPTION', `${key} is not to be had with backend: 'pcap'`, { option: key })
    }
  }
  const clock = checkWord(orElse(options.timestamps, 'system'), 'timestamps', ['system', 'hardware'])
  if (pcap && clock === 'hardware') {
    const text = "timestamps: 'hardware' is not to be had with backend: 'pcap', which does not report a packet's clock"
    throw new CaptureError('ERR_OPTION', text, { option: 'timestamps' })
  }
  const memory = pcap ? normalisePcap(options) : normaliseRing(options)
  return {
    selection,
    signal,
    loss: normaliseLoss(options.loss),
    native: {
      ...memory,
      names: [...(selection.names ?? [])],
      snapshotLength: checkInteger(orElse(options.snapshotLength, 262144), 'snapshotLength', 1, 262144, 'bytes'),
      direction: directions.indexOf(checkWord(orElse(options.direction, 'both'), 'direction', directions)),
      hardwareTimestamps: clock === 'hardware',
      hotplug: selection.follows,
      promiscuous: checkBoolean(orElse(options.promiscuous, false), 'promiscuous'),
      dedupe: checkBoolean(orElse(options.dedupe, false), 'dedupe'),
      filter,
      excludeHosts: checkAddresses(options.excludeHosts, 'excludeHosts'),
      includeHosts: checkAddresses(options.includeHosts, 'includeHosts'),
      netns: checkNetns(options.netns, 'netns'),
    },
  }
}
