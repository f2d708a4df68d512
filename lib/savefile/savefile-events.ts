import type { CaptureError } from '../errors.js'
import type { SavefileInterface } from './savefile-metadata.js'

/** How much of a file was read. */
export interface SavefileProgress {
  /** Bytes of the file, as stored, up to the end of the last chunk delivered. */
  readonly bytesDone: number
  /** Bytes of the file, as stored; `undefined` for a stream. */
  readonly size: number | undefined
  /** Packets delivered. */
  readonly packets: number
}

/**
 * The ledger of a file: `packetsRead` is the sum of `packets`, `unselected`, `filtered` and those that wait to be
 * delivered.
 */
export interface SavefileStats extends SavefileProgress {
  /** Captured bytes of the packets delivered. */
  readonly bytes: number
  /** Bytes read so far, as stored: ahead of `bytesDone` by what waits to be delivered. */
  readonly bytesRead: number
  /**
   * Bytes of the unpacked content, up to the last packet that was parsed; the same as `bytesRead` if the file is not
   * compressed.
   */
  readonly bytesUnpacked: number
  /** Packets read, whether or not they are delivered. */
  readonly packetsRead: number
  /** Packets of interfaces that are not selected. */
  readonly unselected: number
  /** Packets that the filter refused. */
  readonly filtered: number
  /** Blocks that are neither packets, interfaces nor sections, and of no kind that is kept. */
  readonly skippedBlocks: number
  /** Packets whose time is before 1970 or after July 2554: they have the nearest time that a timestamp can hold. */
  readonly clampedTimestamps: number
}

/** The events of a {@link Savefile}. Packets are never events. A listener for any other event is refused. */
export interface SavefileEvents {
  /** The file describes another interface; also emitted for those that were known when it was opened. */
  interface: [iface: SavefileInterface, selected: boolean]
  /** Emitted every 100 ms while an iteration runs, and at the end. */
  progress: [progress: SavefileProgress]
  /** A problem that does not end the reading. Without a listener, process.emitWarning() is called. */
  warning: [warning: CaptureError]
  /** The file is closed. */
  close: []
}
