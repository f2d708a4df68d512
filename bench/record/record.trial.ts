// One recording by ringtap: reports that it is ready, and records until SIGINT.
//
//   node dist/work/bench/record/record.trial.js '{"interface":"near","path":"…"}'
import { once } from 'node:events'
import { Capture } from 'ringtap'
import { settings } from '../support/consumer.js'
import { trialArgument } from '../support/trial.js'

const { interface: name, path } = trialArgument<{ interface: string; path: string }>()
const capture = await Capture.open({
  interfaces: name,
  snapshotLength: settings.snapshotLength,
  ring: { memory: settings.memory },
  // The other recorders have no memory besides their buffer.
  overflow: { memory: 0 },
})
const recording = await capture.record({ path })
process.stderr.write('ready\n')
await once(process, 'SIGINT')
await recording.stop()
await capture.close()
