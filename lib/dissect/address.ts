import { isIP } from 'node:net'
import { optionError } from '../errors.js'
import { putIpv6 } from './ascii.js'

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * The text of an IP address: four decimal numbers (IPv4), or the canonical form of RFC 5952 (IPv6), in which an address
 * that holds an IPv4 address (`::ffff:0:0/96`) ends with that in decimal.
 *
 * @param address 4 or 16 bytes.
 * @throws CaptureError `ERR_OPTION`.
 */
export function formatIp(address: Uint8Array): string {
  if (!(address instanceof Uint8Array) || (address.length !== 4 && address.length !== 16)) {
    throw optionError('address', 'a Uint8Array of 4 or 16 bytes', address)
  }
  return address.length === 4 ? ipv4Text(address, 0) : ipv6Text(address, 0)
}

/**
 * The bytes of an IP address: 4 or 16. A zone (`%eth0`) is not accepted.
 *
 * @throws CaptureError `ERR_OPTION`: not the text of an IP address.
 */
export function parseIp(text: string): Uint8Array {
  const version = typeof text === 'string' && !text.includes('%') ? isIP(text) : 0
  if (version === 4) return Uint8Array.from(text.split('.'), Number)
  if (version !== 6) throw optionError('text', 'an IP address', text)
  const bytes = new Uint8Array(16)
  const [left = '', right] = text.split('::')
  const head = groups(left)
  const tail = right === undefined ? [] : groups(right)
  bytes.set(head)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

/** The bytes of 16-bit groups, of which the last may be an IPv4 address. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/**
 * The text of a hardware address: its bytes in hexadecimal, separated by colons (`02:00:5e:10:00:ff`).
 *
 * @param address usually 6 bytes.
 * @throws CaptureError `ERR_OPTION`.
 */
export function formatMac(address: Uint8Array): string {
  if (!(address instanceof Uint8Array) || address.length === 0 || address.length > 32) {
    throw optionError('address', 'a Uint8Array of 1 to 32 bytes', address)
  }
  return macText(address, 0, address.length)
}

/** @internal */
export function macText(bytes: Uint8Array, at: number, length = 6): string {
  let text = hex[bytes[at] as number] as string
  for (let i = 1; i < length; i++) text += `:${hex[bytes[at + i] as number]}`
  return text
}

/** @internal */
export function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

const scratch = Buffer.alloc(48)

/** @internal */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  return scratch.toString('latin1', 0, putIpv6(scratch, 0, bytes, at))
}
