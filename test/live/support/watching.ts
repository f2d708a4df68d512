// Reads the events of a watcher in steps, and counts what it holds.
import { readdirSync } from 'node:fs'
import type { InterfaceEvent, InterfaceWatcher } from 'ringtap'
import { ip } from './network.js'
import { waitUntilStable } from './wait.js'

/** Reads events up to and including the first that matches. */
export async function until(
  events: AsyncIterator<InterfaceEvent, undefined>,
  fits: (event: InterfaceEvent) => boolean,
): Promise<InterfaceEvent[]> {
  const all: InterfaceEvent[] = []
  for (;;) {
    const { done, value } = await events.next()
    if (done) throw new Error('the watcher ended')
    all.push(value)
    if (fits(value)) return all
  }
}

export let markers = 0

/** Returns all events of earlier changes: makes a bridge, and reads up to its event. */
export async function settle(watcher: InterfaceWatcher): Promise<InterfaceEvent[]> {
  const name = `marker${markers++}`
  ip('link', 'add', name, 'type', 'bridge')
  const iterator = watcher[Symbol.asyncIterator]()
  const before = await until(iterator, (event) => event.interface.name === name)
  ip('link', 'del', name)
  await until(iterator, (event) => event.type === 'removed' && event.interface.name === name)
  return before.filter((event) => event.interface.name !== name)
}

export function summary(events: InterfaceEvent[]): string[] {
  return events.map((event) => `${event.type} ${event.interface.name}`)
}

export const descriptors = (): number => readdirSync('/proc/self/fd').length

export const threads = (): number => readdirSync('/proc/self/task').length

/** Resources of the process. A joined thread remains listed for a moment, hence the wait. */
export function held(): Promise<{ descriptors: number; threads: number }> {
  return waitUntilStable(() => ({ descriptors: descriptors(), threads: threads() }), 'descriptors and threads')
}
