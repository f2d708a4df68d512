import type { InterfaceAddress, NetworkInterface } from '../interfaces/network-interface.js'
import { freezeWithJson } from '../to-json.js'
import type { NativeFileBlock, NativeFileInterface, NativeFileOption, NativeFileSection } from './native.js'
import { blockTypes, type SavefileBlockKind } from './savefile-options.js'

/** An option of a block of a pcapng file, as it is stored. */
export interface SavefileOption {
  /** Its number; the meaning depends on the kind of block. */
  readonly code: number
  /** Its bytes. Numbers in them are in the byte order of the section. */
  readonly value: Uint8Array
}

/**
 * A section of a pcapng file. A file has several if other files were appended to it. A pcap file has one. In JSON the
 * values of its options are in base64.
 */
export interface SavefileSection {
  /** Its number in the file, from 0. */
  readonly number: number
  /** The version of the format, such as `2.4` (pcap) or `1.0` (pcapng). */
  readonly version: string
  /** The byte order of its numbers. */
  readonly byteOrder: 'little' | 'big'
  /** The machine that it was captured on; `undefined` if the file does not contain it. */
  readonly hardware: string | undefined
  /** The operating system that it was captured on; `undefined` if the file does not contain it. */
  readonly operatingSystem: string | undefined
  /** The program that wrote it; `undefined` if the file does not contain it. */
  readonly application: string | undefined
  /** Comments on the section. */
  readonly comments: readonly string[]
  /** All options, including those above. */
  readonly options: readonly SavefileOption[]
}

/**
 * An interface as a file describes it. Files contain less than the kernel reports: missing fields are `undefined`, 0,
 * false or empty. `index` counts all interfaces of the file from 0, over all its sections; `generation` is the number
 * of the section. In JSON its bigints are strings of decimal digits, and the values of its options are in base64.
 */
export interface SavefileInterface extends NetworkInterface {
  /** The section that it belongs to. */
  readonly section: SavefileSection
  /** Its number within the section, from 0. */
  readonly id: number
  /** What its packets start with: a LINKTYPE_ number (https://www.tcpdump.org/linktypes.html). */
  readonly linkType: number
  /** Maximum number of bytes captured of a packet; 0: no limit. */
  readonly snapshotLength: number
  /**
   * The unit of its timestamps in seconds, as stored: 1e-6, 1e-9, or a negative power of two. {@link Packet.timestamp}
   * is in nanoseconds in any case, rounded down.
   */
  readonly timestampResolution: number
  /** Seconds that are added to its timestamps. */
  readonly timestampOffset: bigint
  /** A description for people. */
  readonly description: string | undefined
  /** The filter expression that it was captured with; `undefined` if the file does not contain one as text. */
  readonly filter: string | undefined
  /** Its speed in bits per second. */
  readonly speed: bigint | undefined
  /** The system that captured on it. */
  readonly operatingSystem: string | undefined
  /** The device. */
  readonly hardware: string | undefined
  /**
   * Length in bytes of the frame check sequence at the end of each packet's data; `undefined` if the file does not
   * contain it.
   */
  readonly frameCheckSequence: number | undefined
  /** Comments on the interface. */
  readonly comments: readonly string[]
  /** All options, including those above. */
  readonly options: readonly SavefileOption[]
}

/** An address and its names, from a name resolution block. */
export interface ResolvedName {
  /** An IPv4 or IPv6 address in text form, or a MAC address. */
  readonly address: string
  /** Its names, at least one. */
  readonly names: readonly string[]
}

/**
 * A block of a pcapng file that describes neither a packet, an interface nor a section. In JSON its bytes are in base64.
 */
export interface SavefileBlock {
  /** What the block is. */
  readonly kind: SavefileBlockKind
  /** The number of its type in the file. */
  readonly type: number
  /** Where it begins, in bytes from the start of the file; of the unpacked content, if the file is compressed. */
  readonly offset: number
  /** The section it belongs to. */
  readonly section: SavefileSection
  /** All of its content, between the two length fields. */
  readonly body: Uint8Array
  /** Of `nameResolution`: the addresses and their names. */
  readonly names?: readonly ResolvedName[]
  /** Of `decryptionSecrets`: the kind of secrets, such as 0x544c534b for a TLS key log. */
  readonly secretsType?: number
  /** Of `custom`: the private enterprise number of the organisation that defined it. */
  readonly enterprise?: number
  /** Of `interfaceStatistics`: the interface, by its number within the section. */
  readonly interfaceId?: number
  /** Of `decryptionSecrets` and `custom`: the content itself, without numbers and padding. */
  readonly data?: Uint8Array
  /** Of `nameResolution`, `interfaceStatistics` and `decryptionSecrets`: the first 4096. */
  readonly options?: readonly SavefileOption[]
}

