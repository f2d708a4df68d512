/**
 * Captures on all interfaces whose name matches a pattern, also those that appear later. Prints a line per chunk, and
 * on Ctrl-C the ledger: what became of every packet.
 *
 *   sudo node dist/work/examples/eth.js [pattern] [filter]
 *   sudo node dist/work/examples/eth.js '^(eth|en)' 'not port 22'
 *
 * pattern: as egrep reads it; default ^eth. filter: as tcpdump takes it (pcap-filter(7)); default: every packet.
 */
import { parseArgs } from 'node:util'
import { Capture } from 'ringtap'
import { fail, showWarnings, stopOnSignal } from './support/command.js'
import { chunkLine, eventText, interfaceText, now } from './support/format.js'
import { ledger } from './support/ledger.js'

const { pattern, filter } = commandLine()

const capture = await Capture.open({ interfaces: { include: pattern, hotplug: true }, filter }).catch(fail)
stopOnSignal(capture)
showWarnings(capture)
capture.on('interface', (event) => {
  if (event.selected && event.type !== 'changed') console.log(`${now()}  ${eventText(event)}`)
})

console.log(
  `capturing on ${capture.interfaces.map(interfaceText).join(', ') || `nothing yet: no name matches ${pattern}`}`,
)
for await (const chunk of capture) console.log(chunkLine(chunk))

console.log(`\n${ledger(capture.stats())}`)
await capture.close()

function commandLine() {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { filter: { type: 'string' } } })
    return { pattern: positionals[0] ?? '^eth', filter: values.filter ?? positionals[1] }
  } catch (error) {
    fail(error)
  }
}
