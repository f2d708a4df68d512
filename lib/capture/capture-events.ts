import type { CaptureError } from '../errors.js'
import type { InterfaceEvent } from '../interfaces/interface-event.js'
import type { LossEvent } from './loss-watch.js'

/** A change of an interface, and whether the capture selects the interface. */
export type CaptureInterfaceEvent = InterfaceEvent & {
  /** Whether the interface is captured after the change. */
  readonly selected: boolean
}

/**
 * The events of a {@link Capture}. They report its state; packets are never events. A listener for an event that does
 * not exist (`'packet'`, `'data'`) is refused with `ERR_OPTION`.
 */
export interface CaptureEvents {
  /** An interface appeared, disappeared, was renamed, set up or down, or changed otherwise. */
  interface: [event: CaptureInterfaceEvent]
  /**
   * Within the window of {@link CaptureOptions.loss}, more packets were lost than its thresholds allow. Emitted when a
   * threshold is exceeded, within a twentieth of the window. While the loss lasts, emitted once per window, with the
   * same level or a lower one; at the end once with `none`, after a whole window below the thresholds. Losses before
   * `stop()` or `close()` are reported before these resolve. `stats().loss` has the same figures at any time.
   */
  loss: [event: LossEvent]
  /** A problem that does not end the capture. Without a listener, process.emitWarning() is called. */
  warning: [warning: CaptureError]
  /**
   * A function among the patterns threw: the interface that it was called with is not captured. Without a listener it
   * is a `warning`.
   */
  error: [error: CaptureError]
  /** The capture is closed: its threads have ended and its descriptors are closed. */
  close: []
}
