import type { SensorState } from './sensor-state.js'

/** Milliseconds after which a sensor that was not seen is no peer any more. */
const goneAfter = 10 * 60_000

/**
 * The addresses of the sensors whose traffic a sensor leaves to them: those whose names come before its own. So of two
 * sensors one reports what they exchange. Loopback addresses are those of nobody else.
 */
export function peersOf(sensor: string, states: readonly SensorState[], now = Date.now()): string[] {
  const own = states.find(({ name }) => name === sensor)?.address
  const addresses = states
    .filter(({ name, lastSeen, report }) => name < sensor && now - lastSeen < goneAfter && !report?.final)
    .map(({ address }) => address?.replace(/^::ffff:/, ''))
    .filter((address) => address !== undefined && address !== own?.replace(/^::ffff:/, '') && !isLoopback(address))
  return [...new Set(addresses)] as string[]
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
