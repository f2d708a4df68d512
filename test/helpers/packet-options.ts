// The options of packets in a pcapng file of this machine's byte order, as bytes.

/** The values of one packet's options, by code. */
export type PacketOptions = Map<number, Buffer[]>

const enhancedPacket = 6
const fixed = 28

/** Of each enhanced packet block, in order. */
export function packetOptions(file: Buffer): PacketOptions[] {
  const packets: PacketOptions[] = []
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt32LE(at + 4)
    if (file.readUInt32LE(at) === enhancedPacket) packets.push(optionsOf(file.subarray(at, at + length)))
    at += length
  }
  return packets
}

function optionsOf(block: Buffer): PacketOptions {
  const options: PacketOptions = new Map()
  let at = fixed + Math.ceil(block.readUInt32LE(20) / 4) * 4
  while (at + 4 <= block.length - 4) {
    const [code, length] = [block.readUInt16LE(at), block.readUInt16LE(at + 2)]
    if (code === 0) break
    options.set(code, [...(options.get(code) ?? []), block.subarray(at + 4, at + 4 + length)])
    at += 4 + Math.ceil(length / 4) * 4
  }
  return options
}
