// examples/recon: each first contact once, a scan at 25 packets; live, and from a file that tcpdump wrote meanwhile.

import { frame, inject, type TcpFlag } from 'ringtap'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { Example } from '../support/example.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { startTcpdump } from '../support/witness.js'

const folder = new TestFolder(t)

const ethernet = { source: '02:00:00:00:00:0a', destination: '02:00:00:00:00:0b' }
const host = '192.0.2.1'

const v4 = (source: string, destination = host) => ({ ethernet, ipv4: { source, destination } })
const syn = (source: string, port: number, destination = host) =>
  frame({ ...v4(source, destination), tcp: { sourcePort: 40000, destinationPort: port, flags: ['SYN'] } })
const segment = (source: string, destination: string, sourcePort: number, destinationPort: number, flags: TcpFlag[]) =>
  frame({ ...v4(source, destination), tcp: { sourcePort, destinationPort, flags } })
const datagram = (source: string, sourcePort: number, port: number, destination = host) =>
  frame({ ...v4(source, destination), udp: { sourcePort, destinationPort: port }, payload: 'x' })

const withoutTimes = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{6} {2}/, '').replace(/ {2,}/g, ' '))

t.test('first contacts and scans', async (t) => {
  addVeth('eth0', 'far0')
  addVeth('eth01', 'far01')
  const witness = await startTcpdump({ interface: 'eth0' })
  const program = new Example(t, 'recon/recon', ['eth0'])
  await program.said(/^capturing on eth0; Ctrl-C ends\n/)
  const scan = Array.from({ length: 30 }, (_, i) => syn('198.51.100.66', 1 + (i % 10), i < 15 ? host : '192.0.2.2'))
  await inject('far0', [
    // A connection: one contact, by its SYN, sent twice. What follows makes none.
    syn('198.51.100.1', 22),
    syn('198.51.100.1', 22),
    segment(host, '198.51.100.1', 22, 40000, ['SYN', 'ACK']),
    segment('198.51.100.1', host, 40000, 22, ['ACK']),
    // A question and its answer; the same source asks again, from another port.
    datagram('198.51.100.2', 5000, 53),
    datagram(host, 53, 5000, '198.51.100.2'),
    datagram('198.51.100.2', 5001, 53),
    // One source, 24 packets: no scan yet.
    ...Array.from({ length: 24 }, () => syn('198.51.100.24', 80)),
    // 30: a scan, once.
    ...scan,
    frame({
      ethernet,
      ipv6: { source: '2001:db8::5', destination: '2001:db8::1' },
      tcp: { sourcePort: 1, destinationPort: 443, flags: ['SYN'] },
    }),
    frame({ ...v4('198.51.100.3'), icmp: { type: 8, identifier: 1, sequence: 1 }, payload: 'ping' }),
  ])
  await inject('far01', [syn('198.51.100.9', 22)])
  await program.said(/198\.51\.100\.3 >/)
  const { code, stdout, stderr } = await program.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  const [first, ...live] = withoutTimes(stdout)
  t.equal(first, 'capturing on eth0; Ctrl-C ends')
  const last = live.pop()
  const contact = (text: string) => `first contact ${text}`
  const scanned = (to: string) => Array.from({ length: 10 }, (_, i) => contact(`198.51.100.66 > ${to}:${i + 1} tcp`))
  const expected = [
    contact('198.51.100.1 > 192.0.2.1:22 tcp'),
    contact('198.51.100.2 > 192.0.2.1:53 udp'),
    contact('198.51.100.24 > 192.0.2.1:80 tcp'),
    ...scanned('192.0.2.1'),
    // Ports 6 to 10 of the second address are tried first: packet 25 is the one to port 5 of it.
    ...[6, 7, 8, 9, 10, 1, 2, 3, 4, 5].map((port) => contact(`198.51.100.66 > 192.0.2.2:${port} tcp`)),
    'scan 198.51.100.66: 25 packets to 10 ports of 2 addresses',
    contact('2001:db8::5 > [2001:db8::1]:443 tcp'),
    contact('198.51.100.3 > 192.0.2.1 icmp'),
  ]
  t.strictSame(live, expected)
  const sum = '25 first contacts from 6 sources, 1 scan'
  t.equal(last, `${sum}; 63 received = 63 delivered + 0 lost, ring full + 0 lost, overflow full + 0 unselected`)

  const packets = (await witness.stop()).map((packet) => ({ ...packet, time: packet.timestampNs }))
  t.equal(packets.length, 63)
  const read = await new Example(t, 'recon/recon', [
    '--read',
    folder.write(pcap(packets, { nanoseconds: true })),
  ]).ended()
  t.strictSame(withoutTimes(read.stdout), [...expected, `${sum}; 63 packets read`])
})

t.test('--scan', async (t) => {
  const packets = Array.from({ length: 3 }, (_, i) => ({ data: syn('198.51.100.1', 1 + i), time: BigInt(i) }))
  const file = folder.write(pcap(packets, { nanoseconds: true }))
  const { stdout } = await new Example(t, 'recon/recon', ['--read', file, '--scan', '2']).ended()
  t.strictSame(
    withoutTimes(stdout).filter((line) => line.startsWith('scan')),
    ['scan 198.51.100.1: 2 packets to 2 ports of 1 address'],
  )
  for (const wrong of ['0', 'many', '']) {
    const { code, stderr } = await new Example(t, 'recon/recon', ['--read', file, '--scan', wrong]).ended()
    t.equal(code, 2)
    t.match(stderr, /^error: --scan takes a number of packets/)
  }
})
