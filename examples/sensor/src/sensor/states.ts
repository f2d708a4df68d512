/** How the sensor does less than it was set up to do: each state is logged as it begins and ends, and counted. */

import type { Log } from '../common/log.js'
import type { Report } from '../wire/report.js'

export type StateName = Report['states'][number]['name']

interface State {
  /** When it began, by performance.now(); `undefined`: it is not in force. */
  since: number | undefined
  entered: number
  /** Milliseconds of the times before. */
  lasted: number
  detail: string
}

export class States {
  readonly #states = new Map<StateName, State>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** Begins a state, or changes its detail. */
  enter(name: StateName, detail: string): void {
    const state = this.#states.get(name) ?? { since: undefined, entered: 0, lasted: 0, detail }
    this.#states.set(name, state)
    if (state.since !== undefined && state.detail === detail) return
    if (state.since === undefined) {
      state.since = performance.now()
      state.entered++
    }
    state.detail = detail
    this.#log.warn(`${name}: ${detail}`, { state: name })
  }

  leave(name: StateName, why = ''): void {
    const state = this.#states.get(name)
    if (state?.since === undefined) return
    const seconds = (performance.now() - state.since) / 1000
    state.lasted += performance.now() - state.since
    state.since = undefined
    this.#log.info(`${name}: over after ${seconds.toFixed(1)} s${why && `, ${why}`}`, { state: name })
  }

  isActive(name: StateName): boolean {
    return this.#states.get(name)?.since !== undefined
  }

  list(): Report['states'] {
    return [...this.#states].map(([name, { since, entered, lasted, detail }]) => ({
      name,
      active: since !== undefined,
      entered,
      lasted: Math.round(lasted + (since === undefined ? 0 : performance.now() - since)),
      detail: detail.slice(0, 256),
    }))
  }
}
