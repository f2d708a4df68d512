/** The connections to be cut: the filter that selects exactly them, and the keys by which their packets are found. */
import { formatIp, parseIp } from 'ringtap'
import type { Cut } from '../wire/answer.js'

/** One end of a connection. The address is in the one form that {@link normalAddress} gives. */
export interface End {
  readonly address: string
  readonly port: number
}

/** The ends of a cut. */
export function endsOf({ source, sourcePort, destination, destinationPort }: Cut): [End, End] {
  return [
    { address: normalAddress(source), port: sourcePort },
    { address: normalAddress(destination), port: destinationPort },
  ]
}

/** An address as {@link Dissector} prints it: there are several ways to write one of IPv6. */
export function normalAddress(address: string): string {
  return formatIp(parseIp(address))
}

/** The key of the packets that one end sends to the other. */
export function keyOf(from: End, to: End): string {
  return `${from.address} ${from.port} ${to.address} ${to.port}`
}

/**
 * A pcap-filter expression for the packets of these connections, both directions, that the sensor's own filter accepts.
 */
export function filterOf(connections: Iterable<readonly [End, End]>, sensorFilter: string | undefined): string {
  const way = (from: End, to: End) =>
    `(src host ${from.address} and src port ${from.port} and dst host ${to.address} and dst port ${to.port})`
  const ways = [...connections].flatMap(([one, other]) => [way(one, other), way(other, one)])
  return `${sensorFilter === undefined ? '' : `(${sensorFilter}) and `}tcp and (${ways.join(' or ')})`
}

export function describe({ source, sourcePort, destination, destinationPort }: Cut): string {
  const end = (address: string, port: number) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)
  return `${end(source, sourcePort)} → ${end(destination, destinationPort)}`
}
