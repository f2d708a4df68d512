// A steady load at rates from 50 000 packets a second to the highest one of this machine: processor time per packet,
// lost packets, and the highest rate without loss.
//
//   node dist/work/bench/capture/load.js [--trials N] [--only CONSUMER] [--rate MILLIONS,…] [--markdown]
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsumerProcess } from '../support/consumer-process.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire, type Contestant, contestants, enterStage, senderProcessor } from '../support/stage.js'
import { losslessRate, middle, ratesOf, reaches, type Sample, spread, stepOf } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'

/** Millions of packets a second; 0: as many as possible. */
const rates = ratesOf([0.05, 0.2, 0.5, 1, 2, 3, 4, 0])
/** Packets of a trial: ten seconds' worth, at most so many. */
const maxPackets = 4_000_000
const seconds = 10
/**
 * Packets sent first, at 200 000 per second, and not measured. In these twenty seconds a consumer gets a thousand
 * chunks, so that V8 has compiled what runs once per chunk, and has collected, twice, what is left of the start.
 */
const warmUp = 4_000_000
/** Up to this rate a sender on the other end of the wire keeps the pace; beyond it the packets are made to arrive. */
const sendable = 0.2

await enterStage(import.meta.url)
const wire = await addWire()
const traffic = (count: number, rate: number) =>
  rate > 0 && rate <= sendable ? wire.send(count, rate * 1e6) : wire.flood(count, 64, rate * 1e6)
const countOf = (rate: number) => (rate === 0 ? maxPackets : Math.min(maxPackets, rate * 1e6 * seconds))

async function trial({ who }: Contestant): Promise<Sample[]> {
  const consumer = await ConsumerProcess.start(who, [wire.near])
  try {
    const run = async (count: number, rate: number): Promise<Sample> => {
      await consumer.mark()
      const { arrived, packetsPerSecond, sent } = await traffic(count, rate)
      await sleep(200)
      const { packets, cpu } = await consumer.report()
      if (packets > arrived) throw new Error(`${packets} packets delivered of ${arrived} that arrived`)
      return {
        lost: arrived - packets,
        loss: (1 - packets / arrived) * 100,
        cpu: (cpu / packets) * 1e6,
        rate: (packetsPerSecond * arrived) / sent,
      }
    }
    await run(warmUp, sendable)
    const samples: Sample[] = []
    for (const rate of loads) samples.push(await run(countOf(rate), rate))
    return samples
  } finally {
    await consumer.end()
  }
}

const loads: number[] = []
for (const rate of rates) {
  const { packetsPerSecond } = await traffic(Math.min(countOf(rate), 500_000), rate)
  if (reaches(packetsPerSecond, rate)) loads.push(rate)
}
const everybody = await takeTurns(contestants(), trial)
const steps = loads
  .map((rate, load) => ({
    wanted: rate,
    ...stepOf(
      countOf(rate),
      everybody.map((row) => ({ ...row, samples: row.samples.flatMap((samples) => samples[load] ?? []) })),
    ),
  }))
  .filter(({ rate, wanted }) => reaches(rate * 1e6, wanted))
printTable(
  `Load: frames of 64 bytes, received on processor ${senderProcessor}, ${options.trials} processes; the machine's ` +
    `highest rate is ${figure(Math.max(...steps.map(({ rate }) => rate)))} million a second`,
  ['consumer', 'without loss up to, million/s', ''],
  everybody.map(({ name, note }) => [name, figure(losslessRate(steps, name)), note]),
)
for (const { rate, rows } of steps) {
  const yardstick = (fields: boolean) => {
    const pcap = rows.find(({ name }) => name.startsWith('pcap') && name.includes('byte') === fields)
    return pcap ? middle(pcap, 'cpu') : Number.NaN
  }
  printTable(
    `Load: ${figure(rate)} million frames of 64 bytes a second: median (least to largest)`,
    ['consumer', 'CPU µs/packet', '× pcap', 'lost %', ''],
    rows.map((row) => [
      row.name,
      spread(row, 'cpu'),
      figure(middle(row, 'cpu') / yardstick(row.name.includes('byte'))),
      spread(row, 'loss'),
      row.note,
    ]),
  )
}
