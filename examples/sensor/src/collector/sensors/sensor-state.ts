import type { Report } from '../../wire/report.js'
import type { Rate } from './sample.js'

export interface SensorState {
  readonly name: string
  /** Milliseconds since 1970-01-01 UTC: when a batch or report came last; 0: not while this collector runs. */
  lastSeen: number
  /** The sender's address of the last request; undefined: it came as a message. */
  address: string | undefined
  report: Report | undefined
  /** When the report came. */
  reported: number
  /** The rates between the last two reports. */
  rate: Rate | undefined
}
