/**
 * Watches ARP: which hardware address each IPv4 address has, and when that changes, as it does when a machine is replaced,
 * when two have the same address, and when one pretends to be another.
 *
 *   sudo node dist/work/examples/arp-watch.js [pattern]
 *   node dist/work/examples/arp-watch.js --read trace.pcapng
 */
import { Dissector } from 'ringtap'
import { plural, printable, time } from './support/format.js'
import { openSource } from './support/source.js'

const source = await openSource({ filter: 'arp' })
const dissector = new Dissector()
const owners = new Map<string, string>()
let changes = 0

for await (const chunk of source) {
  chunk.forEach((packet) => {
    dissector.dissect(packet)
    const { arp, sourceMac, vlanId } = dissector
    // A sender without an address only asks whether one is free (RFC 5227).
    if (!arp || arp.senderIp === '0.0.0.0') return
    const place = `${packet.interface.name}${vlanId < 0 ? '' : `, vlan ${vlanId}`}`
    const key = `${place} ${arp.senderIp}`
    const before = owners.get(key)
    if (owners.size === 100_000) owners.clear() // a flood of made-up addresses
    owners.set(key, arp.senderMac)
    if (before === arp.senderMac) return
    if (before !== undefined) changes++
    const was = before === undefined ? '' : `, it was at ${before}`
    const sender = sourceMac === arp.senderMac ? '' : `, says ${sourceMac}`
    console.log(`${time(packet.timestamp)}  ${printable(place)}  ${arp.senderIp} is at ${arp.senderMac}${was}${sender}`)
  })
}
console.log(`${plural(owners.size, 'address', 'es')}, ${plural(changes, 'change')}; ${source.summary()}`)
await source.close()
