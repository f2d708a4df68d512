// Packets as compressed batches for a program that forwards them, beside tcpdump piped into gzip or zstd: processor time
// per packet of all processes, at the machine's highest rate.
//
//   node dist/work/bench/record/batches.js [--trials N] [--only NAME] [--frame BYTES] [--rate MILLIONS,…] [--markdown]
import { fileURLToPath } from 'node:url'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { settings } from '../support/consumer.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire } from '../support/stage.js'
import { middle, ratesOf, type Sample, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { buildSender, missingProgram } from '../support/tools.js'
import type { BatchesTrial } from './batches.trial.js'
import { type Contestant, flooded } from './flooded.js'

const count = 1_000_000

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const wire = await addWire()

const ringtap = (compress: BatchesTrial['compress']): Contestant => ({
  name: `ringtap batches, compress: ${compress}`,
  command: process.execPath,
  args: [
    fileURLToPath(new URL('batches.trial.js', import.meta.url)),
    JSON.stringify({ interface: wire.near, compress } satisfies BatchesTrial),
  ],
  ready: 'ready',
})
const capture = `tcpdump -n -Z root -i ${wire.near} -s ${settings.snapshotLength} -B ${settings.memory / 1024} -w -`
const piped = (program: string): Contestant => ({
  name: `tcpdump -w - | ${program} -1`,
  command: 'sh',
  args: ['-c', `${capture} | ${program} -1 >/dev/null`],
  ready: 'listening on',
  missing: missingProgram('tcpdump') ?? missingProgram(program),
})
const forwarders = [ringtap('gzip'), piped('gzip'), ringtap('zstd'), piped('zstd'), ringtap(false)].filter(({ name }) =>
  name.includes(options.only),
)

async function trial(forwarder: Contestant, size: number, rate: number): Promise<Sample> {
  const { arrived, cpu, said, ...flood } = await flooded(forwarder, wire, { count, size, rate })
  const packets = Number(/(\d+) packets captured/.exec(said)?.[1])
  if (!(packets > 0 && packets <= arrived)) throw new Error(`${packets} packets of ${arrived}: ${said.trim()}`)
  return { lost: arrived - packets, loss: (1 - packets / arrived) * 100, cpu: (cpu / packets) * 1e6, rate: flood.rate }
}

for (const size of options.frame > 0 ? [options.frame] : [64, 576]) {
  for (const wanted of ratesOf([0])) {
    const rows = await takeTurns(forwarders, (one) => trial(one, size, wanted * 1e6))
    const rate = Math.max(...rows.filter((row) => row.samples.length > 0).map((row) => middle(row, 'rate'))) / 1e6
    printTable(
      `Batches: ${count} frames of ${size} bytes, ${figure(rate)} million a second, ${options.trials} trials: median ` +
        '(least to largest)',
      ['forwarder', 'CPU µs/packet', 'lost %', ''],
      rows.map((row) => [row.name, spread(row, 'cpu'), figure(middle(row, 'loss')), row.note]),
    )
  }
}
