/** Options of the frames of `send` and of a tun device; test/native/tools/frame.h builds them and defines the layout. */
export interface FrameOptions {
  /** Frame size in bytes, including a VLAN tag, excluding the frame check sequence. Default 64. */
  size?: number
  /** Build an IP packet without an Ethernet header. Default false. */
  raw?: boolean
  /** TCI of an 802.1Q tag. Default: no tag. */
  vlan?: number
  /** EtherType of the tag. Default 0x8100. */
  tpid?: number
  /** Source MAC. Default `02:00:00:00:00:01`. */
  source?: string
  /** Destination MAC. Default `02:00:00:00:00:02`, which no device has. */
  destination?: string
  /** UDP source and destination port. Default 9. */
  port?: number
  /** Number of flows: the source port is port + number % flows. Default 1. */
  flows?: number
  /** Label of the first interface's frames; each further interface of a run gets the next label. Default 0. */
  label?: number
}

const magic = Buffer.from('RINGTAP\0', 'latin1')
const payloadFixed = 18

/**
 * Returns the bytes of one frame.
 *
 * @param number Number of the frame.
 * @param options As given to `send`; `label` is the label of the frame's interface. `stripped`: the frame as received
 *   when the kernel has removed the VLAN tag from the bytes.
 */
export function expectedFrame(number: number, options: FrameOptions & { stripped?: boolean } = {}): Uint8Array {
  const { size = 64, raw = false, vlan, tpid = 0x8100, port = 9, flows = 1, label = 0 } = options
  const link = raw ? 0 : vlan === undefined ? 14 : 18
  const frame = Buffer.alloc(size)
  if (!raw) {
    frame.write((options.destination ?? '02:00:00:00:00:02').replaceAll(':', ''), 0, 'hex')
    frame.write((options.source ?? '02:00:00:00:00:01').replaceAll(':', ''), 6, 'hex')
    if (vlan !== undefined) frame.writeUInt32BE(tpid * 0x10000 + vlan, 12)
    frame.writeUInt16BE(0x0800, link - 2)
  }
  const ip = frame.subarray(link)
  ip.write('4500000000004000401100' + '00' + 'c6120001' + 'c6120002', 'hex')
  ip.writeUInt16BE(ip.length, 2)
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += ip.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  ip.writeUInt16BE(~sum & 0xffff, 10)
  ip.writeUInt16BE(port + (number % flows), 20)
  ip.writeUInt16BE(port, 22)
  ip.writeUInt16BE(ip.length - 20, 24)
  const payload = ip.subarray(28)
  magic.copy(payload)
  payload.writeBigUInt64BE(BigInt(number), 8)
  payload.writeUInt16BE(label, 16)
  const first = number ^ Math.floor(number / 0x100) ^ Math.floor(number / 0x10000)
  for (let i = payloadFixed; i < payload.length; i++) payload[i] = first + i - payloadFixed
  return options.stripped && vlan !== undefined ? Buffer.concat([frame.subarray(0, 12), frame.subarray(16)]) : frame
}

/** The payload, if these bytes are those of a numbered frame (at least its first 60 bytes). */
function payloadOf(data: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  for (const offset of [42, 46, 28]) {
    if (bytes.length >= offset + payloadFixed && magic.compare(bytes, offset, offset + magic.length) === 0) {
      return bytes.subarray(offset)
    }
  }
  return undefined
}

/** The number of a numbered frame; undefined for other packets. */
export function sequenceOf(data: Uint8Array): number | undefined {
  const payload = payloadOf(data)
  return payload && Number(payload.readBigUInt64BE(8))
}

/** The label of a numbered frame; undefined for other packets. */
export function labelOf(data: Uint8Array): number | undefined {
  return payloadOf(data)?.readUInt16BE(16)
}
