import { type Connection, type FrameLayers, frame, type Ipv6Extension } from 'ringtap'
import type { RawFrame } from './replay.js'

export type Tuple = Required<Connection> & Connection

/** A numbered packet, with the connection that the capture finds in it, if any. */
export interface OfConnection extends RawFrame {
  number: number
  connection: Tuple | undefined
}

export interface PacketShape {
  /**
   * - `plain`: the header with the ports follows the IP header.
   * - `options`: the header of IPv4 has options; of IPv6 there are destination options.
   * - `first`, `later`: a fragment.
   * - `short`: it ends within the ports.
   * - `quoted`: an ICMP error about it.
   */
  shape?: 'plain' | 'options' | 'first' | 'later' | 'short' | 'quoted'
  /** VLAN tags in the bytes, outermost first. */
  tags?: { tpid: number; tci: number }[]
  /** The packet has no Ethernet header. */
  raw?: boolean
}

const magic = Buffer.from('RINGTAP\0', 'latin1')

function mark(number: number): Buffer {
  const bytes = Buffer.alloc(16)
  magic.copy(bytes)
  bytes.writeBigUInt64BE(BigInt(number), 8)
  return bytes
}

export const tcp = (
  localAddress: string,
  localPort: number,
  remoteAddress: string,
  remotePort: number,
): Required<Connection> & Tuple => ({ protocol: 'tcp', localAddress, localPort, remoteAddress, remotePort })

export const udp = (...ends: Parameters<typeof tcp>): Tuple => ({ ...tcp(...ends), protocol: 'udp' })

/** The same connection, named from its other end. */
export const reversed = ({ protocol, localAddress, localPort, remoteAddress, remotePort }: Tuple): Tuple => ({
  protocol,
  localAddress: remoteAddress,
  localPort: remotePort,
  remoteAddress: localAddress,
  remotePort: localPort,
})

const six = ({ localAddress }: Tuple) => localAddress?.includes(':') ?? false
const fragment = (offset: number): Ipv6Extension => ({
  type: 44,
  content: Buffer.from([offset >> 8, (offset & 0xf8) | 1, 0, 0, 0, 7]),
})

/** Makes a packet from the local to the remote end, whose number {@link numberOf} (addresses.ts) reads back. */
export function packetOf(
  number: number,
  tuple: Tuple,
  { shape = 'plain', tags = [], raw }: PacketShape = {},
): OfConnection {
  const { protocol, localAddress: source, localPort, remoteAddress: destination, remotePort } = tuple
  const ports = { sourcePort: localPort as number, destinationPort: remotePort as number }
  const transport: FrameLayers = protocol === 'udp' ? { udp: ports } : { tcp: { ...ports, flags: ['ACK'] } }
  const ends = { source: source as string, destination: destination as string }
  let network: FrameLayers
  if (six(tuple)) {
    const extensions: Record<string, Ipv6Extension[]> = {
      options: [{ type: 60, content: Buffer.alloc(6) }],
      first: [fragment(0)],
      later: [fragment(8)],
    }
    network = { ipv6: { ...ends, extensions: extensions[shape] ?? [] } }
  } else {
    const fields = {
      options: { options: Buffer.from([1, 1, 1, 1]) },
      first: { moreFragments: true },
      later: { fragmentOffset: 8, moreFragments: true },
    }
    network = { ipv4: { ...ends, ...(fields as Record<string, object>)[shape] } }
  }
  let packet: Uint8Array = frame({ ...network, ...transport, payload: mark(number) })
  if (shape === 'short') {
    const header = six(tuple) ? 40 : 20
    // 16 bytes of the number in place of addresses and ports would change the connection, so it is cut within the ports.
    packet = packet.subarray(0, header + 3)
  }
  if (shape === 'quoted') {
    const type = six(tuple) ? 1 : 3
    packet = frame({
      ...(six(tuple) ? { ipv6: { source: '2001:db8:ffff::1', destination: source as string } } : {}),
      ...(six(tuple) ? {} : { ipv4: { source: '203.0.113.7', destination: source as string } }),
      icmp: { type, code: type === 3 ? 3 : 4 },
      payload: packet,
    })
  }
  const type = six(tuple) ? 0x86dd : 0x0800
  const chain = [...tags.map(({ tpid }) => tpid), type]
  const u16 = (value: number) => [value >> 8, value & 0xff]
  const link = [
    ...Buffer.from('020000000002020000000001', 'hex'),
    ...u16(chain[0] as number),
    ...tags.flatMap(({ tci }, i) => [...u16(tci), ...u16(chain[i + 1] as number)]),
  ]
  const found = shape === 'plain' || shape === 'first' || (shape === 'options' && !six(tuple))
  return {
    number,
    bytes: raw ? packet : Buffer.concat([Buffer.from(link), packet]),
    type: chain[0] as number,
    connection: found ? tuple : undefined,
  }
}

/** Reference implementation: whether a packet passes when these connections are excluded. */
export function passesConnections(
  { connection }: Pick<OfConnection, 'connection'>,
  excluded: readonly Tuple[],
): boolean {
  if (!connection) return true
  const text = (tuple: Tuple) =>
    JSON.stringify([tuple.protocol, tuple.localAddress, tuple.localPort, tuple.remoteAddress, tuple.remotePort])
  const own = text(connection)
  return !excluded.some((tuple) => text(tuple) === own || text(reversed(tuple)) === own)
}
