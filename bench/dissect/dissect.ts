// Reading fields of packets: scalar reads and dissection beside the same in C, and beside decoders from npm
// and gopacket's.
//
//   node dist/work/bench/dissect/dissect.js [--trials N] [--markdown]
//
// All packets are in memory before the clock begins; the figures are processor time of the process.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPeer } from '../support/peers.js'
import { takeTurns } from '../support/rounds.js'
import { figure, printTable } from '../support/table.js'
import { builtGoTool, builtTool } from '../support/tools.js'
import { median, runTrial } from '../support/trial.js'
import type { DissectSample, DissectTrial, Way } from './dissect.trial.js'

const flows = 10_000
const packets = 100_000

/**
 * A savefile of TCP segments and UDP datagrams over IPv4, of 64 to 264 bytes, in an order at random that is always the
 * same; only what is read by the loops differs between packets.
 */
function savefile(): Buffer {
  const parts = [Buffer.alloc(24)]
  const header = parts[0] as Buffer
  header.writeUInt32LE(0xa1b23c4d, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(262_144, 16)
  header.writeUInt32LE(1, 20)
  let state = 1
  const random = (limit: number) => {
    state = (state * 48_271) % 0x7fffffff
    return state % limit
  }
  for (let i = 0; i < packets; i++) {
    const flow = random(flows)
    const length = 64 + random(201)
    const packet = Buffer.alloc(16 + length)
    packet.writeUInt32LE(1_790_000_000 + Math.floor(i / 1000), 0)
    packet.writeUInt32LE((i % 1000) * 1_000_000, 4)
    packet.writeUInt32LE(length, 8)
    packet.writeUInt32LE(length, 12)
    const frame = packet.subarray(16)
    frame.write('02000000000202000000000108004500', 0, 'hex')
    frame.writeUInt16BE(length - 14, 16)
    frame.writeUInt16BE(i & 0xffff, 18)
    const isTcp = flow % 4 !== 0
    frame.writeUInt16BE(0x4000 + (isTcp ? 6 : 17), 22)
    frame.writeUInt32BE(0x0a000000 + flow, 26)
    frame.writeUInt32BE(0x0a800000 + (flow % 100), 30)
    frame.writeUInt16BE(1024 + flow, 34)
    frame.writeUInt16BE(isTcp ? 443 : 53, 36)
    if (isTcp) frame.writeUInt16BE(0x5010, 46)
    else frame.writeUInt16BE(length - 34, 38)
    parts.push(packet)
  }
  return Buffer.concat(parts)
}

interface Contestant {
  name: string
  /** What it is compared with in the column × C. */
  baseline?: 'scalar' | 'dissect'
  run: () => Promise<DissectSample>
  missing?: string | undefined
}

const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
try {
  const file = join(folder, 'packets.pcap')
  writeFileSync(file, savefile())
  const program = builtTool('dissect_loop')
  const c = (what: 'scalar' | 'dissect'): Contestant => ({
    name: what === 'scalar' ? 'C loop, byte + time + interface' : 'C loop, to the 5-tuple',
    baseline: what,
    run: async () => ({ heap: 0, ...JSON.parse(execFileSync(program, [what, file, '100'], { encoding: 'utf8' })) }),
  })
  const node = (name: string, way: Way, rounds: number, baseline?: 'scalar' | 'dissect'): Contestant => ({
    name,
    ...(baseline && { baseline }),
    run: () =>
      runTrial<DissectSample>(new URL('./dissect.trial.js', import.meta.url), {
        way,
        file,
        rounds,
      } satisfies DissectTrial),
  })
  const peer = (name: 'cap' | 'pcap' | '@netkitty/codec', rounds: number): Contestant => {
    const { version, missing } = loadPeer(name)
    return { ...node(`${name} ${version}`, name, rounds), missing }
  }
  const gopacket = (): Contestant => {
    const { path = '', missing } = builtGoTool('gopacket_loop')
    const run = async () => ({ heap: 0, ...JSON.parse(execFileSync(path, [file, '50'], { encoding: 'utf8' })) })
    return { name: 'gopacket DecodingLayerParser', run, missing }
  }
  const contestants = [
    c('scalar'),
    node('ringtap scalar reads, byte + time + interface', 'scalar', 50, 'scalar'),
    node('ringtap for…of, byte + time + interface', 'for…of', 20, 'scalar'),
    ...(['capturedLength', 'interface', 'timestampMs', 'data', 'timestamp'] as const).map((property) =>
      node(`ringtap for…of, ${property} alone`, `for…of, ${property}`, 20, 'scalar'),
    ),
    c('dissect'),
    node('ringtap Dissector', 'dissect', 50, 'dissect'),
    node('ringtap Dissector, flow hash', 'dissect, flow hash', 50, 'dissect'),
    peer('cap', 50),
    peer('pcap', 50),
    peer('@netkitty/codec', 2),
    gopacket(),
  ]
  const results = await takeTurns(contestants, ({ run }) => run())
  const rate = (row: (typeof results)[number] | undefined) =>
    median((row?.samples ?? []).map(({ packets, seconds }) => packets / seconds))
  const cLoop = (baseline: string | undefined) =>
    rate(results.find((row) => row.name.startsWith('C loop') && row.baseline === baseline))
  const ours = rate(results.find(({ name }) => name === 'ringtap Dissector'))
  printTable(
    `Fields of ${packets} packets of ${flows} flows in memory; median of processes`,
    ['reader', 'million packets/s', 'ns/packet', '× C loop', 'Dissector is × as fast', 'heap bytes/packet', ''],
    results.map((row) => [
      row.name,
      figure(rate(row) / 1e6),
      figure(1e9 / rate(row)),
      row.baseline ? figure(rate(row) / cLoop(row.baseline)) : '',
      row.baseline ? '' : figure(ours / rate(row)),
      row.name.startsWith('ringtap') ? figure(Math.max(0, median(row.samples.map(({ heap }) => heap)))) : '',
      row.note,
    ]),
  )
  // Who reads the same fields of the same packets must find the same.
  const sums = (prefix: string[]) =>
    new Set(results.filter(({ name }) => prefix.includes(name)).flatMap(({ samples }) => samples.map(({ sum }) => sum)))
  const readers = ['C loop, to the 5-tuple', 'ringtap Dissector', 'gopacket DecodingLayerParser']
  const tuples = sums([...readers, 'ringtap Dissector, flow hash'])
  if (tuples.size > 1) console.log(`\nDISAGREE on the 5-tuples: ${[...tuples].join(', ')}`)
  const peers = new Set(
    results.filter(({ name }) => /^p?cap /.test(name)).flatMap((row) => row.samples.map(({ sum }) => sum)),
  )
  if (peers.size > 1) console.log(`\nThe peers DISAGREE: ${[...peers].join(', ')}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
