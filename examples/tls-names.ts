/**
 * Logs TLS connections, on any port: the server name and the protocols that the client offers, and its JA4 fingerprint.
 *
 *   sudo node dist/work/examples/tls-names.js [--filter 'tcp port 443'] [pattern]
 *   node dist/work/examples/tls-names.js --read trace.pcapng
 */
import { parseTlsClientHello, TcpReassembler, type TcpStream } from 'ringtap'
import { flowText, plural, printable, time } from './support/format.js'
import { openSource } from './support/source.js'

const source = await openSource({ filter: 'tcp' })
const reassembler = new TcpReassembler({ onStream: follow, midstream: false })
let handshakes = 0

for await (const chunk of source) chunk.forEach((packet) => reassembler.add(packet))
console.log(`${plural(handshakes, 'handshake')}; ${source.summary()}`)
await source.close()

function follow(stream: TcpStream): void {
  let sent = Buffer.alloc(0)
  stream.onGap = () => stream.ignore()
  stream.onData = (data, end) => {
    if (end === 'responder') return
    sent = Buffer.concat([sent, data])
    const hello = parseTlsClientHello(sent)
    if (hello === 'incomplete') return
    stream.ignore() // nothing further is needed
    if (!hello) return
    handshakes++
    const names = [hello.serverName ?? 'no name', ...hello.alpn].map(printable).join(', ')
    console.log(`${time(stream.first)}  ${flowText({ ...stream, protocol: 6 })}  ${names}  ${hello.ja4}`)
  }
}
