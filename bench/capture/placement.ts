// Where rings' threads run: processor time per packet, and lost packets, with one ring and with two, wherever the
// scheduler puts their threads and bound to processors.
//
//   node dist/work/bench/capture/placement.js [--trials N] [--only TEXT] [--rate MILLIONS,…] [--markdown]
import { setTimeout as sleep } from 'node:timers/promises'
import { send } from '../../test/live/support/send.js'
import type { ConsumerSpec } from '../support/consumer.js'
import { ConsumerProcess } from '../support/consumer-process.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire, enterStage } from '../support/stage.js'
import { ratesOf, type Sample, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'

/** Millions of packets a second on each processor that receives. */
const rates = ratesOf([0.5, 1, 2])
const seconds = 1

await enterStage(import.meta.url)
const wire = await addWire()

interface Contestant {
  name: string
  ring: ConsumerSpec['ring']
  missing?: string
}

const all: Contestant[] = [
  { name: 'one ring, anywhere', ring: {} },
  { name: 'one ring on 0', ring: { cpus: [0] } },
  { name: 'one ring on 1', ring: { cpus: [1] } },
  { name: 'two rings by flow, anywhere', ring: { count: 2 } },
  { name: 'two rings by flow, on 0 and 1', ring: { cpus: [0, 1] } },
  { name: 'two rings by processor, on 0 and 1', ring: { cpus: [0, 1], mode: 'cpu' } },
]
const everybody = all.filter(({ name }) => name.includes(options.only))

/** The processors on which the interface receives, and the rate on each. */
const loads = [[0], [0, 1]].flatMap((receivers) => rates.map((rate) => ({ receivers, rate })))

async function trial({ ring }: Contestant): Promise<Sample[]> {
  const consumer = await ConsumerProcess.start({ spec: { who: 'ringtap', visit: 'lengths', ring } }, [wire.near])
  try {
    const run = async (receivers: readonly number[], rate: number, count: number): Promise<Sample> => {
      await consumer.mark()
      const runs = receivers.map((cpu) =>
        send({ interface: wire.near, count, rate: rate * 1e6, flows: 64, inject: true, cpu }),
      )
      const all = await Promise.all(runs)
      await sleep(200)
      const { packets, cpu } = await consumer.report()
      const arrived = all.reduce((sum, { sent }) => sum + sent, 0)
      if (packets > arrived) throw new Error(`${packets} packets delivered of ${arrived} that arrived`)
      const packetsPerSecond = all.reduce((sum, one) => sum + one.packetsPerSecond, 0)
      const lost = arrived - packets
      return { lost, loss: (lost / arrived) * 100, cpu: (cpu / packets) * 1e6, rate: packetsPerSecond }
    }
    await run([0], 0.2, 200_000)
    const samples: Sample[] = []
    for (const { receivers, rate } of loads) samples.push(await run(receivers, rate, rate * 1e6 * seconds))
    return samples
  } finally {
    await consumer.end()
  }
}

const results = await takeTurns(everybody, trial)
for (const [at, { receivers, rate }] of loads.entries()) {
  const rows = results.map((row) => ({ ...row, samples: row.samples.flatMap((samples) => samples[at] ?? []) }))
  printTable(
    `Placement: 64 flows of 64-byte frames, received on processor ${receivers.join(' and ')}, ${figure(rate)} million a ` +
      `second on each; ${options.trials} processes: median (least to largest)`,
    ['rings', 'CPU µs/packet', 'lost %', 'arrived, million/s', ''],
    rows.map((row) => [
      row.name,
      spread(row, 'cpu'),
      spread(row, 'loss'),
      spread({ ...row, samples: row.samples.map((one) => ({ ...one, rate: one.rate / 1e6 })) }, 'rate'),
      row.note,
    ]),
  )
}
