import type { CaptureError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { linuxExports } from '../native/native.js'

/**
 * The part of the addon that sends frames (native/binding/send/).
 *
 * @internal
 */
export interface SendNative {
  /**
   * `maxWait`: milliseconds that frames may wait for room; `bypassQueue`: PACKET_QDISC_BYPASS
   * (native/core/send/injector.h).
   */
  openInjector(
    name: string,
    netns: string | undefined,
    maxWait: number,
    bypassQueue: boolean,
  ): Promise<{ handle: InjectorHandle; interface: NetworkInterface }>
  /**
   * Sends `count` frames, laid out as in lib/send/frame-packer.ts; `position` is the number of the first one. Only one
   * call may be in progress for an injector. `done`: frames sent or refused, fewer than `count` after an interrupt.
   */
  injectorSend(
    handle: InjectorHandle,
    bytes: ArrayBuffer,
    layout: Uint32Array,
    count: number,
    position: number,
  ): Promise<NativeTally & { done: number }>
  /** Interrupts the send in progress. */
  injectorInterrupt(handle: InjectorHandle): void
  injectorClose(handle: InjectorHandle): Promise<void>
  /** `onEnd` is called once, at the end; it keeps the event loop alive until then. */
  startReplay(options: NativeReplayOptions, onEnd: () => void): ReplayHandle
  replayStats(handle: ReplayHandle): NativeReplayStats
  /** Requests the end of the replay and returns without waiting for it. */
  stopReplay(handle: ReplayHandle): void
  /** May be called only after `onEnd` was called. */
  finishReplay(handle: ReplayHandle): {
    tally: NativeTally
    stats: NativeReplayStats
    warnings: string[]
    failure?: CaptureError
  }
}

/** @internal */
export const native: () => SendNative = linuxExports

/**
 * An open injector in native memory (native/core/send/injector.h).
 *
 * @internal
 */
export interface InjectorHandle {
  readonly injectorHandle: unique symbol
}

/**
 * Counts of the frames sent and refused (native/core/send/send_tally.h). `positions` are from 0.
 *
 * @internal
 */
export interface NativeTally {
  sent: number
  bytes: number
  refusals: { cause: number; errno: number; count: number; positions: number[] }[]
}

/**
 * A replay in native memory (native/binding/send/replay.cpp).
 *
 * @internal
 */
export interface ReplayHandle {
  readonly replayHandle: unique symbol
}

/** The options of a replay, checked, with defaults applied (lib/send/replay.ts). @internal */
export interface NativeReplayOptions {
  file: string
  interface: string
  netns: string | undefined
  filter: string | undefined
  /** Milliseconds. */
  maxWait: number
  bypassQueue: boolean
  /** Factor; Infinity: as fast as possible. */
  speed: number
  /** 0: no limit. */
  passes: number
  /** Milliseconds; `undefined`: gaps are kept. */
  maxGap: number | undefined
}

/** Counters of a replay (native/core/send/replay_sender.h). @internal */
export interface NativeReplayStats {
  packets: number
  sent: number
  bytes: number
  refused: number
  passes: number
  nanoseconds: number
  latenessSum: number
  latenessMost: number
}
