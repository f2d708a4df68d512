import { LinkType } from 'ringtap'
import { captureDuring, type Seen } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, ip, link, sysctl } from '../support/network.js'
import { expectedFrame, sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { openTun, type Tun, tunAvailable } from '../support/tun.js'
import { waitUntil } from '../support/wait.js'

const noTun = tunAvailable() ? false : 'no access to /dev/net/tun: raw IP cannot be tried'

addVeth('eth0', 'far0')

const tally = (packets: readonly Seen[]) => {
  const counts: Record<string, number> = {}
  for (const { interface: name, direction } of packets) {
    counts[`${name} ${direction}`] = (counts[`${name} ${direction}`] ?? 0) + 1
  }
  return counts
}

/** Sends the packets of one capture: 30 UDP frames to port 9 and 20 to port 5000, on eth0 and into the tun device. */
async function traffic(tun: Tun): Promise<void> {
  sendSync({ interface: 'eth0', count: 30 })
  sendSync({ interface: 'eth0', count: 20, start: 30, port: 5000 })
  await tun.write({ count: 30, label: 7 })
  await tun.write({ count: 20, start: 30, port: 5000, label: 7 })
  sendSync({ interface: tun.name, raw: true, count: 10, start: 50, label: 7 })
}

const both = (ethernet: number, tunIn: number, tunOut: number): Record<string, number> =>
  Object.fromEntries(
    Object.entries({ 'eth0 out': ethernet, 'far0 in': ethernet, 'tun0 in': tunIn, 'tun0 out': tunOut }).filter(
      ([, count]) => count > 0,
    ),
  )

const expectations: { filter?: string; counts: Record<string, number> }[] = [
  { counts: both(50, 50, 10) },
  { filter: 'udp port 9', counts: both(30, 30, 10) },
  { filter: 'udp port 5000', counts: both(20, 20, 0) },
  { filter: 'not udp port 9', counts: both(20, 20, 0) },
  { filter: 'ip', counts: both(50, 50, 10) },
  { filter: 'icmp or ip6', counts: {} },
  { filter: 'src net 198.18.0.0/15 and len > 40', counts: both(50, 50, 10) },
  // For raw IP libpcap derives the protocol from the version field of the header.
  { filter: 'ether proto 0x800', counts: both(50, 50, 10) },
  { filter: 'ether proto 0x806', counts: {} },
  // Raw IP has no link-layer addresses: libpcap compiles this for Ethernet only, and nothing matches on the tun device.
  { filter: 'ether host 02:00:00:00:00:02', counts: both(50, 0, 0) },
  { filter: 'inbound and udp port 9', counts: { 'far0 in': 30, 'tun0 in': 30 } },
]

for (const { table, skip } of tables) {
  t.test(`a filter applies to Ethernet and raw IP in one capture, ${table}`, { skip: skip || noTun }, async (t) => {
    const tun = await openTun('tun0')
    for (const { filter, counts } of expectations) {
      await t.test(`filter ${filter}`, async (t) => {
        const { packets, stats } = await captureDuring({ filter, ring: { table } }, () => traffic(tun))
        t.same(tally(packets), counts)
        t.same(imbalances(stats), [])
        t.equal(stats.received, packets.length)
        for (const { interface: name, number, data, label, linkType } of packets) {
          const raw = name === 'tun0'
          const port = (number as number) >= 30 && (number as number) < 50 ? 5000 : 9
          const wanted = expectedFrame(number as number, { raw, port, label: label as number })
          if (Buffer.compare(data, wanted) !== 0) t.fail(`the bytes of ${number} on ${name}`)
          if (linkType !== (raw ? LinkType.RAW : LinkType.ETHERNET)) t.fail(`link type ${linkType} on ${name}`)
        }
      })
    }
    await tun.close()
  })

  t.test(`a filter applies to a tun device that appears later, ${table}`, { skip: skip || noTun }, async (t) => {
    for (const { filter, counts } of expectations) {
      await t.test(`filter ${filter}`, async (t) => {
        // The first packets arrive before the new device's link type is in the kernel's table.
        const { packets, stats } = await captureDuring(
          { filter, ring: { table }, interfaces: { hotplug: true } },
          async () => {
            const tun = await openTun('tun0')
            await traffic(tun)
            await tun.close()
          },
        )
        t.same(tally(packets), counts, 'nothing that the filter refuses')
        t.same(imbalances(stats), [])
        t.equal(stats.received, packets.length)
        for (const { interface: name, linkType } of packets) {
          if (linkType !== (name === 'tun0' ? LinkType.RAW : LinkType.ETHERNET)) t.fail(`${linkType} on ${name}`)
        }
      })
    }
  })

  t.test(`filters on ARP and ICMP apply to Ethernet beside raw IP, ${table}`, { skip: skip || noTun }, async (t) => {
    const tun = await openTun('tun0')
    // The kernel answers the numbered frames on the device that has their destination address, since the port is
    // closed. On Ethernet it must first resolve the sender's address by ARP.
    const answers = async (filter: string, neighbour: boolean) => {
      const { packets, stats } = await captureDuring({ filter, ring: { table }, direction: 'out' }, async (capture) => {
        const answered = (times: number) =>
          waitUntil(() => capture.stats().received >= times, `answer ${times} to "${filter}"`)
        ip('address', 'add', '198.18.0.2/24', 'dev', 'far0')
        if (neighbour) ip('neigh', 'replace', '198.18.0.1', 'lladdr', '02:00:00:00:00:01', 'dev', 'far0')
        sendSync({ interface: 'eth0', count: 1, destination: link('far0').address })
        await answered(1)
        ip('address', 'flush', 'dev', 'far0')
        ip('address', 'add', '198.18.0.2/24', 'dev', 'tun0')
        await tun.write({ count: 1 })
        if (neighbour) await answered(2)
        ip('address', 'flush', 'dev', 'tun0')
      })
      t.same(imbalances(stats), [])
      return packets
    }
    sysctl('net/ipv4/icmp_ratelimit', 0)
    const arp = await answers('arp', false)
    t.same([...new Set(arp.map(({ interface: name }) => name))], ['far0'], 'arp is of Ethernet')
    for (const { data } of arp) t.equal(Buffer.from(data).readUInt16BE(12), 0x0806)
    const icmp = await answers('icmp', true)
    t.same(tally(icmp), { 'far0 out': 1, 'tun0 out': 1 })
    for (const { data, interface: name } of icmp) t.equal(data[name === 'far0' ? 14 + 9 : 9], 1)
    await tun.close()
  })
}
