// A steady load: processor time per packet and lost packets, at three rates.
//
//   node dist/work/bench/capture/load.js [--trials N] [--markdown]
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsumerProcess } from '../support/consumer-process.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire, type Contestant, contestants, enterStage } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import { median } from '../support/trial.js'

/** Packets per second (0: as fast as possible) and the number of packets, about two seconds' worth. */
const loads = [
  { rate: 50_000, count: 100_000 },
  { rate: 200_000, count: 400_000 },
  { rate: 0, count: 2_000_000 },
]
/** Packets sent first, at 200 000 per second, and not measured: they warm up the JIT compiler. */
const warmUp = 200_000

interface Sample {
  /** Microseconds of processor time per packet delivered. */
  cpu: number
  /** Percentage of the packets received by the interface that were not delivered. */
  loss: number
  /** Packets per second, as sent. */
  rate: number
}

await enterStage(import.meta.url)
const wire = await addWire()

async function trial({ who }: Contestant): Promise<Sample[]> {
  const consumer = await ConsumerProcess.start(who, [wire.near])
  try {
    const run = async (count: number, rate: number): Promise<Sample> => {
      await consumer.mark()
      const { arrived, packetsPerSecond } = await (rate === 0 ? wire.flood(count, 64) : wire.send(count, rate))
      await sleep(200)
      const { packets, cpu } = await consumer.report()
      if (packets > arrived) throw new Error(`${packets} packets delivered of ${arrived} that arrived`)
      return { cpu: (cpu / packets) * 1e6, loss: (1 - packets / arrived) * 100, rate: packetsPerSecond }
    }
    await run(warmUp, 200_000)
    const samples: Sample[] = []
    for (const { rate, count } of loads) samples.push(await run(count, rate))
    return samples
  } finally {
    await consumer.end()
  }
}

const everybody = await takeTurns(contestants(), trial)
type Row = (typeof everybody)[number]
const middle = (row: Row | undefined, load: number, of: keyof Sample) =>
  median((row?.samples ?? []).map((samples) => samples[load]?.[of] ?? Number.NaN))
loads.forEach(({ rate }, load) => {
  const sent = median(everybody.map((row) => middle(row, load, 'rate')).filter(Number.isFinite))
  const yardstick = (fields: boolean) =>
    middle(
      everybody.find(({ name }) => name.startsWith('pcap') && name.includes('byte') === fields),
      load,
      'cpu',
    )
  printTable(
    `Load: ${rate === 0 ? `full rate, about ${figure(sent / 1e6)} million` : figure(rate)} frames of 64 bytes ` +
      `a second; median of ${options.trials} processes`,
    ['consumer', 'CPU µs/packet', '× pcap', 'lost %', ''],
    everybody.map((row) => {
      const cpu = middle(row, load, 'cpu')
      return [
        row.name,
        figure(cpu),
        figure(cpu / yardstick(row.name.includes('byte'))),
        figure(Math.max(0, middle(row, load, 'loss'))),
        row.note,
      ]
    }),
  )
})
