// What a capture costs that serves its packets over TCP: to one reader and to several, beside tcpdump that writes them
// into a pipe, for one.
//
//   node dist/work/bench/record/serve.js [--trials N] [--only NAME] [--rate MILLIONS,…] [--markdown]
import { fileURLToPath } from 'node:url'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { settings } from '../support/consumer.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire } from '../support/stage.js'
import { middle, ratesOf, type Sample, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { buildSender, missingProgram } from '../support/tools.js'
import { type Contestant, flooded } from './flooded.js'
import type { ServeOutcome, ServeTrial } from './serve.trial.js'

const size = 256
const seconds = 3
const maxPackets = 6_000_000

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const wire = await addWire()

interface Server extends Contestant {
  /** Readers that take every packet. */
  readers: number
  /** What a reader missed, from what the program said in the end. */
  missed(said: string, arrived: number): number
}

const served = (readers: number): Server => ({
  name: `ringtap, ${readers} ${readers === 1 ? 'reader' : 'readers'}`,
  readers,
  command: process.execPath,
  args: [
    fileURLToPath(new URL('serve.trial.js', import.meta.url)),
    JSON.stringify({ interface: wire.near, readers } satisfies ServeTrial),
  ],
  ready: 'ready',
  missed(said, arrived) {
    const { packets, missed } = JSON.parse(said.trim().split('\n').at(-1) ?? '') as ServeOutcome
    if (packets > arrived) throw new Error(`${packets} packets of ${arrived}`)
    return (arrived - packets) * readers + missed
  },
})
const kilobytes = settings.memory / 1024
const tcpdump = `exec tcpdump -n -Z root -i ${wire.near} -s ${settings.snapshotLength} -B ${kilobytes} -w -`
const contestants: Server[] = [
  served(1),
  served(4),
  {
    name: 'tcpdump into a pipe',
    readers: 1,
    command: 'bash',
    // setsid: the time of the reader is not counted, as above.
    args: ['-c', `${tcpdump} > >(exec setsid cat > /dev/null)`],
    ready: 'listening on',
    missed: (said: string) => Number(/(\d+) packets dropped by kernel/.exec(said)?.[1] ?? Number.NaN),
    missing: missingProgram('tcpdump'),
  },
].filter(({ name }) => name.includes(options.only))

async function trial(one: Server, rate: number): Promise<Sample> {
  const count = rate === 0 ? maxPackets : Math.min(maxPackets, rate * seconds)
  const { arrived, cpu, said, ...flood } = await flooded(one, wire, { count, size, rate })
  const lost = one.missed(said, arrived) / one.readers
  return { lost, loss: (lost / arrived) * 100, cpu: (cpu / (arrived - lost)) * 1e6, rate: flood.rate }
}

for (const wanted of ratesOf([0.1, 0.5, 1])) {
  const rows = await takeTurns(contestants, (one) => trial(one, wanted * 1e6))
  printTable(
    `Packets over TCP: frames of ${size} bytes, ${figure(wanted)} million a second, ${options.trials} trials: median ` +
      '(least to largest)',
    ['served', 'CPU µs/packet', 'lost % of a reader', 'arrived, million/s', ''],
    rows.map((row) => [
      row.name,
      spread(row, 'cpu'),
      spread(row, 'loss'),
      row.samples.length > 0 ? figure(middle(row, 'rate') / 1e6) : '-',
      row.note,
    ]),
  )
}
