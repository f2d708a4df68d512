// `ringtap top` of files: tables, and the whole terminal as a person uses it.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { frame, openFile, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { command, onTerminal, ringtap } from '../helpers/command.js'
import { Terminal } from '../helpers/terminal.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)
const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
const start = 1_700_000_000_000_000_000n

/** A packet of `length` bytes from the IP header on. */
function udp(source: string, sourcePort: number, destination: string, destinationPort: number, length: number) {
  const ip = { source, destination }
  const header = source.includes(':') ? 48 : 28
  return frame({
    ethernet,
    ...(source.includes(':') ? { ipv6: ip } : { ipv4: ip }),
    udp: { sourcePort, destinationPort },
    payload: 'x'.repeat(length - header),
  })
}

const name = 'up\x1b[31m'
const packets: [Uint8Array, string, 'in' | 'out'][] = [
  [udp('192.0.2.1', 40000, '192.0.2.53', 53, 100), 'eth0', 'out'],
  [udp('192.0.2.53', 53, '192.0.2.1', 40000, 300), 'eth0', 'in'],
  [udp('192.0.2.1', 40000, '192.0.2.53', 53, 100), 'eth0', 'out'],
  [udp('192.0.2.2', 40001, '192.0.2.53', 53, 50), 'eth0', 'out'],
  [udp('2001:db8::1', 40002, '2001:db8::2', 9999, 1000), name, 'in'],
  [frame({ ethernet, arp: { senderMac: ethernet.source, senderIp: '192.0.2.1', targetIp: '192.0.2.2' } }), name, 'in'],
]
const file = folder.file('trace.pcapng')
const writer = await SavefileWriter.open(file)
await writer.write(
  packets.map(([bytes, iface, direction], i) =>
    // Two seconds in all.
    Packet.from(bytes, { timestamp: start + BigInt(i) * 400_000_000n, interface: iface, direction }),
  ),
)
await writer.close()

/** The rows of a table as JSON has them: label, packets, bytes, out, in. */
function rows(by: string, ...args: string[]) {
  const { code, stdout, stderr } = ringtap(['top', '-r', file, '--by', by, '--json', ...args])
  t.equal(code, 0, stderr)
  const all = JSON.parse(stdout)
  t.match(all, { by, packets: 6, bytes: 1662, notIp: 1, seconds: 2, packetsPerSecond: 3, bitsPerSecond: 6648 })
  return all.rows.map((row: Record<string, number>) => [row[by], row.packets, row.bytes, row.bytesOut, row.bytesIn])
}

t.test('flows, hosts, ports and interfaces, exactly', async (t) => {
  t.same(rows('flow'), [
    ['udp 2001:db8::1.40002 > 2001:db8::2.9999', 1, 1000, 1000, 0],
    ['udp 192.0.2.1.40000 > 192.0.2.53.53', 3, 500, 200, 300],
    ['udp 192.0.2.2.40001 > 192.0.2.53.53', 1, 50, 50, 0],
  ])
  t.same(rows('host', '--sort', 'packets'), [
    ['192.0.2.53', 4, 550, 300, 250],
    ['192.0.2.1', 3, 500, 200, 300],
    ['2001:db8::1', 1, 1000, 1000, 0],
    ['2001:db8::2', 1, 1000, 0, 1000],
    ['192.0.2.2', 1, 50, 50, 0],
  ])
  t.same(rows('port', '--sort', 'packets'), [
    ['udp 53 (domain)', 4, 550, 300, 250],
    ['udp 9999', 1, 1000, 0, 1000],
  ])
  // 14 bytes more than IP; 42 bytes of ARP.
  t.same(rows('interface'), [
    ['up\\x1b[31m', 2, 1056, 0, 1056],
    ['eth0', 4, 606, 292, 314],
  ])
})

t.test('a table, and how many rows there are', async (t) => {
  const { code, stdout, stderr } = ringtap(['top', '-r', file, '--by', 'host', '-n', '2'])
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(
    stdout,
    [
      `by host, sorted by bytes  2 s  ${file}`,
      '6 packets, 1.7 kB, 3 packets/s, 6.6 kbit/s, 1 not IP',
      'HOST         PACKETS   BYTES    SENT  RECEIVED  PACKETS/S  BIT/S',
      '2001:db8::1        1  1.0 kB  1.0 kB       0 B          1  4.0 k',
      '2001:db8::2        1  1.0 kB     0 B    1.0 kB          1  4.0 k',
      '3 more',
      '',
      '',
    ].join('\n'),
  )
  const piped = ringtap(['top', '-r', '-', '--by', 'host', '-n', '2'], { input: readFileSync(file) })
  t.equal(piped.stdout, stdout.replace(file, '-'))
})

