import { CaptureError, optionError } from '../errors.js'

/**
 * IP addresses and prefixes: one, or a list of up to 100 000, IPv4 and IPv6 mixed: `'10.0.0.1'`, `'10.0.0.0/8'`,
 * `'2001:db8::1'`, `'2001:db8::/32'`. Duplicates and overlaps are allowed. An IPv4-mapped address (`'::ffff:10.0.0.1'`,
 * as dual-stack sockets name their IPv4 peers), or a prefix of it of at least 96 bits, is the IPv4 one.
 *
 * Refused, as by ip(8) and tcpdump(1): bits set beyond the prefix (`'10.0.0.1/8'`), fewer than four numbers
 * (`'10.0.0'`), leading zeros, netmasks, zones (`'fe80::1%eth0'`), host names.
 */
export type HostList = string | readonly string[]

/**
 * Argument of {@link Capture.setHosts}. A list that is not given is kept; an empty one removes the restriction.
 */
export interface HostSets {
  /** Replaces {@link CaptureOptions.excludeHosts}. */
  exclude?: HostList | undefined
  /** Replaces {@link CaptureOptions.includeHosts}. */
  include?: HostList | undefined
}

const maxAddresses = 100_000
/** Characters of an address or prefix; the longest valid one has 49. */
const maxLength = 1000

/**
 * Converts a list to the form that native code takes: one entry per line; '' if it is empty, `undefined` if it is not
 * given. Native code checks the addresses, off the event loop.
 *
 * @throws CaptureError `ERR_OPTION` if the value is not a list of strings, or is too long.
 * @internal
 */
export function checkAddresses(value: unknown, label: string): string | undefined {
  if (value === undefined) return undefined
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const { length } = list
  if (length > maxAddresses) {
    throw new CaptureError('ERR_OPTION', `${label} must have at most ${maxAddresses} entries; got ${length}`, {
      option: label,
    })
  }
  const entries: string[] = []
  for (let i = 0; i < length; i++) {
    const entry = list[i]
    if (typeof entry === 'string' && entry !== '' && entry.length <= maxLength && !entry.includes('\n')) {
      entries.push(entry)
      continue
    }
    throw optionError(
      length === 1 ? label : `${label}[${i}]`,
      `an IPv4 or IPv6 address or prefix${Array.isArray(value) ? '' : ', or a list of such'}`,
      entry,
    )
  }
  return entries.join('\n')
}
