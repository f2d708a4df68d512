import type { PeerContainer } from '../interfaces/resolve-peer.js'

/** A process that has, or had, a socket. As it was when it was read; the object stays as it is. */
export interface OwnerProcess {
  /** As in `procfs`. */
  readonly pid: number
  /** The name of the command, at most 15 bytes (/proc/PID/comm). */
  readonly name: string
  /** The command line; empty if the process had ended before it could be read. At most 4096 bytes of it are kept. */
  readonly command: readonly string[]
  /** The real user id; `undefined` if it is not known. */
  readonly uid: number | undefined
  /** The name that `/etc/passwd` has for it. */
  readonly user: string | undefined
  /** The content of /proc/PID/cgroup, which names its control groups; empty if the process had ended. */
  readonly cgroup: string
  /** Its container. Name, image and pod come a little after the first packet: at the latest with the next `update()`. */
  readonly container: PeerContainer | undefined
}

/**
 * How an owner is known.
 *
 * - `holder`: the processes have a descriptor of the socket. Several share it.
 * - `maker`: the process made the socket, and it had ended before anybody was seen with a descriptor.
 * - `listener`: the processes have the socket that listens on the port: the connection was not accepted yet, or had ended
 *   before anybody was seen with a descriptor.
 */
export type OwnerSource = 'holder' | 'maker' | 'listener'

/**
 * Why an owner is not known.
 *
 * - `no-socket`: there is no socket with this end. It is on another host, the packet is neither TCP nor UDP, its address
 *   was translated (NAT), or the kernel itself answers (RST, ICMP).
 * - `not-yet`: the sockets were not read since the time of the packet: see {@link SocketOwners.update}.
 * - `reused`: several sockets with different owners come into question, because a port was used again.
 * - `several-namespaces`: the same, because containers have equal addresses.
 * - `hidden`: there is, or was, a socket, but whose is not shown to this process, or it had ended before anybody looked.
 */
export type OwnerUnknown = 'no-socket' | 'not-yet' | 'reused' | 'several-namespaces' | 'hidden'

/** Who is at one end of a packet or flow. */
export interface SocketOwner {
  /** By pid; more than one if they share the socket, or the port. Empty if `unknown` is set. */
  readonly processes: readonly OwnerProcess[]
  /** How they are known. */
  readonly by: OwnerSource | undefined
  /** Why there is none. */
  readonly unknown: OwnerUnknown | undefined
  /** The inode of the network namespace of the socket, as in `net:[4026532008]`. */
  readonly netns: number | undefined
}

/** Who is at the two ends: both are known if both are local. */
export interface PacketOwners {
  /** Who has the socket that sent it. */
  readonly source: SocketOwner
  /** Who has the socket that gets it. */
  readonly destination: SocketOwner
}

/** Something that cannot be found out. */
export interface OwnerGap {
  /**
   * `processes`: descriptors of other processes; `namespaces`: other network namespaces; `makers`: who made sockets, without
   * which short connections are known only on the side that accepts them.
   */
  readonly field: 'processes' | 'namespaces' | 'makers'
  /** A sentence without its full stop. */
  readonly reason: string
  /** The capability that would help. */
  readonly capability: string | undefined
}

const sources = [undefined, 'holder', 'maker', 'listener'] as const
const gaps = [undefined, 'no-socket', 'not-yet', 'reused', 'several-namespaces', 'hidden'] as const

/** By native/core/owners/owner_table.h, Source. @internal */
export const sourceOf = (source: number): OwnerSource | undefined => sources[source]
/** By native/core/owners/owner_table.h, Gap. @internal */
export const gapOf = (gap: number): OwnerUnknown | undefined => gaps[gap]

/** @internal */
export const noSocket: SocketOwner = { processes: [], by: undefined, unknown: 'no-socket', netns: undefined }
