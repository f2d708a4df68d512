import type { CaptureError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { nativeExports } from '../native/native.js'

/**
 * The part of the addon that sends frames (native/binding/send/).
 *
 * @internal
 */
export interface SendNative {
  /** `patience` in milliseconds (native/core/send/injector.h). */
  openInjector(
    name: string,
    netns: string | undefined,
    patience: number,
    bypass: boolean,
  ): Promise<{ handle: InjectorHandle; interface: NetworkInterface }>
  /** Sends `count` frames as lib/send/frame-packer.ts lays them out, `position` being the first one's number; one at a time. */
  injectorSend(
    handle: InjectorHandle,
    bytes: ArrayBuffer,
    layout: Uint32Array,
    count: number,
    position: number,
  ): Promise<NativeTally & { done: number }>
  /** Ends the send that runs. */
  injectorInterrupt(handle: InjectorHandle): void
  injectorClose(handle: InjectorHandle): Promise<void>
  /** `onEnd` is called once, and holds the event loop until then. */
  startReplay(options: NativeReplayOptions, onEnd: () => void): ReplayHandle
  replayStats(handle: ReplayHandle): NativeReplayStats
  /** Ends it soon. */
  stopReplay(handle: ReplayHandle): void
  /** When `onEnd` was called. */
  finishReplay(handle: ReplayHandle): {
    tally: NativeTally
    stats: NativeReplayStats
    warnings: string[]
    failure?: CaptureError
  }
}

/** @internal */
export const native: () => SendNative = nativeExports

/**
 * An open injector in native memory (native/core/send/injector.h).
 *
 * @internal
 */
export interface InjectorHandle {
  readonly injectorHandle: unique symbol
}

/**
 * What became of frames (native/core/send/send_tally.h).
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

/** What a replay is started with: every value checked and settled (lib/send/replay.ts). @internal */
export interface NativeReplayOptions {
  file: string
  interface: string
  netns: string | undefined
  filter: string | undefined
  /** Milliseconds. */
  maxWait: number
  bypassQueue: boolean
  /** Infinity: as fast as it goes. */
  speed: number
  /** 0: without end. */
  passes: number
  /** Milliseconds. */
  maxGap: number | undefined
}

/** native/core/send/replay_sender.h. @internal */
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
