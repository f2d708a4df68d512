import { spawnSync } from 'node:child_process'
import { witnessEnvironment } from '../../helpers/child-environment.js'
import { sequenceOf } from './frame.js'
import { parsePcap } from './pcap-file.js'

/** A packet of a savefile, as Wireshark's own reader sees it. */
export interface DissectedPacket {
  interface: string
  direction: 'in' | 'out' | undefined
  /** Nanoseconds since 1970. */
  timestamp: bigint
  capturedLength: number
  originalLength: number
  comment: string
  /** Of the VLAN tags, outermost first. */
  vlan: string
}

/** What programs of Wireshark print about a file. */
function run(command: string, args: readonly string[], mayComplain = false): Buffer {
  const { status, error, stdout, stderr } = spawnSync(command, args, { maxBuffer: 1 << 30, env: witnessEnvironment() })
  if (error) throw new Error(`${command} cannot be run: ${error.message}`)
  if (!mayComplain && status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.toString().trim()}`)
  return stdout
}

/**
 * Every packet of a file, by tshark.
 *
 * @param endsMidway The file may be cut off in the middle of a block.
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
  const args = ['-n', '-r', path, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])]
  const lines = run('tshark', args, endsMidway).toString().split('\n').slice(0, -1)
  return lines.map((line) => {
    const [name = '', direction, time = '', captured, original, comment = '', vlan = ''] = line.split('\t')
    const [seconds = '', fraction = ''] = time.split('.')
    return {
      interface: name,
      direction: direction?.endsWith('1') ? 'in' : direction?.endsWith('2') ? 'out' : undefined,
      timestamp: BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0')),
      capturedLength: Number(captured),
      originalLength: Number(original),
      comment,
      vlan,
    }
  })
}

/**
 * The bytes of every packet of a file whose packets have one link type, by tshark.
 *
 * @param endsMidway The file may be cut off in the middle of a block.
 */
export function bytesOf(path: string, { endsMidway = false } = {}): Uint8Array[] {
  const pcap = run('tshark', ['-n', '-r', path, '-F', 'nsecpcap', '-w', '-'], endsMidway)
  // Without a packet, a file that was cut off makes tshark write nothing at all.
  return endsMidway && pcap.length === 0 ? [] : parsePcap(pcap).packets.map(({ data }) => data)
}

/** The numbers of the numbered frames in a file, by tshark. */
export function numbersIn(path: string, options: { endsMidway?: boolean } = {}): number[] {
  return bytesOf(path, options).map((data) => sequenceOf(data) ?? Number.NaN)
}

/** What capinfos says of a whole file; it fails on one that is cut off. */
export function describe(path: string): { packets: number; bytes: number; text: string } {
  const text = run('capinfos', ['-M', path]).toString()
  const figure = (what: RegExp) => Number(what.exec(text)?.[1] ?? Number.NaN)
  return { packets: figure(/^Number of packets: +(\d+)/m), bytes: figure(/^Data size: +(\d+)/m), text }
}

/** What the statistics blocks at the end of a pcapng file say, in their order, by tshark's dissector of files. */
export function statisticsIn(
  path: string,
): { received: number; dropped: number; bySystem: number; delivered: number }[] {
  const text = run('tshark', ['-n', '-X', 'read_format:MIME Files Format', '-r', path, '-V']).toString()
  return text
    .split(/^ {4}Block(?=: Interface Statistics Block)/m)
    .slice(1)
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
