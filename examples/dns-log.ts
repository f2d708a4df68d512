/**
 * Logs DNS messages of port 53, over UDP and TCP: questions, and responses with their answers.
 *
 *   sudo node dist/work/examples/dns-log.js [--filter EXPRESSION] [pattern]
 *   node dist/work/examples/dns-log.js --read trace.pcapng
 */
import { Defragmenter, Dissector, Layer, TcpReassembler } from 'ringtap'
import { dnsText, readMessages } from './support/dns.js'
import { flowText, plural, time } from './support/format.js'
import { openSource } from './support/source.js'

// Of fragments only the first has ports, and behind the fragment header of IPv6 (44) a filter finds none at all.
const source = await openSource({ filter: 'port 53 or ip[6:2] & 0x1fff != 0 or ip6 proto 44' })
const defragmenter = new Defragmenter()
const dissector = new Dissector()
const reassembler = new TcpReassembler({ onStream: (stream) => readMessages(stream, log), midstream: false })
let messages = 0
let timestamp = 0n

for await (const chunk of source) {
  chunk.forEach((fragment) => {
    const packet = defragmenter.add(fragment)
    if (!packet) return
    const layers = dissector.dissect(packet)
    if (dissector.sourcePort !== 53 && dissector.destinationPort !== 53) return
    timestamp = packet.timestamp
    if ((layers & Layer.Tcp) !== 0) reassembler.add(packet)
    else if ((layers & Layer.Udp) !== 0) log(flowText(dissector), dissector.payload)
  })
}
console.log(`${plural(messages, 'message')}; ${source.summary()}`)
await source.close()

function log(ends: string, message: Uint8Array): void {
  messages++
  console.log(`${time(timestamp)}  ${ends}  ${dnsText(message)}`)
}
