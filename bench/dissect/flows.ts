// A flow table beside one in C over packets that libpcap has parsed: the same 5-tuples, both directions in one flow,
// packets and bytes per direction, first and last time. FlowTable follows TCP besides.
//
//   node dist/work/bench/dissect/flows.js [--trials N] [--markdown]
//
// All packets are in memory, and all flows in the table, before the clock begins; the figures are processor time.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { takeTurns } from '../support/rounds.js'
import { figure, printTable } from '../support/table.js'
import { builtTool } from '../support/tools.js'
import { median, runTrial } from '../support/trial.js'
import type { DissectSample } from './dissect.trial.js'
import type { FlowsTrial } from './flows.trial.js'

/**
 * Writes a savefile of both directions of flows in an order at random, 64 bytes a packet: acknowledgments of TCP, which the
 * link layer pads, and datagrams.
 */
function writeSavefile(path: string, flows: number, packets: number): void {
  const file = openSync(path, 'w')
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b23c4d, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(262_144, 16)
  header.writeUInt32LE(1, 20)
  writeSync(file, header)
  let state = 1
  const random = (limit: number) => {
    state = (state * 48_271) % 0x7fffffff
    return state % limit
  }
  const size = 16 + 64
  const part = Buffer.alloc(size * 10_000)
  for (let i = 0; i < packets; i++) {
    const packet = part.subarray((i % 10_000) * size, ((i % 10_000) + 1) * size)
    // Each flow once, then at random.
    writePacket(packet, i < flows ? i : random(flows), i < flows ? 0 : random(2), i)
    if ((i + 1) % 10_000 === 0) writeSync(file, part)
  }
  closeSync(file)
}

function writePacket(packet: Buffer, flow: number, end: number, i: number): void {
  packet.fill(0)
  packet.writeUInt32LE(1_790_000_000 + Math.floor(i / 100_000), 0)
  packet.writeUInt32LE((i % 100_000) * 10_000, 4)
  packet.writeUInt32LE(64, 8)
  packet.writeUInt32LE(64, 12)
  const frame = packet.subarray(16)
  const isTcp = flow % 4 !== 0
  frame.write('02000000000202000000000108004500', 0, 'hex')
  frame.writeUInt16BE(isTcp ? 40 : 50, 16)
  frame.writeUInt16BE(0x4000 + (isTcp ? 6 : 17), 22)
  frame.writeUInt32BE(0x0a000000 + flow, end === 0 ? 26 : 30)
  frame.writeUInt32BE(0xc0000000 + (flow % 1000), end === 0 ? 30 : 26)
  frame.writeUInt16BE(1024 + (flow % 50_000), end === 0 ? 34 : 36)
  frame.writeUInt16BE(isTcp ? 443 : 53, end === 0 ? 36 : 34)
  if (isTcp) frame.writeUInt32BE(0x5010_ffff, 46)
  else frame.writeUInt16BE(30, 38)
}

interface Contestant {
  name: string
  flows: number
  run: () => Promise<DissectSample>
  missing?: string | undefined
}

const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
try {
  const program = builtTool('flow_loop')
  const contestants = [10_000, 1_000_000].flatMap((flows): Contestant[] => {
    const packets = Math.max(200_000, 2 * flows)
    const rounds = 4_000_000 / packets
    const file = join(folder, `${flows}.pcap`)
    writeSavefile(file, flows, packets)
    const c = async (): Promise<DissectSample> => {
      const args = [file, String(rounds), String(flows)]
      const result = JSON.parse(execFileSync(program, args, { encoding: 'utf8' })) as DissectSample
      return { ...result, heap: 0, sum: perRound(result.sum, flows, rounds + 1) }
    }
    const ours = () =>
      runTrial<DissectSample>(new URL('./flows.trial.js', import.meta.url), {
        ...{ file, flows, rounds },
      } satisfies FlowsTrial).then((result) => ({ ...result, sum: perRound(result.sum, flows, rounds + 2) }))
    return [
      { name: 'C loop', flows, run: c },
      { name: 'ringtap FlowTable', flows, run: ours },
    ]
  })
  const results = await takeTurns(contestants, ({ run }) => run())
  const rate = (samples: readonly DissectSample[]) => median(samples.map(({ packets, seconds }) => packets / seconds))
  printTable(
    'Packets into flows, in memory; median of processes',
    ['flows', 'table', 'million packets/s', 'ns/packet', '× C loop', 'heap bytes/packet', ''],
    results.map(({ flows, name, samples, note }) => [
      String(flows),
      name,
      figure(rate(samples) / 1e6),
      figure(1e9 / rate(samples)),
      figure(rate(samples) / rate(results.find((row) => row.flows === flows)?.samples ?? [])),
      name.startsWith('ringtap') ? figure(Math.max(0, median(samples.map(({ heap }) => heap)))) : '',
      note,
    ]),
  )
  for (const flows of new Set(results.map((row) => row.flows))) {
    const sums = new Set(
      results.filter((row) => row.flows === flows).flatMap((row) => row.samples.map(({ sum }) => sum)),
    )
    if (sums.size > 1) console.log(`\nDISAGREE on ${flows} flows: ${[...sums].join(', ')}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** What a round adds to the sum; the flows are counted once. */
function perRound(sum: number, flows: number, rounds: number): number {
  return (sum - flows) / rounds
}
