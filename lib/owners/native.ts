import { linuxExports } from '../native/native.js'

/** The part of the addon that follows the owners of sockets (native/binding/owners/). @internal */
export interface OwnersNative {
  /** `onSwept` is called after each answer to `ask()`; it is referenced until the watch is closed or collected. */
  OwnerWatch: new (
    options: NativeOwnerOptions,
    onSwept: () => void,
  ) => NativeOwnerWatch
}

/** native/core/owners/owner_watch.h. @internal */
export interface NativeOwnerOptions {
  /** '': that of this process. */
  netns: string
  procfs: string
  /** With files of network namespaces. */
  directories: string[]
  everySpace: boolean
  /** Bytes. */
  memory: number
  /** Nanoseconds. */
  history: number
  /** Nanoseconds. */
  interval: number
}

/** One object per record of a process: the same as long as the addon keeps it. @internal */
export interface NativeProcess {
  pid: number
  name: string
  command: string[]
  uid?: number
  cgroup: string
}

/** Source (0: none), gap (0: none), inode of the network namespace (0: unknown), processes. @internal */
export type NativeOwnership = [number, number, number, ...NativeProcess[]]

declare const ownerWatch: unique symbol
/** What a recording takes of an OwnerWatch. @internal */
export interface OwnerWatchHandle {
  readonly [ownerWatch]: never
}

/** @internal */
export interface NativeOwnerWatch {
  /** Asks for the present sockets and processes; returns the number that `answered()` will have reached then. */
  ask(): number
  answered(): number
  /** Whether it keeps the event loop alive; initially not. */
  hold(held: boolean): void
  /** Nothing is known by it once the watch is closed; it does not keep the watch. */
  handle(): OwnerWatchHandle
  /**
   * Of the source, or (reversed) of the destination. `key`: see owner-key.ts. Returns `undefined` once it is closed.
   */
  find(key: Uint32Array, reversed: boolean): NativeOwnership | undefined
  stats(): NativeOwnerStats | undefined
  close(): Promise<void>
}

/** @internal */
export interface NativeOwnerStats {
  open: number
  ended: number
  refused: number
  bytes: number
  processes: number
  namespaces: number
  sweeps: number
  missed: number
  hiddenProcesses: number
  hiddenNamespaces: number
  closedNamespaces: number
  makers: boolean
  withoutMakers: string
}

/** @internal */
export const native: () => OwnersNative = linuxExports