t.test('on a terminal: keys, sizes, and the terminal as it was', async (t) => {
  const terminal = new Terminal(t, [80, 24])
  const before = terminal.state
  terminal.type(`$R top -r ${file}`)
  await terminal.shows(/^by flow, sorted by bytes {2}2 s {2}\[#{10}\] 100 % /)
  t.same(terminal.state, { alternate: true, cursor: false, wrap: false })
  t.equal(terminal.lines.length, 24)
  t.same(terminal.lines.slice(1, 7), [
    '6 packets, 1.7 kB, 3 packets/s, 6.6 kbit/s, 1 not IP',
    '',
    'FLOW                                       PACKETS     BYTES PACKETS/S     BIT/S',
    'udp 2001:db8::1.40002 > 2001:db8::2.9999         1    1.0 kB         1     4.0 k',
    'udp 192.0.2.1.40000 > 192.0.2.53.53              3     500 B         2     2.0 k',
    'udp 192.0.2.2.40001 > 192.0.2.53.53              1      50 B         1       200',
  ])
  t.match(terminal.lines[23], /^q quit {2}g group /)
  terminal.keys('h', 'p')
  t.match(await terminal.shows(/by host, sorted by packets/), /\n192\.0\.2\.53 +4 +550 B +2 +2\.2 k\n192\.0\.2\.1 +3 /)
  terminal.keys('Down')
  await terminal.shows(/HOST +PACKETS.*\n192\.0\.2\.1 /)
  terminal.keys('Tab', 'Up')
  await terminal.shows(/by port.*\n.*\n\nPORT .*\nudp 53 \(domain\) /)
  terminal.keys('g')
  t.match(await terminal.shows(/by interface/), /\nup\\x1b\[31m +2 +1\.1 kB/, 'no escape sequence of a name')
  terminal.keys('Space')
  await terminal.shows(/^PAUSED {2}by interface/)
  terminal.keys('f')
  terminal.resize(120, 10)
  t.match(await terminal.shows(/ OUT +BACK /), /192\.0\.2\.53\.53 +3 +500 B +200 B +300 B +2 +2\.0 k\n/)
  terminal.resize(40, 6)
  await terminal.shows(/^PAUSED {2}by flow, sorted by packets {2}2 s~\n/)
  t.ok(terminal.lines.every((line) => line.length <= 40))
  terminal.resize(80, 24)
  terminal.keys('q')
  await terminal.shows(/^\$$/m)
  t.same(terminal.state, before)
  t.match(terminal.text, /^\$ \$R top -r .*\n(.*\n)?\$\n*$/, 'what was there before')
  terminal.type('echo "code $?"; stty -a | tr " " "\\n" | grep -x -e icanon -e echo -e isig')
  await terminal.shows(/code 0\nisig\nicanon\necho\n/)
})

t.test('the file may be standard input, and the keys come from the terminal all the same', async (t) => {
  const terminal = new Terminal(t)
  terminal.type(`cat ${file} | $R top -r - --by interface; echo "code $?"`)
  await terminal.shows(/\nINTERFACE .*\n.*\neth0 +4 +606 B/)
  terminal.keys('h')
  await terminal.shows(/by host/)
  terminal.keys('C-c')
  await terminal.shows(/code 0/)
  t.notOk(terminal.state.alternate)
})

t.test('a damaged file: what precedes the damage, the message, and exit code 1', async (t) => {
  const cut = folder.write(readFileSync(file).subarray(0, -300))
  const terminal = new Terminal(t)
  terminal.type(`$R top -r ${cut}`)
  await terminal.shows(/cut|truncat|damaged|ends/)
  t.ok(terminal.state.alternate)
  terminal.keys('q')
  await terminal.shows(/\nringtap: [\s\S]*\n\$$/m)
  terminal.type('echo "code $?"')
  await terminal.shows(/code 1/)
})

t.test('without colours, and on a terminal that can do nothing', async (t) => {
  const plain = new Terminal(t, [80, 24], { NO_COLOR: '1' })
  plain.type(`$R top -r ${file}`)
  await plain.shows(/by flow/)
  t.notOk(plain.codes.includes('\x1b'))
  plain.keys('q')
  const coloured = new Terminal(t)
  coloured.type(`$R top -r ${file}`)
  await coloured.shows(/by flow/)
  t.ok(coloured.codes.includes('\x1b[7mFLOW '))
  const dumb = onTerminal(`"$@" top -r ${file}`, { TERM: 'dumb' })
  t.match(dumb, /^by flow, sorted by bytes/)
  t.notOk(dumb.includes('\x1b'))
})

t.test('what is refused', async (t) => {
  for (const [args, message] of [
    [['--by', 'color'], /Allowed choices are flow, host, port, interface/],
    [['--interval', '0'], /It must be/],
    [['-n', '0'], /whole number/],
  ] as const)
    t.match(ringtap(['top', '-r', file, ...args]), { code: 2, stderr: message })
})

t.test('memory is bounded, and the sums stay exact', async (t) => {
  const { TrafficCounts } = createRequire(import.meta.url)(path.join(path.dirname(command), 'top-counts.js'))
  const many = folder.file('many.pcap')
  const scan = await SavefileWriter.open(many)
  const count = 50_000
  const bytes = udp('10.0.0.0', 1024, '192.0.2.1', 53, 60)
  for (let i = 0; i < count; i++) {
    // Another host in each packet; its checksum is not looked at.
    bytes.set([10, i >>> 16, (i >>> 8) & 255, i & 255], 26)
    await scan.write(Packet.from(bytes, { timestamp: start + BigInt(i) }))
  }
  await scan.close()
  const counts = new TrafficCounts()
  for await (const chunk of await openFile(many)) {
    counts.add(chunk)
    counts.advance(1)
  }
  const hosts = counts.rows('host', 'bytes')
  t.match(hosts[0], { label: '192.0.2.1', packets: count, bytes: 60 * count, bytesIn: 60 * count })
  t.ok(hosts.length <= 20_000, `${hosts.length} rows`)
  const others = counts.others('host')
  t.equal(hosts.length + others.rows, count + 1)
  const sum = (all: { packets: number }[]) => all.reduce((total, { packets }) => total + packets, 0)
  t.equal(sum(hosts) + others.packets, 2 * count)
  t.equal(sum(counts.rows('flow', 'rate')) + counts.others('flow').packets, count)
})
