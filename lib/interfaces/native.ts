import type { CaptureError } from '../errors.js'
import { linuxExports, nativeExports } from '../native/native.js'
import type { NetworkInterface } from './network-interface.js'

/**
 * The part of the addon that compiles patterns (native/binding/patterns/), and maps types of devices to link types.
 *
 * @internal
 */
export interface PatternsNative {
  /** @throws CaptureError `ERR_PATTERN`, with only the reason as its message. */
  compilePattern(expression: string): NativePattern
  /** Compiles in order, on a separate thread, up to the first expression that is refused: `failure` is its error. */
  compilePatterns(expressions: readonly string[]): Promise<{ patterns: NativePattern[]; failure?: CaptureError }>
  patternMatches(pattern: NativePattern, name: string): boolean
  /** The LINKTYPE_ number for an ARPHRD_ number; `undefined` if none fits. */
  linkTypeOf(hardwareType: number): number | undefined
}

/**
 * The part of the addon that lists and watches interfaces (native/binding/links/).
 *
 * @internal
 */
export interface LinksNative {
  listInterfaces(netns: string | undefined): NetworkInterface[]
  /** Reads the far ends of pairs of devices, on a thread of its own. */
  readPeers(options: NativePeerOptions): Promise<NativePeers>
  /**
   * `receiveBuffer`: size of the netlink socket's receive buffer in bytes; 0: the default. `maxQueue`: maximum number
   * of queued events. `onReady` is referenced until the watch is closed or garbage-collected.
   */
  InterfaceWatch: new (
    receiveBuffer: number,
    maxQueue: number,
    onReady: () => void,
    netns: string | undefined,
  ) => NativeInterfaceWatch
}

/** The sources of native/core/links/peers.h. @internal */
export interface NativePeerOptions {
  /** '': that of this process. */
  netns: string
  procfs: string
  /** Whether the process ids in `procfs` are those of this process's pid namespace. */
  ownPids: boolean
  /** With files of network namespaces. */
  directories: string[]
  /** Of one interface only: its index, or else its name. 0 and '': all. */
  index: number
  name: string
}

/** @internal */
export interface NativePeers {
  peers: NativePeer[]
  /** The namespaces of which something was found. */
  namespaces: NativeNamespace[]
  /** Processes whose namespace is unknown, for lack of permission. */
  unread: number
  /** The inode of the interfaces' own namespace. */
  own: number | undefined
}

/** @internal */
export interface NativePeer {
  interface: NetworkInterface
  /** 0: in the same namespace, 1: in the one with the id `peerNetnsId`, 2: unknown. */
  place: 0 | 1 | 2
  /** '': unknown, see `error`. */
  name: string
  /** An error number. */
  error: number
}

/** @internal */
export interface NativeNamespace {
  id: number
  /** `undefined` if no file of it could be opened. */
  inode: number | undefined
  paths: string[]
  pids: number[]
}

/** @internal */
export const native: () => PatternsNative = nativeExports

/** @internal */
export const linksNative: () => LinksNative = linuxExports

declare const pattern: unique symbol

/**
 * A compiled POSIX extended regular expression (native/core/patterns/pattern.h).
 *
 * @internal
 */
export interface NativePattern {
  readonly [pattern]: never
}

/**
 * A selection that consists only of names and string patterns, so that native code can decide
 * (native/core/links/interface_selection.h).
 *
 * @internal
 */
export interface NativeSelection {
  /** Exact names. If there are any, the other fields are ignored. */
  names: readonly string[]
  include: readonly string[]
  exclude: readonly string[]
  loopback: boolean
}

/**
 * A change of an interface, as native code reports it.
 *
 * @internal
 */
export interface NativeInterfaceEvent {
  type: 'added' | 'removed' | 'renamed' | 'changed'
  interface: NetworkInterface
  /** The interface before the change; only with `renamed` and `changed`. */
  previous?: NetworkInterface
}

/**
 * Queued events of a watch (native/core/links/interface_watch.h).
 *
 * @internal
 */
export interface NativeInterfaceBatch {
  events: NativeInterfaceEvent[]
  /** The interfaces that exist now, instead of events, if more than `maxQueue` events were queued. */
  resync?: NetworkInterface[]
  /** The error that ended the watch; no more events follow. */
  error?: CaptureError
}

/** @internal */
export interface NativeInterfaceWatch {
  /** The interfaces that existed when the watch started. */
  interfaces(): NetworkInterface[]
  /** Takes at most `limit` events. Returns `undefined` if none is queued; `onReady` is then called once when one is. */
  take(limit: number): NativeInterfaceBatch | undefined
  /** Makes the watch keep the event loop alive; `unref()`, the initial state, reverses this. */
  ref(): void
  unref(): void
  close(): Promise<void>
}
