import { isIPv4, isIPv6 } from 'node:net'
import { checkInteger, checkWord, orElse } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'

/**
 * A connection: protocol, and address and port of both ends. Which end is called local does not matter. A connected
 * `net.Socket` or `tls.TLSSocket` is one.
 *
 * An IPv4-mapped address (`'::ffff:10.0.0.1'`) is the IPv4 one; the zone of a link-local address (`'fe80::1%eth0'`) is
 * ignored.
 */
export interface Connection {
  /** Default `'tcp'`. */
  readonly protocol?: 'tcp' | 'udp' | undefined
  /** IPv4 or IPv6. */
  readonly localAddress?: string | undefined
  /** 1 to 65535. */
  readonly localPort?: number | undefined
  /** Of the same IP version as `localAddress`. */
  readonly remoteAddress?: string | undefined
  /** 1 to 65535. */
  readonly remotePort?: number | undefined
}

/** Up to 100 000 connections. */
export type ConnectionList = Connection | readonly Connection[]

const maxConnections = 100_000

/**
 * Checks a list of connections and converts it to the form that native code takes: one per line; '' if it is empty.
 *
 * @throws CaptureError `ERR_OPTION`, naming the entry and its position.
 * @internal
 */
export function checkConnections(value: unknown, label: string): string {
  if (!Array.isArray(value)) return checkConnection(value, label)
  const { length } = value
  if (length > maxConnections) {
    throw new CaptureError('ERR_OPTION', `${label} must have at most ${maxConnections} entries; got ${length}`, {
      option: label,
    })
  }
  return Array.from({ length }, (_, i) => checkConnection(value[i], `${label}[${i}]`)).join('\n')
}

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkConnection(value: unknown, label: string): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw optionError(label, 'a connection: { protocol, localAddress, localPort, remoteAddress, remotePort }', value)
  }
  const { protocol, localAddress, localPort, remoteAddress, remotePort } = value as Connection
  const local = checkAddress(localAddress, `${label}.localAddress`)
  const remote = checkAddress(remoteAddress, `${label}.remoteAddress`)
  if (isIPv4(local) !== isIPv4(remote)) {
    throw optionError(`${label}.remoteAddress`, `of the IP version of localAddress (${local})`, remoteAddress)
  }
  return [
    checkWord(orElse(protocol, 'tcp'), `${label}.protocol`, ['tcp', 'udp']),
    local,
    checkInteger(localPort, `${label}.localPort`, 1, 65535),
    remote,
    checkInteger(remotePort, `${label}.remotePort`, 1, 65535),
  ].join(' ')
}

const mapped = /^::ffff:(?=\d+\.)/i

/** Returns the address without its zone; of an IPv4-mapped one, the IPv4 address. */
function checkAddress(value: unknown, label: string): string {
  if (typeof value === 'string') {
    const address = value.replace(/%.*$/, '').replace(mapped, '')
    if (isIPv4(address) || isIPv6(address)) return address
  }
  throw optionError(label, 'an IPv4 or IPv6 address', value)
}
