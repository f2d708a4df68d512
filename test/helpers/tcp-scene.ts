// TCP connections as a sensor sees them on a bad day: lost, late and repeated segments, in an order at random.
import { randomBytes, randomInt } from 'node:crypto'
import { frame, Packet } from 'ringtap'

/** A connection, and what its ends have sent. */
export interface Conversation {
  client: { ip: string; port: number }
  server: { ip: string; port: number }
  sent: [Uint8Array, Uint8Array]
}

export interface Scene {
  conversations: Conversation[]
  /** In the order of their capture, with times that grow. */
  packets: Packet[]
}

interface Sent {
  conversation: number
  end: 0 | 1
  sequence: number
  acknowledgment: number
  flags: ('SYN' | 'ACK' | 'FIN' | 'PSH')[]
  data: Uint8Array
}

/**
 * @param lossy segments may be missing for good: otherwise each byte is captured at least once.
 */
export function tcpScene(count: number, { lossy = false } = {}): Scene {
  const conversations: Conversation[] = []
  const lists: Sent[][] = []
  for (let i = 0; i < count; i++) {
    const six = i % 3 === 0
    conversations.push({
      client: { ip: six ? `2001:db8::${i + 1}` : `10.0.0.${i + 1}`, port: 40_000 + i },
      server: { ip: six ? '2001:db8:1::1' : '192.0.2.1', port: 443 },
      sent: [randomBytes(1000 + randomInt(20_000)), randomBytes(1000 + randomInt(20_000))],
    })
    lists.push(segmentsOf(i, conversations[i] as Conversation, lossy))
  }
  const packets: Packet[] = []
  // The connections take turns at random.
  for (let time = 0; lists.some((list) => list.length > 0); ) {
    const list = lists[randomInt(lists.length)] as Sent[]
    const next = list.shift()
    if (!next) continue
    packets.push(packetOf(next, conversations[next.conversation] as Conversation, time))
    time += 1 + randomInt(5000)
  }
  return { conversations, packets }
}

function segmentsOf(conversation: number, { sent }: Conversation, lossy: boolean): Sent[] {
  // The client's sequence numbers wrap within its first 1000 bytes, the server's do not.
  const first: [number, number] = [2 ** 32 - 2 - randomInt(900), randomInt(2 ** 32 - 30_000)]
  const segment = (
    end: 0 | 1,
    flags: Sent['flags'],
    offset: number,
    acknowledged: number,
    data: Uint8Array = new Uint8Array(0),
  ): Sent => ({
    ...{ conversation, end, flags, data },
    sequence: (first[end] + offset) % 2 ** 32,
    acknowledgment: flags.includes('ACK') ? (first[end === 0 ? 1 : 0] + acknowledged) % 2 ** 32 : 0,
  })
  const list = [segment(0, ['SYN'], 0, 0), segment(1, ['SYN', 'ACK'], 0, 1), segment(0, ['ACK'], 1, 1)]
  let acknowledged = 1
  for (const end of [0, 1] as const) {
    const bytes = sent[end]
    const data: Sent[] = []
    for (let at = 0; at < bytes.length; ) {
      let length = Math.min(1 + randomInt(1460), bytes.length - at)
      // No segment ends where the numbers wrap: tshark takes 0 for a next sequence number that it does not know yet.
      if (first[end] + 1 + at + length === 2 ** 32) length++
      data.push(segment(end, ['ACK'], 1 + at, acknowledged, bytes.subarray(at, at + length)))
      at += length
    }
    list.push(...disturb(data, lossy))
    acknowledged = 1 + bytes.length
    list.push(segment(end === 0 ? 1 : 0, ['ACK'], end === 0 ? 1 : 1 + sent[0].length, acknowledged))
  }
  const [one, other] = [1 + sent[0].length, 1 + sent[1].length]
  list.push(segment(0, ['FIN', 'ACK'], one, other), segment(1, ['FIN', 'ACK'], other, one + 1))
  list.push(segment(0, ['ACK'], one + 1, other + 1))
  return list
}

/** Repeats some segments, moves some back, and, if lossy, leaves some out; never the last. */
function disturb(segments: Sent[], lossy: boolean): Sent[] {
  const last = segments.pop() as Sent
  const result: Sent[] = []
  for (const segment of segments) {
    const chance = randomInt(20)
    if (chance === 0) result.push(segment, segment)
    else if (chance !== 1 || !lossy) result.push(segment)
  }
  for (let i = result.length - 1; i > 0; i--) {
    if (randomInt(10) > 0) continue
    const to = Math.max(0, i - 1 - randomInt(5))
    const [moved] = result.splice(to, 1)
    result.splice(i, 0, moved as Sent)
  }
  return [...result, last]
}

function packetOf(sent: Sent, { client, server }: Conversation, time: number): Packet {
  const [from, to] = sent.end === 0 ? [client, server] : [server, client]
  const bytes = frame({
    ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
    ...(from.ip.includes(':')
      ? { ipv6: { source: from.ip, destination: to.ip } }
      : { ipv4: { source: from.ip, destination: to.ip } }),
    tcp: {
      sourcePort: from.port,
      destinationPort: to.port,
      flags: sent.flags,
      sequence: sent.sequence,
      acknowledgment: sent.acknowledgment,
      window: 60_000,
    },
    payload: sent.data,
  })
  return Packet.from(bytes, { timestamp: 1_700_000_000_000_000_000n + BigInt(time) * 1000n })
}
