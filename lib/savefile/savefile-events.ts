import type { CaptureError } from '../errors.js'
import type { SavefileInterface } from './savefile-metadata.js'

/** How far the reading of a file has come. */
export interface SavefileProgress {
  /** Bytes of the file, as stored, up to the end of the last chunk delivered. */
  readonly bytesDone: number
  /** Bytes of the file, as stored; `undefined` of a stream. */
  readonly size: number | undefined
  /** Packets delivered. */
  readonly packets: number
}

/** The ledger of a file: read = delivered + unselected + filtered + what waits to be delivered. */
export interface SavefileStats extends SavefileProgress {
  /** Captured bytes of the packets delivered. */
  readonly bytes: number
  /** Bytes read so far, as stored: ahead of `bytesDone` by what waits. */
  readonly bytesRead: number
  /** Bytes of what the file unpacks to (of the file itself where it is not compressed) that were parsed or skipped. */
  readonly bytesUnpacked: number
  /** Packets read, whatever became of them. */
  readonly packetsRead: number
  /** Of interfaces that are not selected. */
  readonly unselected: number
  /** Refused by the filter. */
  readonly filtered: number
  /** Blocks that are neither packets, interfaces nor sections, and not of a kind to keep; those of skipped sections. */
  readonly skippedBlocks: number
  /** Packets whose time is before 1970 or after July 2554: they have the nearest time that a timestamp can hold. */
  readonly clampedTimestamps: number
}

/** The events of a `Savefile`. Packets never come as events. */
export interface SavefileEvents {
  /** The file describes one more interface; also for those that were known when it was opened. */
  interface: [iface: SavefileInterface, selected: boolean]
  /** Every 100 ms while an iteration runs, and at the end. */
  progress: [progress: SavefileProgress]
  /** Something the user should know; the reading goes on. Where nobody listens it goes to process.emitWarning(). */
  warning: [warning: CaptureError]
  /** The file is closed. */
  close: []
}
