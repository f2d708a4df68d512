/** What the page shows, as JSON. */

import type { AlertView, Overview, SensorView } from '../page/api.js'
import type { SensorBook } from '../sensors/sensor-book.js'
import type { SensorState } from '../sensors/sensor-state.js'
import type { Store } from '../store/store.js'

export interface OverviewSource {
  readonly store: Store
  readonly book: SensorBook
  readonly silent: number
  readonly limits: { readonly minFree: number; readonly maxBytes: number | undefined }
}

export async function overviewOf({ store, book, silent, limits }: OverviewSource): Promise<Overview> {
  const time = Date.now()
  const states = new Map(book.sensors.map((state) => [state.name, state]))
  const names = [...new Set([...states.keys(), ...store.sensors()])].sort()
  const free = await store.free()
  const { minFree, maxBytes } = limits
  const alerts: AlertView[] = book.alerts(time)
  if (free < minFree * 1.1) {
    const text = 'the disk is full: the oldest files are removed'
    alerts.unshift({ sensor: null, kind: 'disk', level: 'warning', text })
  }
  return {
    time,
    sensors: names.map((name) => sensorOf(name, states.get(name), store, silent, time)),
    alerts,
    disk: { free, minFree, used: store.totals().bytes, limit: maxBytes ?? null },
  }
}

function sensorOf(name: string, state: SensorState | undefined, store: Store, silent: number, now: number): SensorView {
  const { files, bytes, packets, lost, first, last } = store.totals(name)
  const sum = Object.values(lost).reduce((total, count) => total + count, 0)
  return {
    name,
    lastSeen: state?.lastSeen ?? 0,
    state: stateOf(state, silent, now),
    address: state?.address ?? null,
    stored: { files, bytes, packets, lost: sum, first: Number(first / 1_000_000n), last: Number(last / 1_000_000n) },
    report: state?.report ?? null,
    rate: state?.rate ?? null,
  }
}

function stateOf(state: SensorState | undefined, silent: number, now: number): SensorView['state'] {
  if (!state || state.lastSeen === 0) return 'unknown'
  if (state.report?.final && state.reported >= state.lastSeen) return 'ended'
  return now - state.lastSeen > silent ? 'silent' : 'live'
}
