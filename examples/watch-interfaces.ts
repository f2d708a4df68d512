/**
 * Prints the network interfaces, and each change as it happens. Needs no privilege.
 *
 *   node dist/work/examples/watch-interfaces.js
 */
import { type NetworkInterface, watchInterfaces } from 'ringtap'
import { fail } from './support/command.js'
import { eventText, interfaceText, now, printable } from './support/format.js'

const watcher = start()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void watcher.close())

for (const iface of watcher.interfaces) console.log(`${now()}  ${iface.index}: ${interfaceText(iface)}`)
for await (const event of watcher) {
  const details = event.type === 'changed' ? `: ${difference(event.changes, event.previous, event.interface)}` : ''
  console.log(`${now()}  ${event.interface.index}: ${eventText(event)}${details}`)
}

function start() {
  try {
    return watchInterfaces()
  } catch (error) {
    fail(error)
  }
}

/** What has changed: `mtu 1500 > 1400`. */
function difference(
  changes: readonly (keyof NetworkInterface)[],
  before: NetworkInterface,
  after: NetworkInterface,
): string {
  return changes.map((field) => `${field} ${text(before[field])} > ${text(after[field])}`).join(', ')
}

function text(value: unknown): string {
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value))
}
