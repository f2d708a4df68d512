// Draining a full ring: how fast each consumer reads packets that wait in the kernel's buffer.
//
//   node dist/work/bench/capture/drain.js [--trials N] [--markdown]
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsumerProcess } from '../support/consumer-process.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire, type Contestant, contestants, enterStage } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import { median } from '../support/trial.js'

/** Frames per fill: at 64 bytes each, they take about 58 of the ring's 64 MiB. */
const frames = 400_000
/** Fills in each process. The first ones warm up the JIT compiler and are not measured. */
const warmUp = 4
const measured = 4
/** Milliseconds until a partly filled block is handed over: long, so that blocks are full when handed over. */
const retire = 200

interface Sample {
  /** Packets per second. */
  rate: number
  /** Nanoseconds of processor time per packet, from the start of the fill. */
  cpu: number
  /** Packets held by the buffer. */
  held: number
}

await enterStage(import.meta.url)
const wire = await addWire()

async function trial({ who }: Contestant): Promise<Sample> {
  const consumer = await ConsumerProcess.start(who, [wire.near], { retire })
  try {
    const samples: Sample[] = []
    // cap's buffer is full after a thousand packets.
    const count = who.spec?.who === 'cap' ? frames / 20 : frames
    for (let i = 0; i < warmUp + measured; i++) {
      const { packets, bytes, rate, cpu } = await consumer.fill(async () => {
        // Two senders in parallel, one for each processor.
        await Promise.all([wire.send(count / 2, 0), wire.send(count / 2, 0)])
        // The last block is handed over after the retire time.
        await sleep(retire + 50)
      })
      if (packets > count) throw new Error(`${packets} packets delivered of ${count} sent`)
      if (packets === 0 || bytes !== packets * 64) throw new Error(`${bytes} bytes in ${packets} packets`)
      if (i >= warmUp) samples.push({ rate, cpu: (cpu / packets) * 1e9, held: packets })
    }
    const middle = (of: keyof Sample) => median(samples.map((sample) => sample[of]))
    return { rate: middle('rate'), cpu: middle('cpu'), held: middle('held') }
  } finally {
    await consumer.end()
  }
}

const everybody = await takeTurns(contestants(), trial)
type Row = (typeof everybody)[number]
const middle = (row: Row | undefined, of: keyof Sample) => median((row?.samples ?? []).map((sample) => sample[of]))
const yardstick = (start: string, fields: boolean) =>
  middle(
    everybody.find(({ name }) => name.startsWith(start) && name.includes('byte') === fields),
    'rate',
  )
printTable(
  `Drain: ${frames} frames of 64 bytes sent while the consumer stands still, then read; median of ${options.trials} processes`,
  ['consumer', 'held', 'million packets/s', '× C loop', '× pcap', 'CPU ns/packet', ''],
  everybody.map((row) => {
    const fields = row.name.includes('byte')
    const rate = middle(row, 'rate')
    return [
      row.name,
      figure(middle(row, 'held')),
      figure(rate / 1e6),
      figure(rate / yardstick('C loop', fields)),
      figure(rate / yardstick('pcap', fields)),
      figure(middle(row, 'cpu')),
      row.note,
    ]
  }),
)
