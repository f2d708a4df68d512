// The demo's interfaces: veth pairs from this namespace to that of the peer (peer.ts).
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Runs commands of ip(8), one a line. */
export function ip(lines: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', ['-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
  })
  if (error) throw new Error(`ip cannot be run, it is part of iproute2: ${error.message}`)
  if (status !== 0) throw new Error(`ip: ${stderr.trim()}`)
}

/** Both ends of a pair. Their neighbour entries are permanent, so that no ARP is sent. */
export interface Pair {
  /** The end in this namespace. */
  readonly name: string
  readonly address: string
  /** The end in the peer's. */
  readonly peer: string
  readonly peerAddress: string
  readonly mac: string
  readonly peerMac: string
}

export function pair(number: number): Pair {
  return {
    name: `eth${number}`,
    address: `10.77.${number}.1`,
    peer: `peer${number}`,
    peerAddress: `10.77.${number}.2`,
    mac: `02:00:00:00:${hex(number)}:01`,
    peerMac: `02:00:00:00:${hex(number)}:02`,
  }
}

/** The commands for this namespace. */
export function here({ name, address, peer, peerAddress, mac, peerMac }: Pair, peerProcess: number): string[] {
  return [
    `link add name ${name} address ${mac} type veth peer name ${peer} address ${peerMac} netns ${peerProcess}`,
    `address add ${address}/24 dev ${name}`,
    `neighbour add ${peerAddress} lladdr ${peerMac} nud permanent dev ${name}`,
    `link set dev ${name} up`,
  ]
}

/** The commands for the peer's, once the pair is there. */
export function there({ address, peer, peerAddress, mac }: Pair): string[] {
  return [
    `address add ${peerAddress}/24 dev ${peer}`,
    `neighbour add ${address} lladdr ${mac} nud permanent dev ${peer}`,
    `link set dev ${peer} up`,
  ]
}

/** The kernel's counts of frames of each interface of this namespace, both directions together. */
export function deviceCounters(): Map<string, number> {
  const frames = new Map<string, number>()
  for (const line of readFileSync('/proc/net/dev', 'latin1').split('\n').slice(2)) {
    const [name = '', stats = ''] = line.trim().split(/:\s*/)
    const column = stats.split(/\s+/).map(Number)
    if (name !== '') frames.set(name, (column[1] ?? 0) + (column[9] ?? 0))
  }
  return frames
}

/** How many ICMP messages "destination unreachable" this namespace has sent. */
export function unreachablesSent(): number {
  const lines = readFileSync('/proc/net/snmp', 'latin1').split('\n')
  const [names = [], values = []] = lines.filter((line) => line.startsWith('Icmp:')).map((line) => line.split(' '))
  return Number(values[names.indexOf('OutDestUnreachs')] ?? 0)
}

function hex(number: number): string {
  return number.toString(16).padStart(2, '0')
}
