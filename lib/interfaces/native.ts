import type { CaptureError } from '../errors.js'
import { nativeExports } from '../native/native.js'
import type { NetworkInterface } from './network-interface.js'

/**
 * The part of the addon that lists and watches interfaces, and compiles patterns (native/binding/links/).
 *
 * @internal
 */
export interface InterfacesNative {
  Pattern: new (expression: string) => NativePattern
  listInterfaces(netns: string | undefined): NetworkInterface[]
  /** `receiveBuffer`: bytes that the kernel may hold; 0 for the default. `onReady` is held until the watch is closed or collected. */
  InterfaceWatch: new (
    receiveBuffer: number,
    maxQueue: number,
    onReady: () => void,
    netns: string | undefined,
  ) => NativeInterfaceWatch
  /** The LINKTYPE_ value for an ARPHRD_ one, `undefined` where none fits. */
  linkTypeOf(hardwareType: number): number | undefined
}

/** @internal */
export const native: () => InterfacesNative = nativeExports

/**
 * A compiled POSIX extended regular expression (native/core/links/pattern.h). Its constructor throws `ERR_PATTERN` with the
 * bare reason.
 *
 * @internal
 */
export interface NativePattern {
  matches(name: string): boolean
}

/**
 * A selection that names and string patterns alone make: the core decides (native/core/links/interface_selection.h).
 *
 * @internal
 */
export interface NativeSelection {
  /** Exact names; where there are any, nothing else counts. */
  names: readonly string[]
  include: readonly string[]
  exclude: readonly string[]
  loopback: boolean
}

/**
 * What happened to an interface, as the core reports it.
 *
 * @internal
 */
export interface NativeInterfaceEvent {
  type: 'added' | 'removed' | 'renamed' | 'changed'
  interface: NetworkInterface
  /** With `renamed` and `changed`. */
  previous?: NetworkInterface
}

/**
 * What a watch has gathered (native/core/links/interface_watch.h).
 *
 * @internal
 */
export interface NativeInterfaceBatch {
  events: NativeInterfaceEvent[]
  /** More happened than was to be queued: instead of events, what there is now. */
  resync?: NetworkInterface[]
  /** Nothing more will come. */
  error?: CaptureError
}

/** @internal */
export interface NativeInterfaceWatch {
  /** What was there when the watch began. */
  interfaces(): NetworkInterface[]
  /** At most `limit` events; `undefined` where there is nothing, and then `onReady` is called once when there is. */
  take(limit: number): NativeInterfaceBatch | undefined
  /** Holds the event loop, or not (the state at the start). */
  ref(): void
  unref(): void
  close(): Promise<void>
}
