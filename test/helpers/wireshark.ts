// Savefiles as read by Wireshark's tools: a witness that shares no code with the library.
import { spawnSync } from 'node:child_process'
import { openFile } from 'ringtap'
import { sequenceOf } from '../live/support/frame.js'
import { witnessEnvironment } from './child-environment.js'
import { hex } from './hex.js'
import { type FilePacket, parsePcap } from './savefiles.js'

/** The properties of a packet that both Wireshark and the library report. */
export interface ReadPacket {
  /** Nanoseconds since 1970. */
  timestamp: bigint
  originalLength: number
  capturedLength: number
  interface: string
  /** Several comments are joined with `|`. */
  comment: string
}

/** A packet as dissected by tshark. */
export interface DissectedPacket extends ReadPacket {
  direction: 'in' | 'out' | undefined
  /** VLAN IDs of the tags, outermost first. */
  vlan: string
}

/**
 * Runs tcpdump or one of Wireshark's programs and returns its standard output.
 *
 * @param mayComplain Ignore the exit code.
 * @throws Error with its standard error output.
 */
export function run(
  program: string,
  args: readonly string[],
  { input, mayComplain = false }: { input?: string; mayComplain?: boolean } = {},
): Buffer {
  const env = { ...witnessEnvironment(), TZ: 'UTC', LC_ALL: 'C' }
  const { status, error, stdout, stderr } = spawnSync(program, args, { maxBuffer: 1 << 30, env, input })
  if (error) throw new Error(`${program} cannot be run: ${error.message}`)
  if (!mayComplain && status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.toString().trim()}`)
  return stdout
}

/** Of seconds with a fraction; no text is 0. */
function nanoseconds(text: string): bigint {
  const [seconds = '', fraction = ''] = text.split('.')
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}

/**
 * Returns every packet of a file, as read by tshark.
 *
 * @param endsMidway The file may end in the middle of a block.
 */
export function dissect(path: string, { endsMidway = false } = {}): DissectedPacket[] {
  const fields = [
    'frame.interface_name',
    'frame.packet_flags_direction',
    'frame.time_epoch',
    'frame.cap_len',
    'frame.len',
    'frame.comment',
    'vlan.id',
  ]
  const form = ['-T', 'fields', '-E', 'separator=/t', '-E', 'aggregator=|']
  const args = ['-n', '-r', path, ...form, ...fields.flatMap((field) => ['-e', field])]
  const lines = run('tshark', args, { mayComplain: endsMidway }).toString().split('\n').slice(0, -1)
  return lines.map((line) => {
    const [name = '', direction, time = '', captured, original, comment = '', vlan = ''] = line.split('\t')
    return {
      interface: name,
      direction: direction?.endsWith('1') ? 'in' : direction?.endsWith('2') ? 'out' : undefined,
      timestamp: nanoseconds(time),
      capturedLength: Number(captured),
      originalLength: Number(original),
      comment,
      vlan,
    }
  })
}

/**
 * Returns every packet of a file with a single link type, as read by Wireshark.
 *
 * @param endsMidway The file may end in the middle of a block.
 */
function packetsOf(path: string, { endsMidway = false } = {}): FilePacket[] {
  // The same reader as tshark's, without the dissectors, which take longer to start than the file takes to read.
  const pcap = run('editcap', ['-F', 'nsecpcap', path, '-'], { mayComplain: endsMidway })
  // If a truncated file holds no packet, there may be no file header either.
  return endsMidway && pcap.length === 0 ? [] : parsePcap(pcap).packets
}

/** The bytes of the packets in a file with a single link type, as read by Wireshark. */
export function bytesOf(path: string, options: { endsMidway?: boolean } = {}): Uint8Array[] {
  return packetsOf(path, options).map(({ data }) => data)
}

/** The times of the packets in a file with a single link type, in nanoseconds since 1970, as read by Wireshark. */
export function timesIn(path: string): bigint[] {
  return packetsOf(path).map(({ timestampNs }) => timestampNs)
}

/** The numbers of the numbered frames in a file, as read by Wireshark. */
export function numbersIn(path: string, options: { endsMidway?: boolean } = {}): number[] {
  return bytesOf(path, options).map((data) => sequenceOf(data) ?? Number.NaN)
}

/** What tshark has of a packet in JSON: the first element of `frame_raw` is its bytes in hexadecimal. */
interface FrameLayers {
  frame_raw: [string]
  frame: {
    'frame.interface_id_tree'?: { 'frame.interface_name'?: string }
    'frame.time_epoch'?: string
    'frame.cap_len': string
    'frame.len': string
  }
  pkt_comment?: Comments | Comments[]
}
interface Comments {
  'frame.comment': string | string[]
}

/** Every packet of a file with its bytes in hexadecimal, as read by tshark. Works for all link types, but is slow. */
export function readByTshark(path: string): (ReadPacket & { bytes: string })[] {
  const form = ['-T', 'json', '-x', '-J', 'frame pkt_comment', '--no-duplicate-keys']
  const packets = JSON.parse(run('tshark', ['-n', '-r', path, ...form]).toString()) as {
    _source: { layers: FrameLayers }
  }[]
  return packets.map(({ _source: { layers } }) => ({
    interface: layers.frame['frame.interface_id_tree']?.['frame.interface_name'] ?? '',
    timestamp: nanoseconds(layers.frame['frame.time_epoch'] ?? ''),
    capturedLength: Number(layers.frame['frame.cap_len']),
    originalLength: Number(layers.frame['frame.len']),
    comment: [layers.pkt_comment ?? []]
      .flat()
      .flatMap((comments) => comments['frame.comment'])
      .join('|'),
    bytes: layers.frame_raw[0],
  }))
}

/** The same, as read by the library. */
export async function readByRingtap(path: string): Promise<(ReadPacket & { bytes: string })[]> {
  await using file = await openFile(path)
  const told: (ReadPacket & { bytes: string })[] = []
  for await (const packet of file.packets()) {
    told.push({
      timestamp: packet.timestamp,
      originalLength: packet.originalLength,
      capturedLength: packet.capturedLength,
      // tshark shows an interface without a name as an empty string in pcap, and as this in pcapng.
      interface: packet.interface.name || (file.format === 'pcap' ? '' : 'unknown'),
      comment: packet.comments.join('|'),
      bytes: hex(packet.data),
    })
  }
  return told
}

/**
 * Returns what capinfos reports about a whole file; throws for a truncated file. `bytes` counts the original lengths,
 * not the captured lengths.
 */
export function describe(path: string): { packets: number; bytes: number; text: string } {
  const text = run('capinfos', ['-M', path]).toString()
  const figure = (what: RegExp) => Number(what.exec(text)?.[1] ?? Number.NaN)
  return { packets: figure(/^Number of packets: +(\d+)/m), bytes: figure(/^Data size: +(\d+)/m), text }
}

/** Descriptions of the blocks of a pcapng file, in order, by tshark's file dissector. */
export function blocksIn(path: string): string[] {
  const text = run('tshark', ['-n', '-X', 'read_format:MIME Files Format', '-r', path, '-V']).toString()
  return text.split(/^ {4}Block(?=: )/m).slice(1)
}

/** The contents of the interface statistics blocks at the end of a pcapng file, in order. */
export function statisticsIn(
  path: string,
): { received: number; dropped: number; bySystem: number; delivered: number }[] {
  return blocksIn(path)
    .filter((block) => block.startsWith(': Interface Statistics Block'))
    .map((block) => {
      const figure = (name: string) =>
        Number(new RegExp(`Option: Number of ${name} = (\\d+)$`, 'm').exec(block)?.[1] ?? Number.NaN)
      return {
        received: figure('Received Packets'),
        dropped: figure('Dropped Packets'),
        bySystem: figure('Packets Dropped by OS'),
        delivered: figure('Packets Delivered to the User'),
      }
    })
}
