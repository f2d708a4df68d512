// Builds savefiles block by block and parses pcap files. Deliberately independent of the library, so that tests can
// use it as a witness.

/** A sequence of numbers in one byte order. */
export class Bytes {
  readonly #parts: Buffer[] = []
  readonly #big: boolean

  constructor(bigEndian = false) {
    this.#big = bigEndian
  }

  #number(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(size)
    write(buffer)
    this.#parts.push(buffer)
    return this
  }

  u16(...values: number[]): this {
    for (const value of values) this.#number(2, (b) => (this.#big ? b.writeUInt16BE(value) : b.writeUInt16LE(value)))
    return this
  }

  u32(...values: number[]): this {
    for (const value of values) this.#number(4, (b) => (this.#big ? b.writeUInt32BE(value) : b.writeUInt32LE(value)))
    return this
  }

  u64(value: bigint): this {
    const bits = BigInt.asUintN(64, value)
    return this.#number(8, (b) => (this.#big ? b.writeBigUInt64BE(bits) : b.writeBigUInt64LE(bits)))
  }

  raw(bytes: Uint8Array | string): this {
    this.#parts.push(Buffer.from(bytes as Uint8Array))
    return this
  }

  /** Like raw, padded with zeros to a multiple of four bytes. */
  padded(bytes: Uint8Array | string): this {
    const buffer = Buffer.from(bytes as Uint8Array)
    return this.raw(buffer).raw(Buffer.alloc(-buffer.length & 3))
  }

  done(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

export interface RawPacket {
  /** Time since the epoch, in units of the file's timestamp resolution. */
  time: bigint
  data: Uint8Array
  originalLength?: number
}

export interface PcapShape {
  bigEndian?: boolean
  nanoseconds?: boolean
  linkType?: number
  snapshotLength?: number
}

export function pcap(packets: readonly RawPacket[], shape: PcapShape = {}): Buffer {
  const { bigEndian = false, nanoseconds = false, linkType = 1, snapshotLength = 262144 } = shape
  const file = new Bytes(bigEndian)
  file
    .u32(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4)
    .u16(2, 4)
    .u32(0, 0, snapshotLength, linkType)
  const unit = nanoseconds ? 1_000_000_000n : 1_000_000n
  for (const { time, data, originalLength = data.length } of packets) {
    file.u32(Number(time / unit), Number(time % unit), data.length, originalLength).raw(data)
  }
  return file.done()
}

export type Options = readonly (readonly [code: number, value: Uint8Array | string])[]

/** The blocks of a pcapng file in one byte order. */
export class Pcapng {
  readonly #big: boolean
  readonly #parts: Buffer[] = []

  constructor(bigEndian = false) {
    this.#big = bigEndian
  }

  bytes(): Bytes {
    return new Bytes(this.#big)
  }

  block(type: number, body: Uint8Array): this {
    const length = body.length + (-body.length & 3) + 12
    this.#parts.push(this.bytes().u32(type, length).padded(body).u32(length).done())
    return this
  }

  #options(options: Options): Buffer {
    const list = this.bytes()
    for (const [code, value] of options) list.u16(code, Buffer.from(value as Uint8Array).length).padded(value)
    return options.length > 0 ? list.u16(0, 0).done() : list.done()
  }

  section(options: Options = []): this {
    const body = this.bytes().u32(0x1a2b3c4d).u16(1, 0).u64(-1n).raw(this.#options(options))
    return this.block(0x0a0d0d0a, body.done())
  }

  interface(linkType: number, options: Options = [], snapshotLength = 0): this {
    return this.block(1, this.bytes().u16(linkType, 0).u32(snapshotLength).raw(this.#options(options)).done())
  }

  packet(id: number, { time, data, originalLength = data.length }: RawPacket, options: Options = []): this {
    const body = this.bytes().u32(id, Number(time >> 32n), Number(time & 0xffff_ffffn), data.length, originalLength)
    return this.block(6, body.padded(data).raw(this.#options(options)).done())
  }

  simple(data: Uint8Array, originalLength = data.length): this {
    return this.block(3, this.bytes().u32(originalLength).raw(data).done())
  }

  done(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** Bytes that depend on their number. */
export function numbered(number: number, length: number): Buffer {
  const data = Buffer.alloc(length, number & 0xff)
  if (length >= 4) data.writeUInt32BE(number)
  return data
}

/** Packets 0 to `count` − 1 of various lengths, one millisecond apart. */
export function numberedPackets(count: number, length = (number: number) => 20 + ((number * 13) % 700)): RawPacket[] {
  return Array.from({ length: count }, (_, number) => ({
    time: 1_700_000_000_000_000n + BigInt(number) * 1000n,
    data: numbered(number, length(number)),
  }))
}

/** A packet of a pcap file. */
export interface FilePacket {
  /** Nanoseconds since the epoch. */
  timestampNs: bigint
  /** The interface's index; only in cooked files (`-i any`). */
  interfaceIndex?: number
  /** Only in cooked files. */
  direction?: 'in' | 'out'
  /** Bytes in the file and on the wire, without the LINUX_SLL2 header of a cooked file. */
  capturedLength: number
  originalLength: number
  /** The bytes from the link-layer header on; in a cooked file from the network layer on. */
  data: Uint8Array
  /** EtherType of a cooked file's packet. */
  protocol?: number
}

export interface PcapFile {
  /** LINKTYPE_… */
  linkType: number
  snapLength: number
  packets: FilePacket[]
}

const linuxSll2 = 276
const sll2Header = 20
const packetOutgoing = 4

/**
 * Reads a pcap file (not pcapng) in this machine's byte order.
 *
 * @param endsMidway Accept an incomplete last record, as in a file that is still being written.
 */
export function parsePcap(file: Buffer, { endsMidway = false } = {}): PcapFile {
  const magic = file.length >= 24 ? file.readUInt32LE(0) : 0
  if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d)
    throw new Error(`not a pcap file: ${file.length} bytes, magic ${magic.toString(16)}`)
  const fraction = magic === 0xa1b23c4d ? 1n : 1000n
  const linkType = file.readUInt32LE(20) & 0xffff
  const packets: FilePacket[] = []
  let at = 24
  while (at < file.length) {
    const length = at + 16 <= file.length ? file.readUInt32LE(at + 8) : Number.POSITIVE_INFINITY
    if (at + 16 + length > file.length) {
      if (endsMidway) break
      throw new Error(`the pcap file ends in the middle of packet ${packets.length}`)
    }
    const packet: FilePacket = {
      timestampNs: BigInt(file.readUInt32LE(at)) * 1_000_000_000n + BigInt(file.readUInt32LE(at + 4)) * fraction,
      capturedLength: length,
      originalLength: file.readUInt32LE(at + 12),
      data: file.subarray(at + 16, at + 16 + length),
    }
    packets.push(linkType === linuxSll2 ? uncook(packet) : packet)
    at += 16 + length
  }
  return { linkType, snapLength: file.readUInt32LE(16), packets }
}

/** Parses the LINUX_SLL2 header (https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html). */
function uncook(packet: FilePacket): FilePacket {
  const header = Buffer.from(packet.data.buffer, packet.data.byteOffset, packet.data.byteLength)
  return {
    ...packet,
    protocol: header.readUInt16BE(0),
    interfaceIndex: header.readUInt32BE(4),
    direction: header.readUInt8(10) === packetOutgoing ? 'out' : 'in',
    capturedLength: packet.capturedLength - sll2Header,
    originalLength: packet.originalLength - sll2Header,
    data: packet.data.subarray(sll2Header),
  }
}