const COMMENT = 1
const Section = { HARDWARE: 2, OPERATING_SYSTEM: 3, APPLICATION: 4 } as const
const Interface = {
  NAME: 2,
  DESCRIPTION: 3,
  IPV4: 4,
  IPV6: 5,
  MAC: 6,
  SPEED: 8,
  RESOLUTION: 9,
  FILTER: 11,
  OPERATING_SYSTEM: 12,
  FCS_LENGTH: 13,
  OFFSET: 14,
  HARDWARE: 15,
} as const
const Name = { IPV4: 1, IPV6: 2, EUI48: 3, EUI64: 4 } as const
const KINDS = new Map(Object.entries(blockTypes).map(([kind, type]) => [type, kind as SavefileBlockKind]))
const CUSTOM_ONCE = 0x4000_0bad

/** Decodes a string, which a NUL byte may terminate. */
function text(value: Uint8Array): string {
  const end = value.indexOf(0)
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end))
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function first(options: readonly SavefileOption[], code: number, min = 0): Uint8Array | undefined {
  return options.find((option) => option.code === code && option.value.length >= min)?.value
}

function textOf(options: readonly SavefileOption[], code: number): string | undefined {
  const value = first(options, code)
  return value && text(value)
}

function commentsOf(options: readonly SavefileOption[]): readonly string[] {
  return Object.freeze(options.filter(({ code }) => code === COMMENT).map(({ value }) => text(value)))
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

function ipv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  )
  // URL returns the canonical form of RFC 5952.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function freeze(options: NativeFileOption[]): readonly SavefileOption[] {
  return Object.freeze(options.map((option) => Object.freeze(option)))
}

/** @internal */
export function toSection(told: NativeFileSection, number: number): SavefileSection {
  const options = freeze(told.options)
  return freezeWithJson({
    number,
    version: `${told.major}.${told.minor}`,
    byteOrder: told.bigEndian ? 'big' : 'little',
    hardware: textOf(options, Section.HARDWARE),
    operatingSystem: textOf(options, Section.OPERATING_SYSTEM),
    application: textOf(options, Section.APPLICATION),
    comments: commentsOf(options),
    options,
  })
}

/** @internal */
export function toInterface(told: NativeFileInterface, section: SavefileSection, pcapng: boolean): SavefileInterface {
  const options = freeze(told.options)
  const little = section.byteOrder === 'little'
  const mac = first(options, Interface.MAC, 6)
  const speed = first(options, Interface.SPEED, 8)
  const offset = first(options, Interface.OFFSET, 8)
  const filter = first(options, Interface.FILTER, 1)
  const fcs = pcapng ? first(options, Interface.FCS_LENGTH, 1)?.[0] : told.fcsLength || undefined
  return freezeWithJson({
    index: told.index,
    name: textOf(options, Interface.NAME) ?? '',
    alternativeNames: Object.freeze([]),
    kind: undefined,
    linkType: told.linkType,
    hardwareType: told.hardwareType,
    address: mac && hex(mac.subarray(0, 6)),
    mtu: 0,
    up: false,
    running: false,
    loopback: false,
    promiscuous: false,
    addresses: addressesOf(options),
    master: undefined,
    peerIndex: undefined,
    peerNetnsId: undefined,
    generation: section.number,
    section,
    id: told.id,
    snapshotLength: told.snapshotLength,
    timestampResolution: pcapng
      ? resolution(first(options, Interface.RESOLUTION, 1)?.[0])
      : told.nanoseconds
        ? 1e-9
        : 1e-6,
    timestampOffset: offset ? view(offset).getBigInt64(0, little) : 0n,
    description: textOf(options, Interface.DESCRIPTION),
    // The first byte is the type: 0 is an expression, others are programs.
    filter: filter?.[0] === 0 ? text(filter.subarray(1)) : undefined,
    speed: speed && view(speed).getBigUint64(0, little),
    operatingSystem: textOf(options, Interface.OPERATING_SYSTEM),
    hardware: textOf(options, Interface.HARDWARE),
    frameCheckSequence: fcs,
    comments: commentsOf(options),
    options,
  })
}

function resolution(value = 6): number {
  return value >= 0x80 ? 2 ** -(value & 0x7f) : Number(`1e-${value}`)
}

