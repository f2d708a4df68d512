/** What people should look at. */
import type { SensorState } from './sensor-state.js'

export interface Alert {
  readonly sensor: string
  readonly kind: 'loss' | 'silent' | 'behind' | 'degraded'
  readonly level: 'notice' | 'warning' | 'alarm'
  readonly text: string
  /** Milliseconds since 1970-01-01 UTC; undefined: it is not known. */
  readonly since?: number
}

/** Shares of packets lost in the last minute from which on it is a warning, and an alarm. */
export const lossLimits = { warning: 0.03, alarm: 0.05 } as const
/** Milliseconds after which a silent sensor is one that is no longer in use. */
const forgotten = 7 * 24 * 3_600_000
/** Milliseconds that the oldest packet not yet stored may be old. */
const lagLimit = 60_000

export function alertsOf(state: SensorState, silent: number, now: number): Alert[] {
  const { name: sensor, report, lastSeen } = state
  if (report?.final && state.reported >= lastSeen) return []
  const quiet = now - lastSeen
  // What it said last is of the past.
  if (quiet > forgotten) return []
  if (quiet > silent) {
    return [{ sensor, kind: 'silent', level: 'alarm', text: `silent for ${duration(quiet)}`, since: lastSeen }]
  }
  if (!report) return []
  const alerts: Alert[] = []
  const { lossRatio, lag } = report
  if (lossRatio > lossLimits.warning) {
    const level = lossRatio > lossLimits.alarm ? 'alarm' : 'warning'
    alerts.push({ sensor, kind: 'loss', level, text: `${(lossRatio * 100).toFixed(1)} % of packets lost` })
  }
  if (lag > lagLimit) {
    alerts.push({ sensor, kind: 'behind', level: 'warning', text: `${duration(lag)} behind` })
  }
  for (const { name, active, detail } of report.states) {
    if (active) alerts.push({ sensor, kind: 'degraded', level: 'notice', text: `${name}: ${detail}` })
  }
  return alerts
}

function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}
