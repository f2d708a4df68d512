import type { Flow } from '../index.js'

const protocols: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6', 132: 'sctp' }

/** The name of an IANA protocol number. */
export function protocolName(protocol: number): string {
  return protocols[protocol] ?? `ip-${protocol}`
}

/** Whether the ends of a flow are ports: fragments have none, and of ICMP they are types. */
export function isPorted({ protocol, sourcePort, destinationPort }: Flow): boolean {
  return (protocol === 6 || protocol === 17 || protocol === 132) && (sourcePort | destinationPort) !== 0
}

/** The two ends of a flow as tcpdump writes them: the originator first. */
export function flowEnds(flow: Flow): [string, string] {
  const { sourceIp, sourcePort, destinationIp, destinationPort } = flow
  if (!isPorted(flow)) return [sourceIp, destinationIp]
  return [`${sourceIp}.${sourcePort}`, `${destinationIp}.${destinationPort}`]
}
