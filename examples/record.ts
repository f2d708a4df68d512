/**
 * A flight recorder: writes the traffic of the interfaces into a ring of pcapng files, a new one after a number of megabytes
 * or minutes. The packets do not pass through JavaScript; only the events of the files do. Ctrl-C completes the last file.
 *
 *   sudo node dist/work/examples/record.js [pattern] [path] [filter]
 *   sudo node dist/work/examples/record.js '^(eth|en)' /var/tmp/flight.pcapng 'not port 22' --size 100 --minutes 10 --files 20
 *
 * pattern: as egrep reads it; default ^eth. path: default flight.pcapng, which makes flight-000001.pcapng and so on.
 * filter: as tcpdump takes it (pcap-filter(7)). --size: megabytes, default 100. --minutes: default 60. --files: how many
 * to keep, default 10. --free: megabytes of the disk to leave free, default 1000. --comment: written into each file.
 */
import { parseArgs } from 'node:util'
import { Capture, type CaptureError } from 'ringtap'
import { fail, showWarnings, stopOnSignal } from './support/command.js'
import { nameList } from './support/format.js'
import { ledger } from './support/ledger.js'

const { pattern, path, filter, size, minutes, files, free, comment } = commandLine()

const capture = await Capture.open({ interfaces: { include: pattern, hotplug: true }, filter }).catch(fail)
showWarnings(capture)
const recording = await capture
  .record({
    path,
    rotate: { size: size * 1e6, milliseconds: minutes * 60_000 },
    files,
    minimumFree: free * 1e6,
    comment,
  })
  .catch(fail)
recording.on('file', ({ path, packets, bytes, firstTimestamp }) => {
  console.log(
    `${path}  ${packets} packets, ${bytes} bytes, from ${new Date(Number(firstTimestamp / 1_000_000n)).toISOString()}`,
  )
})
stopOnSignal(capture)
console.log(`recording ${nameList(capture.interfaces) || `nothing yet: no name matches ${pattern}`}`)

// The recording ends with the capture, or with an error.
const problem = await recording.finished.then(
  () => undefined,
  (error: CaptureError) => error,
)
const { packets, dropped, bytes } = recording.stats()
console.log(`\n${packets} packets in ${bytes} bytes written, ${dropped} not written\n\n${ledger(capture.stats())}`)
await capture.close()
if (problem) fail(problem)

function commandLine() {
  const names = ['size', 'minutes', 'files', 'free'] as const
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: {
        size: { type: 'string', default: '100' },
        minutes: { type: 'string', default: '60' },
        files: { type: 'string', default: '10' },
        free: { type: 'string', default: '1000' },
        comment: { type: 'string' },
      },
    })
    const [pattern = '^eth', path = 'flight.pcapng', filter] = positionals
    const [size = 0, minutes = 0, files = 0, free = 0] = names.map((name) => Number(values[name]))
    return { pattern, path, filter, size, minutes, files, free, comment: values.comment }
  } catch (error) {
    fail(error)
  }
}
