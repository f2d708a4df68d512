import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { frame, Packet, SavefileWriter } from 'ringtap'

const mac = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
const batch = 8192
const second = 1_700_000_000_000_000_000n

/** Timestamps, as most segments of TCP have them. */
function timestamps(value: number): Uint8Array {
  const options = Buffer.from('0101080a0000000000000000', 'hex')
  options.writeUInt32BE(value, 4)
  options.writeUInt32BE(value - 1, 8)
  return options
}

/**
 * A packet of a conversation between 16 clients and 16 servers, of which three in four are TCP: more addresses would be
 * the benchmark of tcpdump's table of addresses, a list for all that share their first two bytes.
 */
function packet(number: number, size: number): Packet {
  const ipv4 = { source: `10.0.0.${1 + ((number * 13) % 16)}`, destination: `192.168.7.${100 + ((number * 7) % 16)}` }
  const ports = { sourcePort: 32_768 + (number % 28_000), destinationPort: 40_000 + (number % 7) }
  const isTcp = number % 4 !== 3
  const options = isTcp && size >= 80 ? timestamps(1_000_000 + number) : new Uint8Array(0)
  const payload = Buffer.alloc(size - 14 - 20 - (isTcp ? 20 + options.length : 8), 0x20)
  const tcp = { sequence: (number * 2_654_435_761) >>> 0, acknowledgment: number * 77_003, window: number, options }
  const flags = number % 3 === 0 ? (['PSH', 'ACK'] as const) : (['ACK'] as const)
  const bytes = frame({
    ethernet: mac,
    ipv4,
    ...(isTcp ? { tcp: { ...ports, ...tcp, flags } } : { udp: ports }),
    payload,
  })
  return Packet.from(bytes, { timestamp: second + BigInt(number) * 122_000n })
}

export interface MadeFile {
  packets: number
  bytes: number
}

/** Writes a pcap file of at most `size` bytes that repeats the same second of packets of these sizes in turn. */
export async function makeFile(path: string, sizes: readonly number[], size: number): Promise<MadeFile> {
  const writer = await SavefileWriter.open(path, { format: 'pcap' })
  await writer.write(Array.from({ length: batch }, (_, i) => packet(i, sizes[(i * 5) % sizes.length] as number)))
  await writer.close()
  const once = readFileSync(path)
  rmSync(path)
  const header = once.subarray(0, 24)
  const records = once.subarray(24)
  const file = openSync(path, 'w')
  try {
    let bytes = writeSync(file, header)
    let packets = 0
    for (; bytes + records.length <= size; packets += batch) bytes += writeSync(file, records)
    return { packets, bytes }
  } finally {
    closeSync(file)
  }
}
