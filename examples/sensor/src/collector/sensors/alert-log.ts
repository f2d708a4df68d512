import type { Log } from '../../common/log.js'
import type { Alert } from './alerts.js'

/** Logs alerts when they begin, when their level changes, and when they end. */
export class AlertLog {
  #active = new Map<string, Alert>()

  constructor(readonly log: Log) {}

  note(alerts: readonly Alert[]): void {
    const active = new Map(alerts.map((alert) => [`${alert.sensor} ${alert.kind}`, alert]))
    for (const [key, alert] of active) {
      const { sensor, kind, level, text } = alert
      if (this.#active.get(key)?.level === level) continue
      const write = level === 'notice' ? this.log.info : this.log.warn
      write.call(this.log, `${level}: ${sensor}: ${text}`, { sensor, kind, level })
    }
    for (const [key, { sensor, kind }] of this.#active) {
      if (!active.has(key)) this.log.info(`over: ${sensor}: ${kind}`, { sensor, kind })
    }
    this.#active = active
  }
}