function addressesOf(options: readonly SavefileOption[]): readonly InterfaceAddress[] {
  const addresses: InterfaceAddress[] = []
  for (const { code, value } of options) {
    if (code === Interface.IPV4 && value.length >= 8) {
      const mask = view(value).getUint32(4)
      const prefixLength = mask === 0 ? 0 : 32 - Math.log2((~mask >>> 0) + 1)
      const known = Number.isInteger(prefixLength) ? prefixLength : 32
      addresses.push({ family: 4, address: value.subarray(0, 4).join('.'), prefixLength: known, scope: 'global' })
    } else if (code === Interface.IPV6 && value.length >= 17) {
      addresses.push({ family: 6, address: ipv6(value), prefixLength: value[16] as number, scope: 'global' })
    }
  }
  return Object.freeze(addresses.map((address) => Object.freeze(address)))
}

/** @internal */
export function toBlock(told: NativeFileBlock, section: SavefileSection): SavefileBlock {
  const { type, offset, body } = told
  const kind = type === CUSTOM_ONCE ? 'custom' : (KINDS.get(type) ?? 'other')
  const little = section.byteOrder === 'little'
  const block = { kind, type, offset, section, body }
  switch (kind) {
    case 'nameResolution': {
      const { names, end } = namesOf(body, little)
      return freezeWithJson({ ...block, names, options: optionsFrom(body, end, little) })
    }
    case 'decryptionSecrets': {
      if (body.length < 8) break
      const length = Math.min(view(body).getUint32(4, little), body.length - 8)
      const options = optionsFrom(body, 8 + padded(length), little)
      return freezeWithJson({
        ...block,
        secretsType: view(body).getUint32(0, little),
        data: body.subarray(8, 8 + length),
        options,
      })
    }
    case 'custom':
      if (body.length < 4) break
      return freezeWithJson({ ...block, enterprise: view(body).getUint32(0, little), data: body.subarray(4) })
    case 'interfaceStatistics':
      if (body.length < 12) break
      return freezeWithJson({
        ...block,
        interfaceId: view(body).getUint32(0, little),
        options: optionsFrom(body, 12, little),
      })
  }
  return freezeWithJson(block)
}

function padded(length: number): number {
  return (length + 3) & ~3
}

/** Maximum number of options, and of names, that are decoded of one block; further ones are ignored. */
const maxOptions = 4096
const maxNames = 65_536

/**
 * Visits the entries (code, length, value) of a list from offset `at` to an entry with code 0 or to the end of the
 * body. Returns the offset after the list.
 */
function walk(
  body: Uint8Array,
  at: number,
  little: boolean,
  visit: (code: number, value: () => Uint8Array) => void,
): number {
  const numbers = view(body)
  while (at + 4 <= body.length) {
    const code = numbers.getUint16(at, little)
    const length = numbers.getUint16(at + 2, little)
    if (code === 0) return at + 4
    const from = at + 4
    if (from + length > body.length) break
    visit(code, () => body.subarray(from, from + length))
    at = from + padded(length)
  }
  return body.length
}

function optionsFrom(body: Uint8Array, at: number, little: boolean): readonly SavefileOption[] {
  const options: SavefileOption[] = []
  walk(body, at, little, (code, value) => {
    if (options.length < maxOptions) options.push(Object.freeze({ code, value: value() }))
  })
  return Object.freeze(options)
}

/** Lengths of the addresses in name records, in bytes. */
const addressLengths = new Map<number, number>([
  [Name.IPV4, 4],
  [Name.IPV6, 16],
  [Name.EUI48, 6],
  [Name.EUI64, 8],
])

function namesOf(body: Uint8Array, little: boolean): { names: readonly ResolvedName[]; end: number } {
  const names: ResolvedName[] = []
  let left = maxNames
  const end = walk(body, 0, little, (code, value) => {
    const length = addressLengths.get(code)
    if (length === undefined || left === 0) return
    const record = value()
    if (record.length <= length) return
    const raw = record.subarray(0, length)
    const address = code === Name.IPV4 ? raw.join('.') : code === Name.IPV6 ? ipv6(raw) : hex(raw)
    const found = new TextDecoder()
      .decode(record.subarray(length))
      .split('\0', left)
      .filter((name) => name !== '')
    left -= Math.max(found.length, 1)
    names.push(Object.freeze({ address, names: Object.freeze(found) }))
  })
  return { names: Object.freeze(names), end }
}
