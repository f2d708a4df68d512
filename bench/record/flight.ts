// What a flight recorder costs beside a capture that is iterated, and alone; and what its memory holds.
//
//   node dist/work/bench/record/flight.js [--trials N] [--only NAME] [--rate MILLIONS,…] [--seconds N] [--markdown]
import { fileURLToPath } from 'node:url'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire } from '../support/stage.js'
import { middle, ratesOf, type Sample, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { buildSender } from '../support/tools.js'
import type { FlightOutcome, FlightTrial } from './flight.trial.js'
import { type Contestant, flooded } from './flooded.js'

const memory = 2 ** 30
const snapshotLength = 96
/** Bytes of a frame, of which the snapshot length is kept. */
const size = 256
/** Frames of a trial: three seconds' worth, or so many as fill the memory at the highest rate. */
const seconds = 3
const maxPackets = 10_000_000

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const wire = await addWire()

interface FlightSample extends Sample {
  held: number
  heldMiB: number
  residentMiB: number
}

const contestant = (name: string, iterate: boolean, keep: boolean): Contestant => ({
  name,
  command: process.execPath,
  args: [
    fileURLToPath(new URL('flight.trial.js', import.meta.url)),
    JSON.stringify({ interface: wire.near, iterate, keep, memory, snapshotLength } satisfies FlightTrial),
  ],
  ready: 'ready',
})
const contestants = [
  contestant('forEach, lengths', true, false),
  contestant('forEach, lengths, and a flight recorder', true, true),
  contestant('a flight recorder alone', false, true),
].filter(({ name }) => name.includes(options.only))

async function trial(one: Contestant, rate: number): Promise<FlightSample> {
  const count = rate === 0 ? maxPackets : Math.min(maxPackets, rate * seconds)
  const { arrived, cpu, said, ...flood } = await flooded(one, wire, { count, size, rate })
  const outcome = JSON.parse(said.trim().split('\n').at(-1) ?? '') as FlightOutcome
  const { packets, dropped, held, heldBytes, residentBytes } = outcome
  if (!(packets > 0 && packets <= arrived)) throw new Error(`${packets} packets of ${arrived}`)
  const lost = arrived - packets + dropped
  return {
    lost,
    loss: (lost / arrived) * 100,
    cpu: (cpu / packets) * 1e6,
    rate: flood.rate,
    held,
    heldMiB: heldBytes / 2 ** 20,
    residentMiB: residentBytes / 2 ** 20,
  }
}

for (const wanted of ratesOf([0.1, 1, 0])) {
  const rows = await takeTurns(contestants, (one) => trial(one, wanted * 1e6))
  const rate = Math.max(...rows.filter((row) => row.samples.length > 0).map((row) => middle(row, 'rate'))) / 1e6
  printTable(
    `Flight recorder of ${memory / 2 ** 20} MiB: frames of ${size} bytes cut at ${snapshotLength}, ${figure(rate)} ` +
      `million a second, ${options.trials} trials: median (least to largest)`,
    ['capture', 'CPU µs/packet', 'lost %', 'packets held', 'MiB held', 'MiB resident', ''],
    rows.map((row) => [
      row.name,
      spread(row, 'cpu'),
      figure(middle(row, 'loss')),
      String(middle(row, 'held')),
      figure(middle(row, 'heldMiB')),
      figure(middle(row, 'residentMiB')),
      row.note,
    ]),
  )
}
