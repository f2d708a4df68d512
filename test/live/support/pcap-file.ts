/** A packet of a pcap file. */
export interface FilePacket {
  /** Since the epoch. */
  timestampNs: bigint
  /** The interface's index; only in "cooked" files (`-i any`). */
  interfaceIndex?: number
  /** Only in cooked files. */
  direction?: 'in' | 'out'
  /** Bytes in the file and on the wire, without the pseudo header of a cooked file. */
  capturedLength: number
  originalLength: number
  /** From the link layer's header on; in a cooked file from the network layer's on. */
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
 * Reads a pcap file (not pcapng) of this machine's byte order. Independent of the library on purpose: it is part of
 * the witness.
 *
 * @param endsMidway Accept a last record that is not complete, of a file that is being written.
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

/** Takes the LINUX_SLL2 header apart (https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html). */
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
