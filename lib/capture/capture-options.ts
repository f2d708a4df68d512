import {
  checkBoolean,
  checkEntry,
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
import { type ConnectionList, checkConnections } from '../filter/connections.js'
import {
  type CheckedSelection,
  type InterfaceSelection,
  normaliseSelection,
  type Selection,
} from '../interfaces/selection.js'
import { Direction } from '../native/numbers.js'
import {
  normaliseOwnerOptions,
  type OwnerSettings,
  ownerKeys,
  type SocketOwnersOptions,
} from '../owners/owner-options.js'
import { type CutoffOptions, normaliseCutoff } from './cutoff-options.js'
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
import { normaliseSample, type SampleOptions } from './sample-options.js'
import { checkSlice, nativeSlice, type Slice } from './slice-options.js'

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
  /**
   * Connections whose packets are not captured, in either direction: the kernel drops them. Meant for the program's own
   * ones, such as those over which it forwards what it captures; `excludeHosts` would exclude everything else of those
   * hosts too. A packet must pass this as well as `filter` and the address sets. Default: none.
   *
   * A packet belongs to a connection if it has its ports: TCP or UDP directly behind the header of IPv4 or IPv6; up to
   * two VLAN tags are skipped. These are captured: all fragments but the first, which have no ports; packets of IPv6 with
   * extension headers, except the first fragment; ICMP errors about the connection; packets inside tunnels; and packets
   * whose addresses or ports are translated (NAT) where they are captured.
   *
   * With `backend: 'pcap'`, connections are kept out of network interfaces whose packets libpcap delivers as they are, not of
   * those that it delivers in cooked mode (PPP), nor of its other devices (`nflog:5`).
   *
   * To change it while the capture runs: {@link Capture.setConnections}. With CAP_BPF the connections are kept in kernel
   * maps. Without, and with `backend: 'pcap'`, they are part of the filter program, which holds some 600 connections of
   * IPv4, or 180 of IPv6: more is `ERR_FILTER_TOO_LARGE`.
   */
  excludeConnections?: ConnectionList | undefined
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
  /**
   * Capture only the first packets of each connection: of TCP and UDP over IPv4 and IPv6, by protocol, addresses and
   * ports, both directions together. The kernel refuses the rest, and counts it as {@link CaptureStats.beyondCutoff}.
   * Packets of TCP with SYN, FIN or RST always pass, and so do packets that belong to no connection: other protocols,
   * tunnels, fragments whose first one was not seen before. To change it for one connection: {@link Capture.bypass}, {@link Capture.keep}.
   *
   * Each interface has its own count of a connection that crosses several; with `dedupe` there is one, of what is
   * delivered. The first packets of an interface that appears later pass, until the capture has read its name.
   *
   * It needs eBPF (CAP_BPF, Linux 5.8): without, {@link Capture.open} rejects with `ERR_PERMISSION`. Not with
   * `backend: 'pcap'` or `ring.table: 'classic'`. Default: everything is captured.
   */
  cutoff?: CutoffOptions | undefined
  /**
   * Capture only a share of all flows, whole, both directions: `{ flows: 1 / 8 }`. The kernel refuses the others, and
   * counts them as {@link CaptureStats.sampledOut}. Default: every flow.
   *
   * A hash of addresses, protocol and (TCP, UDP, SCTP) ports decides, the same for both directions and for every capture
   * with the same seed, so that several sensors see the same flows; docs/guides/sampling.md specifies it for other
   * programs. Fragments have no ports, the first one neither: all fragments of a packet agree, but not necessarily with
   * the whole packets of their flow. ICMP errors are flows of their own. In a tunnel the outer headers count. Up to two VLAN
   * tags are skipped. Packets that are not IP are always captured, and so is everything on interfaces whose
   * {@link NetworkInterface.linkType} is `undefined`.
   *
   * A packet must pass the filter first. With `dedupe` its first sighting decides; with `cutoff` only packets of captured
   * flows are counted. Without CAP_BPF the kernel samples too, but does not count. Not with `backend: 'pcap'`. To change it
   * while the capture runs: {@link Capture.setSample}.
   */
  sample?: SampleOptions | undefined
  /**
   * Cut each packet behind its headers, in the kernel, so that the payload never reaches the ring. `originalLength` is
   * that of the whole packet. Default: packets are kept whole. The shorter of slice and `snapshotLength` counts.
   *
   * - `'l4'`: behind the transport header: TCP with its options; UDP, UDP-Lite, ICMP, ICMPv6, IGMP and ESP, 8 bytes; SCTP,
   *   12 bytes; GRE with its optional fields; AH. Another protocol, and a fragment but the first, is cut behind the IP header,
   *   with its options or extension headers.
   * - `'headers'`: the same of what is inside tunnels: IP in IP, GRE, VXLAN (port 4789 or 8472), GENEVE (6081), GTP-U
   *   (2152), up to two in each other.
   * - A number: so many bytes of each packet.
   *
   * Packets that are not IP are kept whole, and so are those that end within one of these headers, those with more than
   * six extension headers of IPv6, and everything on interfaces whose {@link NetworkInterface.linkType} is `undefined`. Not
   * with `backend: 'pcap'`, except a number. To change it while the capture runs: {@link Capture.setSlice}.
   */
  slice?: Slice | undefined
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
  /**
   * Follow whose packets are: {@link Capture.ownersOf} then names the processes, users and containers at the ends of a
   * packet, and {@link Capture.record} can write them. `true`, or options; the network namespace is that of the capture. The
   * capture opens all the same if something cannot be found out for lack of privileges: a `warning` (`ERR_PERMISSION`, with
   * `option: 'owners'`) says what. Default false.
   */
  owners?: boolean | Omit<SocketOwnersOptions, 'netns'> | undefined
  /** Aborting closes the capture; iterations reject with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** The options, checked, with defaults applied. @internal */
export interface NormalisedOptions {
  readonly selection: CheckedSelection
  readonly signal: AbortSignal | undefined
  readonly loss: LossSettings
  /** As given: `native` has what follows from it. */
  readonly cut: { readonly snapshotLength: number; readonly slice: Slice | undefined }
  /** `undefined`: they are not followed. */
  readonly owners: OwnerSettings | undefined
  readonly native: NativeCaptureOptions
}

/** The same, with the selection compiled. @internal */
export interface OpeningOptions extends Omit<NormalisedOptions, 'selection'> {
  readonly selection: Selection
}

/** Bytes; the largest packet there can be, merged ones included, fits. @internal */
export const maximumSnapshotLength = 262144

const keys = [
  'interfaces',
  'filter',
  'excludeHosts',
  'includeHosts',
  'excludeConnections',
  'snapshotLength',
  'promiscuous',
  'direction',
  'dedupe',
  'cutoff',
  'sample',
  'slice',
  'ring',
  'chunk',
  'overflow',
  'loss',
  'netns',
  'timestamps',
  'backend',
  'owners',
  'signal',
] as const
const directions = { both: Direction.BOTH, in: Direction.IN, out: Direction.OUT } as const
/** Options that are not available with `backend: 'pcap'`. */
const ringOnly = ['dedupe', 'cutoff', 'sample', 'slice', 'excludeHosts', 'includeHosts'] as const

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
      if (options[key] === undefined || options[key] === false || typeof options[key] === 'number') continue
      throw new CaptureError('ERR_OPTION', `${key} is not available with backend: 'pcap'`, { option: key })
    }
  }
  const cutoff = normaliseCutoff(options.cutoff)
  if (cutoff && options.ring?.table === 'classic') {
    throw new CaptureError('ERR_OPTION', "cutoff is applied by eBPF, and not available with ring.table: 'classic'", {
      option: 'cutoff',
    })
  }
  const clock = checkWord(orElse(options.timestamps, 'system'), 'timestamps', ['system', 'hardware'])
  if (pcap && clock === 'hardware') {
    const text = "timestamps: 'hardware' is not available with backend: 'pcap', which does not report a packet's clock"
    throw new CaptureError('ERR_OPTION', text, { option: 'timestamps' })
  }
  const snapshotLength = checkInteger(
    orElse(options.snapshotLength, maximumSnapshotLength),
    'snapshotLength',
    1,
    maximumSnapshotLength,
    'bytes',
  )
  const slice = checkSlice(options.slice, 'slice', maximumSnapshotLength)
  const cut = nativeSlice(slice, snapshotLength)
  const memory = pcap ? normalisePcap(options) : normaliseRing(options)
  return {
    selection,
    signal,
    loss: normaliseLoss(options.loss),
    cut: { snapshotLength, slice },
    owners: normaliseOwners(options),
    native: {
      ...memory,
      names: [...(selection.names ?? [])],
      snapshotLength: cut.max,
      slice: cut.slice,
      direction: checkEntry(orElse(options.direction, 'both'), 'direction', directions),
      hardwareTimestamps: clock === 'hardware',
      hotplug: selection.follows,
      promiscuous: checkBoolean(orElse(options.promiscuous, false), 'promiscuous'),
      dedupe: checkBoolean(orElse(options.dedupe, false), 'dedupe'),
      cutoff,
      sample: normaliseSample(options.sample, 'sample'),
      filter,
      excludeHosts: checkAddresses(options.excludeHosts, 'excludeHosts'),
      includeHosts: checkAddresses(options.includeHosts, 'includeHosts'),
      excludeConnections:
        options.excludeConnections === undefined
          ? undefined
          : checkConnections(options.excludeConnections, 'excludeConnections'),
      netns: checkNetns(options.netns, 'netns'),
    },
  }
}

function normaliseOwners({ owners, netns }: CaptureOptions): OwnerSettings | undefined {
  if (owners === undefined || owners === false) return undefined
  if (owners === true) return normaliseOwnerOptions({ netns }, 'owners')
  // Its own namespace would not be that of the packets.
  if (typeof owners === 'object' && owners !== null && 'netns' in owners) {
    throw new CaptureError('ERR_OPTION', 'owners.netns is not an option: it is the netns of the capture', {
      option: 'owners.netns',
    })
  }
  return normaliseOwnerOptions({ ...checkGroup(owners, 'owners', ownerKeys), netns }, 'owners')
}
