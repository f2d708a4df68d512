import type { CaptureError } from '../errors.js'
import type { NativeCompleteFile, NativeSavefileForm } from '../savefile/native.js'

/** What a recording is begun with: every value checked, defaults applied (lib/record/record-options.ts). @internal */
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

/** A recording's native side (native/binding/record/recording.cpp). @internal */
export interface NativeRecording {
  nextFile(): NativeCompleteFile | undefined
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

/** The part of a capture that records it (native/binding/capture/capture.cpp). @internal */
export interface NativeRecorder {
  /** Begins a file and records into it from then on. */
  record(options: NativeRecordOptions): Promise<NativeRecording>
  /** The recording ends when everything received before now is written. */
  stopRecording(): void
}
