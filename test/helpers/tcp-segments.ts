// Segments of one TCP connection, as packets of raw IP.
import { frame, Packet, type TcpFlag } from 'ringtap'

export const start = 1_700_000_000_000_000_000n
export const client = { ip: '10.0.0.1', port: 50000 }
export const server = { ip: '10.0.0.2', port: 443 }

export interface Segment {
  end: 0 | 1
  flags?: TcpFlag[]
  sequence: number
  acknowledgment?: number
  data?: Uint8Array
  at?: number
  port?: number
  checksum?: number
  captured?: number
}

/** Sequence numbers at which both ends begin: one wraps soon. */
export const first = [0xffffff00, 5000] as const

export function packet({ end, flags = ['ACK'], sequence, acknowledgment = 0, data, at = 0, ...more }: Segment): Packet {
  const port = more.port ?? client.port
  const [from, to] = end === 0 ? [{ ...client, port }, server] : [server, { ...client, port }]
  const bytes = frame({
    ipv4: { source: from.ip, destination: to.ip },
    tcp: {
      sourcePort: from.port,
      destinationPort: to.port,
      flags,
      sequence: sequence >>> 0,
      acknowledgment: acknowledgment >>> 0,
      ...(more.checksum !== undefined && { checksum: more.checksum }),
    },
    ...(data && { payload: data }),
  })
  const kept = more.captured === undefined ? bytes : bytes.subarray(0, more.captured)
  return Packet.from(kept, {
    timestamp: start + BigInt(Math.round(at * 1e6)),
    linkType: 101,
    originalLength: bytes.length,
  })
}

export const syn: Segment = { end: 0, flags: ['SYN'], sequence: first[0] }
export const synAck: Segment = { end: 1, flags: ['SYN', 'ACK'], sequence: first[1], acknowledgment: first[0] + 1 }
export const handshake = (at = 0): Segment[] => [
  { ...syn, at },
  { ...synAck, at },
  { end: 0, sequence: first[0] + 1, acknowledgment: first[1] + 1, at },
]
/** Data of an end, `offset` bytes behind its first. */
export const part = (end: 0 | 1, offset: number, data: Uint8Array, more: Partial<Segment> = {}): Segment => ({
  end,
  sequence: first[end] + 1 + offset,
  data,
  ...more,
})
export const ack = (end: 0 | 1, offset: number, more: Partial<Segment> = {}): Segment => ({
  end,
  sequence: first[end] + 1,
  acknowledgment: first[end === 0 ? 1 : 0] + 1 + offset,
  ...more,
})
export const fin = (end: 0 | 1, offset: number, acknowledged = 0): Segment => ({
  end,
  flags: ['FIN', 'ACK'],
  sequence: first[end] + 1 + offset,
  acknowledgment: first[end === 0 ? 1 : 0] + 1 + acknowledged,
})

/** ASCII as bytes. */
export const text = (characters: string) => Buffer.from(characters, 'latin1')
