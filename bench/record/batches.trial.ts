// Batches of one capture, taken and thrown away: reports that it is ready, and at SIGINT what they contained.
//
//   node dist/work/bench/record/batches.trial.js '{"interface":"near","compress":"gzip"}'
import { Capture, type Compression } from 'ringtap'
import { settings } from '../support/consumer.js'
import { trialArgument } from '../support/trial.js'

export interface BatchesTrial {
  interface: string
  compress: Compression | false
}

const argument = trialArgument<BatchesTrial>()
if (argument !== null) await take(argument)

async function take({ interface: name, compress }: BatchesTrial): Promise<void> {
  const capture = await Capture.open({
    interfaces: name,
    snapshotLength: settings.snapshotLength,
    ring: { memory: settings.memory },
    overflow: { memory: 0 },
  })
  process.once('SIGINT', () => void capture.stop())
  const batches = capture.batches({ compress })
  process.stderr.write('ready\n')
  let packets = 0
  for await (const batch of batches) packets += batch.packets
  await capture.close()
  process.stderr.write(`${packets} packets captured\n`)
}
