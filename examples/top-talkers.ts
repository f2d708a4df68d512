/**
 * Prints every second which flows (addresses, ports and protocol; both directions together) moved the most bytes.
 *
 *   sudo node dist/work/examples/top-talkers.js [--rows 10] [--filter 'not port 22'] [pattern]
 *   node dist/work/examples/top-talkers.js --read trace.pcapng
 *
 * pattern: of interfaces' names, as egrep reads it; default ^eth. A packet that crosses several of them (a veth, the
 * bridge, the network card) counts on each. Of a file: the flows of the whole file. Bytes are those of the IP packets.
 */
import { FlowTable } from 'ringtap'
import { count, flowText, now, plural } from './support/format.js'
import { openSource } from './support/source.js'
import { paint, table } from './support/style.js'

// Only headers are needed: the ring holds many more packets if they are cut short.
const source = await openSource({ snapshotLength: 128 }, { rows: { type: 'string', default: '10' } })
const rows = Math.max(1, Number.parseInt(String(source.values['rows']), 10) || 1)

let flows = new FlowTable()
const timer = source.live ? setInterval(report, 1000) : undefined
for await (const chunk of source) chunk.forEach((packet) => flows.add(packet))
clearInterval(timer)
report()
console.log(source.summary())
await source.close()

function report(): void {
  const { begun, packets, notIp } = flows.stats()
  console.log(paint('bold', `${now()}  ${plural(begun, 'flow')}, ${plural(packets, 'packet')}; ${count(notIp)} not IP`))
  const top = flows.top(rows).map((flow) => {
    const { originator, responder } = flow
    const sums = [originator.bytes + responder.bytes, originator.packets + responder.packets]
    return [...sums.map(count), flowText(flow)]
  })
  if (top.length > 0) console.log(table([['bytes', 'packets', 'flow'], ...top], [0, 1]))
  flows = new FlowTable() // the next second's
}
