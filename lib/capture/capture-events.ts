import type { CaptureError } from '../errors.js'
import type { InterfaceEvent } from '../interfaces/interface-event.js'
import type { LossEvent } from './loss-watch.js'

/** A change of an interface, and whether the capture selects it after that. */
export type CaptureInterfaceEvent = InterfaceEvent & {
  /** Whether the interface is captured from here on. */
  readonly selected: boolean
}

/** The events of a `Capture`. They tell of its state; packets never come as events. */
export interface CaptureEvents {
  /** An interface appeared, went, was renamed, set up or down, or changed. */
  interface: [event: CaptureInterfaceEvent]
  /**
   * Packets are lost: more than the thresholds of `CaptureOptions.loss` allow, within its window. Once when a threshold
   * is passed on the way up, at once (to a twentieth of the window). While it lasts, once a window: with the same level;
   * with a lower one; and last with `none`, when a whole window has stayed below. What came before `stop()` or `close()`
   * is told before these are done. Nobody need listen: `stats().loss` has the same figures.
   */
  loss: [event: LossEvent]
  /** Something the user should know; the capture goes on. Where nobody listens it goes to process.emitWarning(). */
  warning: [warning: CaptureError]
  /**
   * A function among the patterns threw: the interface it was asked about is not captured. Where nobody listens it is
   * a warning.
   */
  error: [error: CaptureError]
  /** The capture is closed: threads and descriptors are gone. */
  close: []
}
