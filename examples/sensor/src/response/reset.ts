/**
 * TCP resets for a connection of which a packet was seen.
 *
 * A receiver accepts a reset only if its sequence number is exactly the next one that it expects (RFC 5961, section 3.2).
 * Two numbers in a packet say what its ends expect: the packet's receiver expects what follows its last byte, and its
 * sender expects what it acknowledges.
 */
import { type Dissector, frame, LinkType, type Packet } from 'ringtap'

/** To which end of a packet's connection a reset goes, and the numbers in it. */
export interface Reset {
  readonly to: 'receiver' | 'sender'
  readonly sequence: number
  readonly acknowledgment: number
}

const [SYN, FIN, RST, ACK] = [2, 1, 4, 16]

/** The resets that a packet allows: none for a reset (our own are seen as well) and for a fragment. */
export function resetsFor(packet: Pick<Packet, 'kind' | 'interface'>, headers: Dissector): Reset[] {
  const { tcpFlags: flags, tcpSequence: sequence, tcpAcknowledgment: acknowledgment } = headers
  if (flags < 0 || (flags & RST) !== 0 || headers.fragment !== 0 || headers.tunnelDepth !== 0) return []
  const acknowledged = (flags & ACK) !== 0 ? acknowledgment : 0
  const control = ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0)
  const next = (sequence + headers.payloadLength + control) >>> 0
  const { kind, interface: iface } = packet
  // The sender of a packet that leaves through the interface is not on its other side, and neither is the receiver of one
  // that is addressed to it. Both may be where it is a bridge, a mirror port or loopback.
  const receiver = kind !== 'host' || iface.loopback
  const sender = kind !== 'outgoing'
  return [
    ...(receiver ? [{ to: 'receiver', sequence: next, acknowledgment: acknowledged } as const] : []),
    ...(sender ? [{ to: 'sender', sequence: acknowledged, acknowledgment: next } as const] : []),
  ]
}

/**
 * The frame of a reset, for the interface on which the packet was seen; undefined if its link layer is not Ethernet, nor
 * IP alone, or if there is more between Ethernet and IP than VLAN tags.
 *
 * Its hardware source address is the interface's own: with that of the other end, switches on the way would learn that the
 * other end is here.
 */
export function resetFrame(packet: Packet, headers: Dissector, { to, sequence, acknowledgment }: Reset) {
  const { data, linkType, interface: iface } = packet
  const [sender, receiver] = [headers.sourceIp, headers.destinationIp]
  if (sender === undefined || receiver === undefined) return undefined
  const ip = to === 'receiver' ? { source: sender, destination: receiver } : { source: receiver, destination: sender }
  const [senderPort, receiverPort] = [headers.sourcePort, headers.destinationPort]
  const bytes = frame({
    ...(headers.ipVersion === 6 ? { ipv6: ip } : { ipv4: { ...ip, dontFragment: true } }),
    tcp: {
      sourcePort: to === 'receiver' ? senderPort : receiverPort,
      destinationPort: to === 'receiver' ? receiverPort : senderPort,
      sequence,
      acknowledgment,
      // ACK as well: an end that has sent a SYN accepts no reset without it (RFC 9293, section 3.10.7.3).
      flags: ['RST', 'ACK'],
      window: 0,
    },
  })
  if (linkType === LinkType.RAW || linkType === LinkType.IPV4 || linkType === LinkType.IPV6) return bytes
  const type = (data[headers.networkOffset - 2] ?? 0) * 256 + (data[headers.networkOffset - 1] ?? 0)
  if (linkType !== LinkType.ETHERNET || (type !== 0x0800 && type !== 0x86dd)) return undefined
  const own = Uint8Array.from((iface.address ?? '').split(':'), (byte) => Number.parseInt(byte, 16))
  if (own.length !== 6) return undefined
  const target = to === 'receiver' ? data.subarray(0, 6) : data.subarray(6, 12)
  return Buffer.concat([target, own, strippedTag(packet), data.subarray(12, headers.networkOffset), bytes])
}

/** The VLAN tag that the kernel has taken out of the packet, as bytes. */
function strippedTag({ vlan }: Packet): Uint8Array {
  if (!vlan) return new Uint8Array(0)
  const control = (vlan.priority << 13) | (vlan.dropEligible ? 0x1000 : 0) | vlan.id
  return Uint8Array.of(vlan.protocol >> 8, vlan.protocol & 255, control >> 8, control & 255)
}
