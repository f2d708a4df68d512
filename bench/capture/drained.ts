// One trial of bench/capture/drain.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsumerProcess, type Who } from '../support/consumer-process.js'
import type { Wire } from '../support/stage.js'
import { median } from '../support/trial.js'

/** Frames per fill: at 64 bytes each, they take about 58 of the ring's 64 MiB. */
export const frames = 400_000
/** Fills in each process. The first ones warm up the JIT compiler and are not measured. */
const warmUp = 4
const measured = 4
/** Milliseconds until a partly filled block is handed over: long, so that blocks are full when handed over. */
const retire = 200

/** One process that drained its buffer several times: medians. */
export interface Sample {
  /** Packets per second. */
  rate: number
  /** Nanoseconds of processor time per packet, from the start of the fill. */
  cpu: number
  /** Packets held by the buffer. */
  held: number
}

/** Fills a consumer's buffer while it stands still, and lets it read. */
export async function drained(who: Who, wire: Wire, environment?: NodeJS.ProcessEnv): Promise<Sample> {
  const consumer = await ConsumerProcess.start(who, [wire.near], { retire }, environment)
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
