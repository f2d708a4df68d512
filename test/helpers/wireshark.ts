// What Wireshark's tools say of a savefile: a witness that shares nothing with the library.
import { spawnSync } from 'node:child_process'
import { openFile } from 'ringtap'
import { witnessEnvironment } from './child-environment.js'

/** A packet as both tell of it. */
export interface Told {
  /** Seconds and nanoseconds since the epoch. */
  time: string
  length: number
  captured: number
  interface: string
  comments: string
  bytes: string
}

/** Runs one of Wireshark's programs. @throws Error with what it wrote to its standard error. */
export function run(program: string, args: readonly string[], input?: string): Buffer {
  const env = { ...witnessEnvironment(), TZ: 'UTC', LC_ALL: 'C' }
  const { status, error, stdout, stderr } = spawnSync(program, args, { maxBuffer: 1 << 30, env, input })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr.toString()}`)
  return stdout
}

const fields = ['time_epoch', 'len', 'cap_len', 'interface_name', 'comment']

/** By tshark. */
export function toldByTshark(path: string): Told[] {
  const shown = fields.flatMap((field) => ['-e', `frame.${field}`])
  const lines = run('tshark', ['-n', '-r', path, '-T', 'fields', '-E', 'separator=/t', '-E', 'aggregator=|', ...shown])
  const raw = JSON.parse(run('tshark', ['-n', '-r', path, '-T', 'jsonraw', '-j', 'frame']).toString()) as {
    _source: { layers: { frame_raw: [string] } }
  }[]
  return lines
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line, number) => {
      const [time = '', length, captured, name = '', comments = ''] = line.split('\t')
      return {
        time,
        length: Number(length),
        captured: Number(captured),
        interface: name,
        comments,
        bytes: raw[number]?._source.layers.frame_raw[0] ?? '',
      }
    })
}

/** By the library. */
export async function toldByUs(path: string): Promise<Told[]> {
  await using file = await openFile(path)
  const told: Told[] = []
  for await (const packet of file.packets()) {
    const nanoseconds = packet.timestamp
    told.push({
      time: `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`,
      length: packet.originalLength,
      captured: packet.capturedLength,
      // What tshark shows for an interface without a name: nothing in pcap, this in pcapng.
      interface: packet.interface.name || (file.format === 'pcap' ? '' : 'unknown'),
      comments: packet.comments.join('|'),
      bytes: Buffer.from(packet.data).toString('hex'),
    })
  }
  return told
}

/** Packets and bytes (of the packets as they were, not as they were cut), by capinfos. */
export function countedByCapinfos(path: string): { packets: number; bytes: number } {
  const [, line = ''] = run('capinfos', ['-T', '-M', '-c', '-d', path]).toString().split('\n')
  const [, packets, bytes] = line.split('\t')
  return { packets: Number(packets), bytes: Number(bytes) }
}
