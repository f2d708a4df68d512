// One recording by ringtap: reports that it is ready, and records until SIGINT.
//
//   node dist/work/bench/record/record.trial.js '{"interface":"near","path":"…","memory":"equal"}'
import { once } from 'node:events'
import { Capture } from 'ringtap'
import { settings } from '../support/consumer.js'
import { trialArgument } from '../support/trial.js'

export interface RecordTrial {
  interface: string
  path: string
  /** `equal`: a ring as large as the other recorders' buffer, and nothing besides; `default`: what ringtap takes. */
  memory: 'equal' | 'default'
}

const argument = trialArgument<RecordTrial>()
if (argument !== null) await record(argument)

async function record({ interface: name, path, memory }: RecordTrial): Promise<void> {
  const capture = await Capture.open({
    interfaces: name,
    snapshotLength: settings.snapshotLength,
    ...(memory === 'equal' && { ring: { memory: settings.memory }, overflow: { memory: 0 } }),
  })
  const recording = await capture.record({ path })
  process.stderr.write('ready\n')
  await once(process, 'SIGINT')
  await recording.stop()
  await capture.close()
}
