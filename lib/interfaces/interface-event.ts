import { isDeepStrictEqual } from 'node:util'
import type { NativeInterfaceEvent } from './native.js'
import type { NetworkInterface } from './network-interface.js'

/**
 * A change of the network interfaces.
 *
 * - `added`: it was created, or moved into this network namespace.
 * - `removed`: it was deleted, or moved to another namespace; `interface` is how it was last known.
 * - `renamed`: it has another name.
 * - `up`, `down`: it was set up or down ({@link NetworkInterface.up}; for the carrier see `running`).
 * - `changed`: something else about it changed.
 *
 * A change that is both a rename and up or down gives two events, `renamed` first, with the same `interface`,
 * `previous` and `changes`. Other changes at the same time cause no separate event: they are in `changes`.
 */
export type InterfaceEvent =
  | {
      /** What happened. */
      readonly type: 'added' | 'removed'
      /** The interface. */
      readonly interface: NetworkInterface
      /** Absent. */
      readonly previous?: undefined
    }
  | {
      /** What happened. */
      readonly type: 'renamed' | 'up' | 'down' | 'changed'
      /** The interface after the change. */
      readonly interface: NetworkInterface
      /** The interface before the change. */
      readonly previous: NetworkInterface
      /** The fields in which the two differ, in the order of {@link NetworkInterface}; never empty. */
      readonly changes: readonly (keyof NetworkInterface)[]
    }

/**
 * The one or two events for one change that native code reports.
 *
 * @internal
 */
export function toInterfaceEvents(change: NativeInterfaceEvent): InterfaceEvent[] {
  const { type, interface: current, previous } = change
  if (type === 'added' || type === 'removed') return [Object.freeze({ type, interface: current })]
  return previous ? transition(previous, current) : []
}

/**
 * The events that lead from one set of interfaces to another: `removed` events first, then the others by index.
 *
 * @internal
 */
export function difference(before: Iterable<NetworkInterface>, after: Iterable<NetworkInterface>): InterfaceEvent[] {
  const events: InterfaceEvent[] = []
  // By index, as either set is of one moment; a device of another generation is another device.
  const now = new Map<number, NetworkInterface>()
  for (const current of after) now.set(current.index, current)

  const staying = new Map<number, NetworkInterface>()
  for (const previous of before) {
    if (now.get(previous.index)?.generation === previous.generation) staying.set(previous.index, previous)
    else events.push(Object.freeze({ type: 'removed', interface: previous }))
  }
  for (const current of now.values()) {
    const previous = staying.get(current.index)
    if (!previous) events.push(Object.freeze({ type: 'added', interface: current }))
    else if (!isDeepStrictEqual(previous, current)) events.push(...transition(previous, current))
  }
  return events
}

function transition(previous: NetworkInterface, current: NetworkInterface): InterfaceEvent[] {
  const types: ('renamed' | 'up' | 'down' | 'changed')[] = []
  if (previous.name !== current.name) types.push('renamed')
  if (previous.up !== current.up) types.push(current.up ? 'up' : 'down')
  if (types.length === 0) types.push('changed')
  const changes = Object.freeze(changedFields(previous, current))
  return types.map((type) => Object.freeze({ type, interface: current, previous, changes }))
}

function changedFields(previous: NetworkInterface, current: NetworkInterface): (keyof NetworkInterface)[] {
  const fields = Object.keys(current) as (keyof NetworkInterface)[]
  return fields.filter((field) => !isDeepStrictEqual(previous[field], current[field]))
}
