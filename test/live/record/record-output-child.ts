/** Records eth0 to its standard output until it is told to stop, or to close; then reports how that ended. */
import { once } from 'node:events'
import { Capture, type CaptureError, type RecordOptions } from 'ringtap'

const capture = await Capture.open({ interfaces: 'eth0' })
const recording = await capture.record(JSON.parse(process.argv[2] as string) as RecordOptions)
recording.on('error', () => {})
process.send?.('ready')
const [command] = await once(process, 'message')
if (command === 'close') await capture.close()
const error = await recording.stop().then(
  () => undefined,
  ({ code, message }: CaptureError) => ({ code, message }),
)
await capture.close()
process.send?.({ ...recording.stats(), error })
process.disconnect?.()
