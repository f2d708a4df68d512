import { checkGroup, checkInteger, checkRatio, orElse } from '../arguments.js'
import { optionError } from '../errors.js'
import type { LossSettings } from './loss-watch.js'

/**
 * When lost packets cause an event (`CaptureEvents.loss`). They are counted in `stats()` in any case.
 *
 * The ratio is that of lost packets to all received packets, the lost ones included, within a sliding window.
 */
export interface LossOptions {
  /** Length of the window in milliseconds, 100 to 3600000. Default 60000. */
  window?: number | undefined
  /** Ratio at which the level becomes `warn`: above 0, up to 1. Default 0.03, or `critical` if that is less. */
  warn?: number | undefined
  /** Ratio at which the level becomes `critical`: `warn` to 1. Default 0.05, or `warn` if that is more. */
  critical?: number | undefined
  /**
   * Packets that must be lost within the window for a level other than `none`, 1 to 1000000000: at a very low rate a
   * single lost packet may be half of all. Default 10.
   */
  minimum?: number | undefined
}

/** Checks the options and applies the defaults. @internal */
export function normaliseLoss(given: LossOptions | undefined): LossSettings {
  const { window, warn, critical, minimum } = checkGroup(given, 'loss', ['window', 'warn', 'critical', 'minimum'])
  const warnAt = warn === undefined ? 0.03 : checkRatio(warn, 'loss.warn')
  const criticalAt = critical === undefined ? 0.05 : checkRatio(critical, 'loss.critical')
  if (warn !== undefined && critical !== undefined && warn > critical) {
    throw optionError('loss.warn', `at most loss.critical, ${critical}`, warn)
  }
  return {
    window: checkInteger(orElse(window, 60_000), 'loss.window', 100, 3_600_000, 'milliseconds'),
    warn: warn === undefined ? Math.min(warnAt, criticalAt) : warnAt,
    critical: critical === undefined ? Math.max(warnAt, criticalAt) : criticalAt,
    minimum: checkInteger(orElse(minimum, 10), 'loss.minimum', 1, 1_000_000_000, 'packets'),
  }
}
