// What each part of visiting a packet costs: the loop, the object, and the properties that are read.
//
//   node dist/work/bench/packets/visit.js [--trials N] [--markdown]
//
// Every figure is the median of at least three trials, each in its own process; the loops take turns.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Packet, SavefileWriter } from 'ringtap'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { figure, printTable } from '../support/table.js'
import { median, runTrial } from '../support/trial.js'
import type { Read, VisitTrial } from './visit.trial.js'

const packets = 100_000
const properties: Read[] = ['first byte', 'timestampMs', 'interface.name', 'timestamp', 'data', 'data[0]']
const loops: Pick<VisitTrial, 'loop' | 'reads'>[] = [
  { loop: 'forEach', reads: ['capturedLength'] },
  ...properties.map((read) => ({ loop: 'forEach', reads: ['capturedLength', read] }) as const),
  { loop: 'for…of, packets made before', reads: ['capturedLength'] },
  { loop: 'for…of', reads: ['capturedLength'] },
  ...properties.map((read) => ({ loop: 'for…of', reads: ['capturedLength', read] }) as const),
  { loop: 'for…of', reads: ['capturedLength', 'data[0]', 'timestamp', 'interface.name'] },
]

const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
try {
  const file = join(folder, 'packets.pcapng')
  const writer = await SavefileWriter.open(file)
  const bytes = new Uint8Array(64)
  for (let i = 0; i < packets; i++) {
    await writer.write(Packet.from(bytes, { timestamp: 1_700_000_000_000_000_000n + BigInt(i) * 20_000n }))
  }
  await writer.close()
  const results = await takeTurns(
    loops.map((loop) => ({ ...loop, missing: undefined })),
    ({ loop, reads }) =>
      runTrial<number>(new URL('./visit.trial.js', import.meta.url), { loop, reads, file } satisfies VisitTrial),
  )
  const costs = results.map(({ samples }) => median(samples))
  printTable(
    `Visiting ${packets} packets of 64 bytes in memory: median of ${options.trials} processes`,
    ['loop', 'reads', 'CPU ns/packet', ''],
    results.map(({ loop, reads, note }, i) => [loop, reads.join(' + '), figure(costs[i] ?? Number.NaN), note]),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
