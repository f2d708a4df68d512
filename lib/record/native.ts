import type { CaptureError } from '../errors.js'
import type { NativeCompleteFile, NativeSavefileForm } from '../savefile/native.js'

/** The options of a recording, checked, with defaults applied (lib/record/record-options.ts). @internal */
export interface NativeRecordOptions extends NativeSavefileForm {
  path: string
  /** Number of complete files to keep; 0: all. */
  keep: number
  minimumFree: number
  /** When fsync(2) is called: 0 never, 1 for each complete file, 2 also every `syncMilliseconds`. */
  sync: number
  syncMilliseconds: number
  rotateBytes: number
  rotatePackets: number
  rotateMilliseconds: number
  linkType: number
  filter: string | undefined
}

/** The native part of a recording (native/binding/record/recording.cpp). @internal */
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
  /** Creates the first file and starts to record. */
  record(options: NativeRecordOptions): Promise<NativeRecording>
  /** Ends the recording once everything received before this call is written. */
  stopRecording(): void
}
