/**
 * Listens on one interface and reports who makes contact: each source, destination, protocol and port once, at the first
 * packet. A source that reaches 25 such packets is called a scan.
 *
 *   sudo node dist/work/examples/recon/recon.js eth0 [--scan PACKETS] [--filter EXPRESSION]
 *   node dist/work/examples/recon/recon.js --read trace.pcapng
 *
 * A TCP connection makes contact by its SYN; in other protocols, whatever is not an answer to a packet seen before does.
 */
import { Dissector } from 'ringtap'
import { flowText, plural, time } from '../support/format.js'
import { openSource } from '../support/source.js'
import { type Contact, Contacts, type Scan } from './contacts.js'

const source = await openSource(
  { filter: 'ip or ip6', snapshotLength: 256, interface: 'eth0' },
  { scan: { type: 'string' } },
)
const contacts = new Contacts(limitOf(source.values['scan']))
const dissector = new Dissector()

for await (const chunk of source) {
  chunk.forEach((packet) => {
    dissector.dissect(packet)
    const finding = contacts.add(dissector)
    if (finding?.contact) console.log(`${time(packet.timestamp)}  first contact  ${contactText(finding.contact)}`)
    if (finding?.scan) console.log(`${time(packet.timestamp)}  scan           ${scanText(finding.scan)}`)
  })
}
console.log(
  `${plural(contacts.contacts, 'first contact')} from ${plural(contacts.sources, 'source')}, ` +
    `${plural(contacts.scans, 'scan')}; ${source.summary()}`,
)
await source.close()

function contactText({ source, destination, protocol, port }: Contact): string {
  return flowText({
    sourceIp: source,
    sourcePort: undefined,
    destinationIp: destination,
    destinationPort: port,
    protocol,
  })
}

function scanText({ source, packets, destinations, ports }: Scan): string {
  return `${source}: ${plural(packets, 'packet')} to ${plural(ports, 'port')} of ${plural(destinations, 'address', 'es')}`
}

function limitOf(given: unknown): number {
  if (given === undefined) return 25
  if (/^[1-9]\d{0,8}$/.test(String(given))) return Number(given)
  console.error(`error: --scan takes a number of packets, at least 1; it is "${given}"`)
  process.exit(2)
}
