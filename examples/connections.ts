/**
 * Logs TCP connections as they end: state in Zeek's words, duration, the handshake's round trip to each end, bytes.
 *
 *   sudo node dist/work/examples/connections.js [--filter EXPRESSION] [pattern]
 *   node dist/work/examples/connections.js --read trace.pcapng
 *
 * A closed connection is logged after 5 seconds, in case that packets come late. Ctrl-C logs those that are open.
 */
import { type Flow, FlowTable } from 'ringtap'
import { count, flowText, plural, time } from './support/format.js'
import { openSource } from './support/source.js'

const source = await openSource({ filter: 'tcp', snapshotLength: 128 })
const flows = new FlowTable({ onEnd: log })

// Time is that of the packets; where none come, it is moved on by the clock.
const timer = source.live ? setInterval(() => flows.advance(Date.now() - 1000), 1000) : undefined
for await (const chunk of source) chunk.forEach((packet) => flows.add(packet))
clearInterval(timer)
flows.end()

console.log(`${plural(flows.stats().begun, 'connection')}; ${source.summary()}`)
await source.close()

function log(flow: Flow): void {
  const { first, duration, state, handshake, originator, responder } = flow
  const sums = `${count(originator.payloadBytes)} + ${plural(responder.payloadBytes, 'byte')}`
  const trip = handshake ? `handshake ${handshake.responder} + ${handshake.originator} ms` : 'no handshake'
  console.log(`${time(first)}  ${flowText(flow)}  ${state}  ${duration} ms, ${trip}, ${sums}`)
}
