// Finds IP headers in packets of different link types.
import type { Packet } from 'ringtap'

const ETHERNET = 1
// LINKTYPE_ numbers (https://www.tcpdump.org/linktypes.html) of packets that begin with the IP header: tunnels, tun
// devices, WireGuard.
const rawIp = new Set([12, 14, 101, 228, 229])
const VLAN = new Set([0x8100, 0x88a8, 0x9100])
const IPV4 = 0x0800
const IPV6 = 0x86dd

/** Where the IP header begins; `undefined` if the packet is not IP. */
export function ipOffset({ data, linkType }: Packet): number | undefined {
  if (linkType !== undefined && rawIp.has(linkType)) return 0
  if (linkType !== ETHERNET) return undefined
  // The kernel takes the outer VLAN tag out of the bytes (packet.vlan); a tag inside that one is still there.
  let at = 12
  while (VLAN.has(uint16(data, at))) at += 4
  const type = uint16(data, at)
  return type === IPV4 || type === IPV6 ? at + 2 : undefined
}

/** Source and destination, as the bytes of both, for a key; `undefined` if the packet is not IP or cut too short. */
export function findPair(packet: Packet): string | undefined {
  const ip = ipOffset(packet)
  if (ip === undefined) return undefined
  const { data } = packet
  const version = (data[ip] ?? 0) >> 4
  const start = ip + (version === 4 ? 12 : 8)
  const length = version === 4 ? 8 : 32
  if ((version !== 4 && version !== 6) || data.length < start + length) return undefined
  return Buffer.from(data.buffer, data.byteOffset + start, length).toString('latin1')
}

/** A key of {@link findPair} as text. */
export function addressPair(pair: string): string {
  const bytes = Buffer.from(pair, 'latin1')
  const half = bytes.length / 2
  return `${address(bytes.subarray(0, half))} > ${address(bytes.subarray(half))}`
}

function address(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':')
  // A URL's host is written in the short form.
  return new URL(`http://[${groups}]`).hostname.slice(1, -1)
}

function uint16(data: Uint8Array, at: number): number {
  return ((data[at] ?? 0) << 8) | (data[at + 1] ?? 0)
}
