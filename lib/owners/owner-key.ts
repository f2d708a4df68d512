import { checkInteger } from '../arguments.js'
import { parseIp } from '../dissect/address.js'
import type { Dissector } from '../dissect/dissector.js'
import { Layer } from '../dissect/layer.js'
import type { Packet } from '../packets/packet.js'

/** A flow, or what is needed of one: a {@link Flow} is one. */
export interface OwnedFlow {
  /** An IANA number: 6 TCP, 17 UDP. */
  readonly protocol: number
  /** An address of IPv4 or IPv6. */
  readonly sourceIp: string
  /** From 0 to 65535. */
  readonly sourcePort: number
  /** An address of the same family. */
  readonly destinationIp: string
  /** From 0 to 65535. */
  readonly destinationPort: number
  /** Milliseconds since 1970. */
  readonly first?: number | undefined
}

/**
 * The ends of a packet and its time, as native code takes them: protocol, source port, destination port, four words of the
 * source address and four of the destination (of IPv4 in the mapped form, `::ffff:a.b.c.d`), seconds, nanoseconds.
 *
 * @internal
 */
export type OwnerKey = Uint32Array

const protocolAt = 0
const portsAt = 1
const sourceAt = 3
const destinationAt = 7
const timeAt = 11
const words = 13

/** @internal */
export const newKey = (): OwnerKey => new Uint32Array(words)

const second = 1_000_000_000n

/** @internal */
export function setTime(key: OwnerKey, timestamp: bigint): void {
  const inRange = timestamp >= 0n && timestamp < second << 32n
  key[timeAt] = inRange ? Number(timestamp / second) : 0
  key[timeAt + 1] = inRange ? Number(timestamp % second) : 0
}

/** False if the packet is neither TCP nor UDP, or does not show its ports. @internal */
export function setPacket(key: OwnerKey, packet: Packet, dissector: Dissector): boolean {
  const layers = dissector.dissect(packet)
  if ((layers & (Layer.Tcp | Layer.Udp)) === 0 || dissector.sourcePort < 0) return false
  const { networkOffset: at } = dissector
  key[protocolAt] = (layers & Layer.Tcp) === 0 ? 17 : 6
  key[portsAt] = dissector.sourcePort
  key[portsAt + 1] = dissector.destinationPort
  if (dissector.ipVersion === 4) {
    setMapped(key, sourceAt, packet.readUInt32BE(at + 12))
    setMapped(key, destinationAt, packet.readUInt32BE(at + 16))
  } else {
    // The destination follows the source, here as in the header.
    for (let word = 0; word < 8; word++) key[sourceAt + word] = packet.readUInt32BE(at + 8 + 4 * word)
  }
  return true
}

/** False if the flow is neither TCP nor UDP. @throws CaptureError `ERR_OPTION`. @internal */
export function setFlow(key: OwnerKey, flow: OwnedFlow): boolean {
  if (flow.protocol !== 6 && flow.protocol !== 17) return false
  key[protocolAt] = flow.protocol
  key[portsAt] = checkInteger(flow.sourcePort, 'flow.sourcePort', 0, 65535)
  key[portsAt + 1] = checkInteger(flow.destinationPort, 'flow.destinationPort', 0, 65535)
  setAddress(key, sourceAt, flow.sourceIp)
  setAddress(key, destinationAt, flow.destinationIp)
  return true
}

function setMapped(key: OwnerKey, at: number, address: number): void {
  key[at] = key[at + 1] = 0
  key[at + 2] = 0xffff
  key[at + 3] = address
}

function setAddress(key: OwnerKey, at: number, text: string): void {
  const bytes = parseIp(typeof text === 'string' ? text.replace(/%.*$/, '') : text)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length === 4) setMapped(key, at, view.getUint32(0))
  else for (let word = 0; word < 4; word++) key[at + word] = view.getUint32(4 * word)
}
