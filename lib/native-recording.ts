import type { CaptureError } from './errors.js'

/** The form of a savefile: every value checked and settled (lib/savefile-form.ts). @internal */
export interface NativeSavefileForm {
  /** 0 pcapng, 1 pcap. */
  format: number
  nanoseconds: boolean
  snapLength: number
  application: string
  comments: readonly string[]
}

/** Packets as the bytes of a savefile (native/binding/savefile_buffer.cpp). @internal */
export interface NativeSavefileBuffer {
  addInterface(description: {
    name: string
    description: string | undefined
    linkType: number
    snapLength: number
    address: Uint8Array
    addresses: readonly { family: 4 | 6; address: string; prefixLength: number }[]
    filter: string | undefined
    comments: readonly string[]
  }): number
  /** How many of the packets were written: it stops at one of another link type than the file's. */
  append(memory: Uint8Array, entries: Uint32Array, ids: Uint32Array, comments: readonly string[] | undefined): number
  statistics(id: number, start: bigint, end: bigint, dropped: number | undefined): void
  end(): void
  /** The bytes that wait, if they are so many; and what was written so far: packets, their bytes, bytes, two times. */
  take(least: number, counts: ArrayBuffer): Buffer<ArrayBuffer> | undefined
}

/** What a recording is begun with: every value checked and settled (lib/record-options.ts). @internal */
export interface NativeRecordOptions extends NativeSavefileForm {
  path: string
  /** 0: not limited. */
  keep: number
  minimumFree: number
  /** 0 never, 1 with each file, 2 also in between. */
  sync: number
  syncMilliseconds: number
  rotateBytes: number
  rotatePackets: number
  rotateMilliseconds: number
  linkType: number
  filter: string | undefined
}

/** A recording's native side (native/binding/recording.cpp). @internal */
export interface NativeRecording {
  nextFile():
    | {
        path: string
        packets: number
        packetBytes: number
        bytes: number
        firstTimestamp: bigint
        lastTimestamp: bigint
      }
    | undefined
  nextFault(): CaptureError | undefined
  stats(): {
    packets: number
    packetBytes: number
    bytes: number
    files: number
    dropped: number
    otherLinkType: number
    waiting: number
  }
  ended(): boolean
}
