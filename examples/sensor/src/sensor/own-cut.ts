/** Which connections the sensor does not cut: its own. */
import { SocketAddress } from 'node:net'
import type { OwnConnection } from '../transport/transport.js'
import type { Cut } from '../wire/answer.js'

/** Whether a connection to cut is one of the sensor's own, whichever end is named first, however they are written. */
export function isOwnConnection(
  connections: readonly OwnConnection[],
  { source, sourcePort, destination, destinationPort }: Omit<Cut, 'id' | 'until'>,
): boolean {
  const cut = [endOf(source, sourcePort), endOf(destination, destinationPort)]
  return connections.some(({ localAddress, localPort, remoteAddress, remotePort }) => {
    const [local, remote] = [endOf(localAddress, localPort), endOf(remoteAddress, remotePort)]
    return (cut[0] === local && cut[1] === remote) || (cut[0] === remote && cut[1] === local)
  })
}

/** An address and port in one form: lower case, zeros shortened, no zone; IPv4 in IPv6 as IPv4. */
function endOf(text: string, port: number): string {
  const address = text.replace(/%.*$/, '')
  if (!address.includes(':')) return `${address} ${port}`
  const short = new SocketAddress({ address, family: 'ipv6' }).address
  return `${short.replace(/^::ffff:(?=\d+\.)/, '')} ${port}`
}
