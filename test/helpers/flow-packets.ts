// Packets of raw IP between two ends, at times of their own.
import { frame, type NetworkInterface, Packet, type TcpFlag } from 'ringtap'

export const start = 1_700_000_000_000_000_000n

export interface Ends {
  source: string
  destination: string
  sourcePort: number
  destinationPort: number
}
export const web: Ends = { source: '10.0.0.1', destination: '192.0.2.7', sourcePort: 50000, destinationPort: 443 }
export const back = ({ source, destination, sourcePort, destinationPort }: Ends): Ends => ({
  source: destination,
  destination: source,
  sourcePort: destinationPort,
  destinationPort: sourcePort,
})

/** A packet of raw IP, `at` seconds after the start. */
export function packet(bytes: Uint8Array, at: number, iface: string | NetworkInterface = 'eth0'): Packet {
  return Packet.from(bytes, { timestamp: start + BigInt(Math.round(at * 1e9)), linkType: 101, interface: iface })
}

export const ip = ({ source, destination }: Ends) =>
  source.includes(':') ? { ipv6: { source, destination } } : { ipv4: { source, destination } }
export const portsOf = ({ sourcePort, destinationPort }: Ends) => ({ sourcePort, destinationPort })
export const udp = (ends: Ends, length = 10) =>
  frame({
    ...ip(ends),
    udp: { sourcePort: ends.sourcePort, destinationPort: ends.destinationPort },
    payload: new Uint8Array(length),
  })

/** A TCP connection, step by step. */
export class Connection {
  readonly #ends: Ends
  readonly #next: [number, number]
  readonly packets: Packet[] = []
  #at: number

  constructor(ends: Ends = web, at = 0, first: [number, number] = [1000, 0xfffffff0]) {
    this.#ends = ends
    this.#at = at
    this.#next = first
  }

  /** Sends from the originator (0) or the responder (1), each 10 ms after the one before. */
  send(end: 0 | 1, flags: TcpFlag[], length = 0, { skip = 0, window = 1000 } = {}): this {
    const next = this.#next
    next[end] = (next[end] + skip) >>> 0
    const { sourcePort, destinationPort, ...ends } = end === 0 ? this.#ends : back(this.#ends)
    const bytes = frame({
      ...ip({ ...ends, sourcePort, destinationPort }),
      tcp: {
        sourcePort,
        destinationPort,
        flags,
        sequence: next[end],
        acknowledgment: flags.includes('ACK') ? next[end === 0 ? 1 : 0] : 0,
        window,
      },
      payload: new Uint8Array(length),
    })
    this.packets.push(packet(bytes, this.#at))
    this.#at += 0.01
    next[end] = (next[end] + length + (flags.includes('SYN') || flags.includes('FIN') ? 1 : 0)) >>> 0
    return this
  }

  handshake(): this {
    return this.send(0, ['SYN']).send(1, ['SYN', 'ACK']).send(0, ['ACK'])
  }

  close(): this {
    return this.send(0, ['FIN', 'ACK']).send(1, ['FIN', 'ACK']).send(0, ['ACK'])
  }
}
