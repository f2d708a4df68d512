/**
 * Reads a savefile, pcap or pcapng, plain or compressed, from a path or from standard input: what the file says
 * about itself, how many packets each interface has, and the first packets' headers and comments.
 *
 *   node dist/work/examples/read-file.js trace.pcapng.gz [filter]
 *   tcpdump -w - | node dist/work/examples/read-file.js - 'udp port 53'
 *
 * filter: as tcpdump takes it (pcap-filter(7)); default: every packet.
 */
import { parseArgs } from 'node:util'
import { CaptureError, Dissector, openFile } from 'ringtap'
import { fail } from './support/command.js'
import { printable, time } from './support/format.js'

const { source, filter } = commandLine()
const maxShown = 5
const dissector = new Dissector()

const file = await openFile(source, { filter }).catch(fail)
const counts = new Map<string, { packets: number; bytes: number }>()
let shown = 0
let damage: CaptureError | undefined
try {
  for await (const chunk of file) {
    chunk.forEach((packet) => {
      const name = printable(packet.interface.name) || 'nameless'
      let count = counts.get(name)
      if (!count) {
        count = { packets: 0, bytes: 0 }
        counts.set(name, count)
      }
      count.packets++
      count.bytes += packet.capturedLength
      if (shown < maxShown) {
        shown++
        dissector.dissect(packet)
        const comments = printable(packet.comments.join('; '))
        console.log(`${time(packet.timestamp)}  ${name}  ${packet.capturedLength} bytes  ${comments}`.trimEnd())
        console.log(`  ${dissector.summary()}`)
      }
    })
  }
} catch (error) {
  // What came before the damage is counted as well.
  damage = error as CaptureError
}

for (const { application, operatingSystem, comments } of file.sections) {
  console.log(printable([file.format, application, operatingSystem, ...comments].filter(Boolean).join(', ')))
}
for (const [name, { packets, bytes }] of counts) console.log(`${name}: ${packets} packets, ${bytes} bytes`)
const { packetsRead, bytesRead, filtered } = file.stats()
console.log(`${packetsRead} packets in ${bytesRead} bytes, ${filtered} of them refused by the filter`)
if (damage) fail(damage)

function commandLine() {
  try {
    const { positionals } = parseArgs({ allowPositionals: true })
    const [path, filter] = positionals
    if (path === undefined) throw new CaptureError('ERR_OPTION', 'which file? Give its path, or - for standard input')
    return { source: path === '-' ? process.stdin : path, filter }
  } catch (error) {
    fail(error)
  }
}
