// Chunks, packets and interfaces as lines of text.
import type {
  CaptureInterfaceEvent,
  CaptureStats,
  Chunk,
  InterfaceEvent,
  LossEvent,
  NetworkInterface,
  Packet,
} from 'ringtap'

/** Control characters, line separators, and characters that change the direction of text. */
const unprintable = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/**
 * The text with each unprintable character as an escape such as `\x1b`. Names of interfaces, and whatever a file
 * contains, may have any character: written as it is, it could control the terminal.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}

/** The names of interfaces, as a list. */
export function nameList(interfaces: readonly NetworkInterface[]): string {
  return interfaces.map(({ name }) => printable(name)).join(', ')
}

/** A number with separated thousands. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** `3 packets`, `1 packet`. */
export function plural(value: number, noun: string, ending = 's'): string {
  return `${count(value)} ${noun}${value === 1 ? '' : ending}`
}

/** Nanoseconds (a bigint) or milliseconds (a number) since 1970 as local time of day, to the microsecond. */
export function time(when: bigint | number): string {
  const nanoseconds = typeof when === 'bigint' ? when : BigInt(Math.round(when * 1000)) * 1000n
  const date = new Date(Number(nanoseconds / 1_000_000n))
  const micro = String((nanoseconds / 1000n) % 1_000_000n).padStart(6, '0')
  return `${date.toTimeString().slice(0, 8)}.${micro}`
}

/** This moment to the millisecond, as wide as {@link time} writes it. */
export function now(): string {
  return time(BigInt(Date.now()) * 1_000_000n).replace(/000$/, '   ')
}

/** `12:34:56.789012    3 packets       270 bytes  eth0 ×2, eth1 ×1`: the time is that of the first packet. */
export function chunkLine(chunk: Chunk): string {
  const packets = new Map<string, number>()
  chunk.forEach(({ interface: { name } }) => {
    packets.set(name, (packets.get(name) ?? 0) + 1)
  })
  const where = [...packets].map(([name, n]) => `${printable(name)} ×${count(n)}`).join(', ')
  const size = `${plural(chunk.packetCount, 'packet').padStart(14)}  ${plural(chunk.byteLength, 'byte').padStart(16)}`
  return `${time(chunk.firstTimestamp)}  ${size}  ${where}`
}

/** `12:34:56.789012  eth0 out  1514 bytes`, with the original length if it was cut, and a VLAN tag that was taken out. */
export function packetLine(packet: Packet): string {
  const { capturedLength, originalLength, vlan } = packet
  const cut = capturedLength < originalLength ? `, ${capturedLength} captured` : ''
  const tag = vlan ? `, vlan ${vlan.id}` : ''
  const name = printable(packet.interface.name)
  return `${time(packet.timestamp)}  ${name} ${packet.direction}  ${plural(originalLength, 'byte')}${cut}${tag}`
}

/** The ends of a packet, flow or stream. */
export interface Ends {
  readonly sourceIp: string | undefined
  /** Undefined: it may be any. */
  readonly sourcePort: number | undefined
  readonly destinationIp: string | undefined
  readonly destinationPort: number
  readonly protocol: number
}

const protocols = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'icmp6'],
  [132, 'sctp'],
])

/** `192.0.2.1:40000 > [2001:db8::1]:443 tcp`; ports only where the protocol has them. */
export function flowText({ sourceIp, sourcePort, destinationIp, destinationPort, protocol }: Ends): string {
  const name = protocols.get(protocol) ?? `protocol ${protocol}`
  const hasPorts = (sourcePort ?? 0) + destinationPort > 0 && !name.startsWith('icmp')
  const end = (ip = '', port?: number) =>
    hasPorts && port !== undefined ? `${ip.includes(':') ? `[${ip}]` : ip}:${port}` : ip
  return `${end(sourceIp, sourcePort)} > ${end(destinationIp, destinationPort)} ${name}`
}

/** `eth0 (veth, Ethernet, up, 192.0.2.1/24)`. */
export function interfaceText(iface: NetworkInterface): string {
  const facts = [
    iface.loopback ? 'loopback' : (iface.kind ?? 'device'),
    iface.address ?? 'no link-layer address',
    iface.up ? (iface.running ? 'up' : 'up, no carrier') : 'down',
    ...iface.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  ]
  return printable(`${iface.name} (${facts.join(', ')})`)
}

/** `eth0 added`, `eth0 renamed, it was eth7`; with a capture's event, also whether it is captured. */
export function eventText(event: InterfaceEvent | CaptureInterfaceEvent): string {
  const { type, interface: iface, previous } = event
  const was = type === 'renamed' ? `, it was ${previous.name}` : ''
  const captured = 'selected' in event && type !== 'removed' ? (event.selected ? ', captured' : ', not captured') : ''
  return printable(`${iface.name} ${type}${was}${captured}`)
}

/** `critical (it was warn), 7.5 % in 60 s: 75 of 1,000 packets, most on eth0`. */
export function lossText({ level, previous, ratio, lost, received, duration, interfaces }: LossEvent): string {
  const was = level === previous ? '' : ` (it was ${previous})`
  const where = interfaces?.[0] ? `, most on ${printable(interfaces[0].name)}` : ''
  const share = `${(100 * ratio).toFixed(1)} % in ${(duration / 1000).toFixed(0)} s`
  return `${level}${was}, ${share}: ${count(lost)} of ${plural(received, 'packet')}${where}`
}

/** Losses ahead of the capture: `eth0 12, the processors' queues 3`, or `nothing`. */
export function aheadText({ interfaces, softnet }: CaptureStats): string {
  const parts: string[] = []
  for (const { name, device } of interfaces) {
    // Drivers differ in which counter they use, and count one packet in several: the largest is a lower bound.
    const largest = device ? Math.max(...Object.values(device)) : 0
    if (largest > 0) parts.push(`${printable(name)} ${count(largest)}`)
  }
  if (softnet && softnet.dropped > 0) parts.push(`the processors' queues ${count(softnet.dropped)}`)
  return parts.join(', ') || 'nothing'
}
