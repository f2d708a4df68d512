// A capture with or without a flight recorder, with or without an iteration: reports that it is ready, and at SIGINT what
// it has taken, what is held, and its memory.
//
//   node dist/work/bench/record/flight.trial.js '{"interface":"near","iterate":true,"keep":true,"memory":1073741824}'
import { Capture } from 'ringtap'
import { settings } from '../support/consumer.js'
import { trialArgument } from '../support/trial.js'

export interface FlightTrial {
  interface: string
  /** Whether an iteration visits each packet. */
  iterate: boolean
  /** Whether a flight recorder runs. */
  keep: boolean
  /** How it keeps the packets. */
  compress?: 'gzip' | 'zstd' | false
  /** Of the flight recorder, in bytes. */
  memory: number
  snapshotLength: number
}

/** What it says in the end, in JSON. */
export interface FlightOutcome {
  packets: number
  /** Packets that the flight recorder did not take in time. */
  dropped: number
  held: number
  heldBytes: number
  residentBytes: number
}

const argument = trialArgument<FlightTrial>()
if (argument !== null) await take(argument)

async function take({ interface: name, iterate, keep, compress, memory, snapshotLength }: FlightTrial): Promise<void> {
  const capture = await Capture.open({ interfaces: name, snapshotLength, ring: { memory: settings.memory } })
  const recorder = keep ? capture.flightRecorder({ memory, compress }) : undefined
  process.once('SIGINT', () => void capture.stop())
  process.stderr.write('ready\n')
  let bytes = 0
  if (iterate) {
    for await (const chunk of capture) {
      chunk.forEach((packet) => {
        bytes += packet.capturedLength
      })
    }
  } else {
    await new Promise((resolve) => process.once('SIGINT', resolve))
  }
  const { delivered } = await capture.stop()
  const held = recorder?.stats()
  const outcome: FlightOutcome = {
    packets: delivered,
    dropped: held?.dropped ?? 0,
    held: held?.packets ?? 0,
    heldBytes: held?.memory ?? 0,
    residentBytes: process.memoryUsage.rss(),
  }
  await capture.close()
  process.stderr.write(`${JSON.stringify({ ...outcome, bytes })}\n`)
}
