// Lines about packets beside those of tcpdump.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Dissector } from 'ringtap'
import t from 'tap'
import { corpus } from '../helpers/corpus.js'
import { savefile } from '../helpers/packets.js'
import { run } from '../helpers/wireshark.js'

const dir = mkdtempSync(path.join(tmpdir(), 'ringtap-tcpdump-'))
t.teardown(() => rmSync(dir, { recursive: true }))

/** Packets that tcpdump describes by more than the innermost headers, or decodes beyond them. */
const otherwise = [
  'sctp', // chunks
  'dccp', // its type
  'udp-lite', // its coverage of the checksum
  'tcp all flags', // AE is newer than tcpdump 4.99
  'unknown protocol', // two spaces
  'fragment', // of IPv6: the fragment header
  'timestamp',
  'igmp',
  ' ah', // its own fields
  'ipv6 hop by hop', // and the other extension headers
  'ipv6 destination options',
  'ipv6 routing',
  'ipv6 chain',
  'ipv6 nothing',
  'mpls', // labels
  'pppoe', // the session
  'rarp',
  'snap',
  'llc',
  'unknown type',
  // The headers of tunnels, and then the packet inside.
  ...['gre', 'erspan', 'vxlan', 'geneve', 'gtpu', 'ipip', '6in4', '4in6', '6in6', 'pseudowire'],
]

t.test('a line for each packet', async (t) => {
  const packets = corpus().filter(
    ({ name, linkType }) => [1, 101].includes(linkType) && !otherwise.some((part) => name.includes(part)),
  )
  const d = new Dissector()
  let compared = 0
  for (const linkType of [1, 101]) {
    const ours = packets.filter((packet) => packet.linkType === linkType)
    const file = path.join(dir, `${linkType}.pcap`)
    writeFileSync(file, savefile(ours, linkType))
    const lines = run('tcpdump', ['-n', '-t', '-S', '-r', file]).toString().trimEnd().split('\n')
    t.equal(lines.length, ours.length)
    ours.forEach(({ name, bytes }, i) => {
      d.dissect(bytes, linkType)
      t.equal(d.summary(), lines[i], name)
      compared++
    })
  }
  t.ok(compared >= 30, `${compared} compared`)
})
