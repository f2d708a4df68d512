import { checkBoolean, checkGroup, checkInteger, checkWord, orElse } from '../arguments.js'
import { optionError } from '../errors.js'
import { nameless } from '../interfaces/nameless.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { LinkType } from './link-type.js'
import { PacketType, Record, Status } from './packet-record.js'

/** The VLAN tag that was removed from a packet's bytes (IEEE 802.1Q). */
export interface VlanTag {
  /** VLAN identifier, 0 to 4095. */
  readonly id: number
  /** Priority code point, 0 to 7. */
  readonly priority: number
  /** Drop eligible indicator. */
  readonly dropEligible: boolean
  /** The EtherType of the tag: 0x8100 (802.1Q) or 0x88a8 (802.1ad). */
  readonly protocol: number
}

/** What `Packet.from()` gives a packet besides its bytes. */
export interface PacketOptions {
  /** Nanoseconds since 1970-01-01 UTC, from 0 to 2^64 - 1. Default: now. */
  timestamp?: bigint
  /** What the bytes begin with: a LINKTYPE_ number, such as those of {@link LinkType}. Default: Ethernet. */
  linkType?: number
  /** The interface, or its name. Default: one without a name, with index 0. */
  interface?: NetworkInterface | string
  /** The length of the whole packet, if the bytes are only its beginning. Default: the number of bytes. */
  originalLength?: number
  /** Default: not known. */
  direction?: 'in' | 'out'
  /** A VLAN tag that is not in the bytes. Default: none. */
  vlan?: VlanTag
  /** Default false. */
  checksumPending?: boolean
}

const names = ['timestamp', 'linkType', 'interface', 'originalLength', 'direction', 'vlan', 'checksumPending'] as const

/** As large as a packet of a capture can be. */
const maxBytes = 262_144
const maxTimestamp = 2n ** 64n - 1n

/** Where the packet's bytes begin: as in records of the kernel, an IP header behind Ethernet's is aligned to 16. */
const dataOffset = 82

/**
 * The memory of a packet: its record, at offset 0.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function makeRecord(
  bytes: Uint8Array,
  given: PacketOptions | undefined,
): { buffer: ArrayBuffer; iface: NetworkInterface } {
  if (!(bytes instanceof Uint8Array)) throw optionError('bytes', 'a Uint8Array', bytes)
  if (bytes.length > maxBytes) throw optionError('bytes', `at most ${maxBytes} bytes`, bytes)
  const options = checkGroup(given, 'options', names)
  const linkType = checkInteger(orElse(options.linkType, LinkType.ETHERNET), 'options.linkType', 0, 0xfffe)
  const original = orElse(options.originalLength, bytes.length)
  const iface = checkInterface(options.interface)
  const buffer = new ArrayBuffer((dataOffset + bytes.length + 7) & ~7)
  const view = new Uint8Array(buffer)
  const u16 = new Uint16Array(buffer)
  const u32 = new Uint32Array(buffer)
  view.set(bytes, dataOffset)
  u32[Record.CAPTURED >>> 2] = bytes.length
  u32[Record.ORIGINAL >>> 2] = checkInteger(original, 'options.originalLength', bytes.length, 0xffffffff)
  u16[Record.DATA >>> 1] = dataOffset
  u32[Record.LINK_TYPE >>> 2] = linkType
  new BigUint64Array(buffer)[Record.TIMESTAMP >>> 3] = checkTimestamp(options.timestamp)
  u32[Record.INTERFACE >>> 2] = iface.index
  u16[Record.HARDWARE >>> 1] = iface.hardwareType
  view[Record.PACKET_TYPE] = checkDirection(options.direction)
  let status: number = Status.LINK_TYPE
  if (checkBoolean(orElse(options.checksumPending, false), 'options.checksumPending')) {
    status |= Status.CHECKSUM_NOT_READY
  }
  if (options.vlan !== undefined) {
    const { tci, protocol } = checkTag(options.vlan)
    status |= Status.VLAN_VALID | Status.VLAN_TPID_VALID
    u32[Record.VLAN_TCI >>> 2] = tci
    u16[Record.VLAN_TPID >>> 1] = protocol
  }
  u32[Record.STATUS >>> 2] = status
  return { buffer, iface }
}

function checkTimestamp(timestamp: bigint | undefined): bigint {
  if (timestamp === undefined) return BigInt(Date.now()) * 1_000_000n
  if (typeof timestamp === 'bigint' && timestamp >= 0n && timestamp <= maxTimestamp) return timestamp
  throw optionError('options.timestamp', 'a bigint of nanoseconds since 1970, from 0 to 2^64 - 1', timestamp)
}

function checkInterface(given: unknown): NetworkInterface {
  if (given === undefined) return nameless(0)
  if (typeof given === 'string') return Object.freeze({ ...nameless(0), name: given })
  const iface = given as Partial<NetworkInterface> | null
  if (
    typeof iface === 'object' &&
    typeof iface?.name === 'string' &&
    Number.isInteger(iface.index) &&
    Number.isInteger(iface.hardwareType) &&
    Array.isArray(iface.addresses)
  ) {
    return iface as NetworkInterface
  }
  throw optionError('options.interface', 'a NetworkInterface or a name', given)
}

function checkDirection(direction: 'in' | 'out' | undefined): number {
  if (direction === undefined) return PacketType.UNKNOWN
  return checkWord(direction, 'options.direction', ['in', 'out']) === 'out' ? PacketType.OUTGOING : PacketType.INCOMING
}

function checkTag(given: VlanTag): { tci: number; protocol: number } {
  const tag = checkGroup(given, 'options.vlan', ['id', 'priority', 'dropEligible', 'protocol'])
  const id = checkInteger(tag.id, 'options.vlan.id', 0, 0xfff)
  const priority = checkInteger(orElse(tag.priority, 0), 'options.vlan.priority', 0, 7)
  const dropEligible = checkBoolean(orElse(tag.dropEligible, false), 'options.vlan.dropEligible')
  const protocol = checkInteger(orElse(tag.protocol, 0x8100), 'options.vlan.protocol', 0, 0xffff)
  return { tci: (priority << 13) | (dropEligible ? 0x1000 : 0) | id, protocol }
}
