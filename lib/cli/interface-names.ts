import type { NetworkInterface } from '../index.js'

/**
 * Returns the expression for a pattern as typed: a pattern that is the name, or an alternative name, of one of `devices`
 * stands for that interface alone, so that `eth0` does not mean `veth0` too. Any other pattern is an expression already.
 */
export function exactly(pattern: string, devices: readonly NetworkInterface[]): string {
  const device =
    devices.find(({ name }) => name === pattern) ??
    devices.find(({ alternativeNames }) => alternativeNames.includes(pattern))
  return device ? `^${device.name.replace(/[\\^$.[\]|()*+?{}]/g, '\\$&')}$` : pattern
}
