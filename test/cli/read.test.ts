// `ringtap read` as a person uses it, and beside tcpdump.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { frame, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { witnessEnvironment } from '../helpers/child-environment.js'
import { command, onTerminal, ringtap, shell, timeZone } from '../helpers/command.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)

const mac = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
const ip = { source: '192.0.2.1', destination: '198.51.100.2', identification: 7 }
const ip6 = { source: '2001:db8::1', destination: '2001:db8::2' }
const ports = { sourcePort: 40000, destinationPort: 4444 }

/** One packet after the other, 0.6 s apart, so that seconds change between them. */
const packets = [
  frame({ ethernet: mac, ipv4: ip, tcp: { ...ports, flags: ['SYN'], sequence: 1000 } }),
  frame({ ethernet: mac, ipv4: ip, tcp: { ...ports, flags: ['SYN', 'ACK'], sequence: 5, acknowledgment: 1001 } }),
  frame({
    ethernet: mac,
    ipv4: ip,
    tcp: { ...ports, flags: ['PSH', 'ACK'], sequence: 6, acknowledgment: 7 },
    payload: 'abc',
  }),
  frame({ ethernet: mac, ipv4: ip, tcp: { ...ports, flags: ['RST'], sequence: 9 } }),
  frame({ ethernet: mac, ipv4: ip, tcp: { ...ports, flags: ['FIN', 'ACK'], sequence: 4294967295, acknowledgment: 1 } }),
  frame({ ethernet: mac, ipv4: ip, udp: ports, payload: 'x'.repeat(700) }),
  frame({ ethernet: mac, ipv6: ip6, udp: ports, payload: 'yz' }),
  frame({ ethernet: mac, ipv6: ip6, tcp: { ...ports, flags: ['ACK'], acknowledgment: 77 } }),
  frame({ ethernet: mac, ipv4: ip, icmp: { type: 8, identifier: 3, sequence: 4 }, payload: 'ping' }),
  frame({ ethernet: mac, arp: { senderMac: mac.source, senderIp: '192.0.2.1', targetIp: '192.0.2.2' } }),
]
const start = 1_700_000_000_000_999_999n
const times = packets.map((_, i) => start + BigInt(i) * 600_000_001n)

const pcap = folder.file('trace.pcap')
const pcapng = folder.file('trace.pcapng')
for (const path of [pcap, pcapng]) {
  const writer = await SavefileWriter.open(path, { format: path.endsWith('ng') ? 'pcapng' : 'pcap' })
  await writer.write(
    packets.map((bytes, i) =>
      Packet.from(bytes, { timestamp: times[i]!, interface: 'up\x1b[31m', direction: i === 0 ? 'out' : 'in' }),
    ),
  )
  await writer.close()
}

/** What tcpdump prints of the same file, in the same time zone. */
function tcpdump(...args: string[]): string {
  const env = { ...witnessEnvironment(), TZ: timeZone }
  const { status, stdout, stderr } = spawnSync('tcpdump', ['-n', '-S', ...args, '-r', pcap], { env })
  if (status !== 0) throw new Error(`tcpdump: ${stderr}`)
  return stdout.toString()
}

t.test('the lines are those of tcpdump: time, addresses, ports, flags, length', async (t) => {
  for (const style of [[], ['-t'], ['-tt'], ['-tttt']]) {
    const ours = ringtap(['read', pcap, ...style])
    t.equal(ours.code, 0)
    t.equal(ours.stdout, tcpdump(...style), style.join())
    t.equal(ours.stdout.trimEnd().split('\n').length, packets.length)
  }
  t.equal(ringtap(['read', pcap, '-t', '-X', 'udp']).stdout, tcpdump('-t', '-X', 'udp'), 'with the bytes')
  t.equal(
    ringtap(['read', pcap, '-t', '-XX', 'arp']).stdout,
    tcpdump('-t', '-XX', 'arp'),
    'with those of the link layer',
  )
  t.equal(ringtap(['read', pcap, '-f', 'tcp', '-c', '2']).stdout, tcpdump('-c', '2', 'tcp'), 'a filter, a count')
  t.equal(ringtap(['-r', pcap, '-c', '3']).stdout, tcpdump('-c', '3'), 'as tcpdump -r')
})

t.test('from standard input, plain and compressed', async (t) => {
  const bytes = readFileSync(pcap)
  t.equal(ringtap(['read', '-'], { input: bytes }).stdout, tcpdump())
  t.equal(ringtap(['read', '-'], { input: gzipSync(bytes) }).stdout, tcpdump())
})

t.test('interface and direction, and no escape sequence of theirs', async (t) => {
  const { stdout } = ringtap(['read', pcapng, '-t', '-c', '2'])
  t.equal(
    stdout,
    'up\\x1b[31m Out IP 192.0.2.1.40000 > 198.51.100.2.4444: Flags [S], seq 1000, win 65535, length 0\n' +
      'up\\x1b[31m In  IP 192.0.2.1.40000 > 198.51.100.2.4444: Flags [S.], seq 5, ack 1001, win 65535, length 0\n',
  )
  for (const line of ringtap(['read', pcapng, '--json']).stdout.trimEnd().split('\n'))
    t.equal(JSON.parse(line).interface, 'up\x1b[31m')
})

t.test('colours on a terminal only', async (t) => {
  const colour = `\x1b[1mIP\x1b[22m`
  t.ok(onTerminal(`"$@" read ${pcap}`).includes(colour), 'on a terminal')
  t.notOk(onTerminal(`"$@" read ${pcap}`, { NO_COLOR: '1' }).includes('\x1b'), 'with NO_COLOR')
  t.notOk(onTerminal(`"$@" read ${pcap} | cat`).includes('\x1b'), 'piped')
})

t.test('with 256 colours, those that can be read on a light background', async (t) => {
  const shown = onTerminal(`"$@" read ${pcapng} -X`, { TERM: 'xterm-256color' })
  t.ok(shown.includes('\x1b[38;5;130mOut \x1b[39m'))
  t.ok(shown.includes('\x1b[38;5;28mIn  \x1b[39m'))
  t.match(shown, /\t0x0000: {2}.*\[38;5;30m.*\[38;5;130m/, 'also in the bytes')
  t.notOk(shown.includes('\x1b[33m') || shown.includes('\x1b[36m'))
})

t.test('progress: a bar, rate and time left, on a terminal while the lines go into a file', async (t) => {
  const text = folder.file('lines.txt')
  const states = (line: string) => onTerminal(line).split('\r\x1b[K')
  const whole = /^\[#{20}\] 100 % {2}10 packets, \d+(\.\d)?( [kMG])? ?B\/s, 0 s left$/
  for (const words of ['read', 'flows -r']) {
    const shown = states(`"$@" ${words} ${pcap} >${text}`)
    t.match(shown.at(-2), whole, words)
    t.equal(shown.at(-1), '', 'and is removed at the end')
    t.notMatch(onTerminal(`"$@" ${words} ${pcap} | cat`), /%/, `${words}, piped: the reader may use the terminal`)
    t.notMatch(onTerminal(`"$@" ${words} ${pcap}`), /%/, `${words}, on the terminal: the lines show it`)
  }
  t.equal(ringtap(['read', pcap]).stderr, '', 'nowhere else')
  t.match(states(`"$@" stats ${pcap}`).at(-2), whole, 'stats')
  const [bar, result] = states(`"$@" convert ${pcap} ${folder.file('bar.pcap')}`).slice(-2)
  t.match(bar, whole, 'convert')
  t.match(result, /^10 packets read, 10 written to /)
})

t.test('-r with -w copies the packets that are selected', async (t) => {
  const copy = folder.file('copy.pcap')
  t.match(ringtap(['-r', pcap, '-w', copy, 'udp']), {
    code: 0,
    stdout: '',
    stderr: /^\d+ packets? written to .*copy\.pcap\n$/,
  })
  t.equal(ringtap(['read', copy]).stdout, tcpdump('udp'))
  const first = folder.file('first.pcapng')
  t.match(ringtap(['-r', pcap, '-c', '2', '-w', first]), { code: 0, stderr: /^2 packets written to / })
  t.equal(ringtap(['read', first]).stdout, tcpdump('-c', '2'))
  const piped = `{ "$@" -r - -w - tcp <${pcap} 2>${first} | "$@" read - -c 1 -t | cut -c1-12; }`
  t.equal(onTerminal(piped), 'IP 192.0.2.1\r\n', 'as streams')
  t.match(ringtap(['-r', pcap, '-w', folder.file('x'), '-C', '1']), {
    code: 2,
    stderr: /"ringtap convert" splits a file/,
  })
  t.match(ringtap(['-r', pcap, '-w', copy]), { code: 1, stderr: /copy\.pcap/ }, 'an existing file stays')
})

t.test('a reader that goes away is no error', async (t) => {
  const long = folder.file('long.pcap')
  const writer = await SavefileWriter.open(long, { format: 'pcap' })
  for (let i = 0; i < 20_000; i++) await writer.write(Packet.from(packets[0]!, { timestamp: start }))
  await writer.close()
  const code = folder.file('code')
  t.equal(
    // The exit code goes through a file: on the terminal it could come before the line.
    onTerminal(`{ "$@" read ${long} -t; echo "code $?" >${code}; } | head -n 1 | cut -c1-12; cat ${code}`),
    'IP 192.0.2.1\r\ncode 0\r\n',
  )
})

t.test('many chunks, each written before the next: the same lines, and no warning', async (t) => {
  const long = folder.file('chunks.pcap')
  const writer = await SavefileWriter.open(long, { format: 'pcap' })
  const big = Packet.from(frame({ ethernet: mac, ipv4: ip, udp: ports, payload: 'x'.repeat(1400) }), {
    timestamp: start,
  })
  for (let i = 0; i < 30; i++) await writer.write(Array.from({ length: 1000 }, () => big))
  await writer.close()
  const { stdout, stderr } = ringtap(['read', long, '-t'])
  t.equal(stdout, 'IP 192.0.2.1.40000 > 198.51.100.2.4444: UDP, length 1400\n'.repeat(30_000))
  t.equal(stderr, '')
})

t.test('an output that takes no more is one sentence', async (t) => {
  for (const words of [['read', pcap], ['--help'], ['help', 'read'], ['read', '--help'], ['--version']]) {
    const full = spawnSync('sh', ['-c', `"$@" >/dev/full`, 'sh', process.execPath, command, ...words], { env: shell() })
    t.equal(full.status, 1, words.join(' '))
    t.match(full.stderr.toString(), /^ringtap: standard output: ENOSPC: no space left on device.*\n$/)
  }
})

t.test('JSON lines', async (t) => {
  const lines = ringtap(['read', pcap, '--json'])
    .stdout.trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.equal(lines.length, packets.length)
  t.match(lines[0], {
    timestamp: '2023-11-14T22:13:20.000999999Z',
    length: 54,
    ip: { version: 4, source: '192.0.2.1', destination: '198.51.100.2' },
    ports: { source: 40000, destination: 4444 },
    tcp: { flags: ['SYN'], sequence: 1000 },
  })
})

t.test('what is wrong is one sentence, and the exit code names the kind', async (t) => {
  const cut = folder.write(readFileSync(pcap).subarray(0, -3))
  const cases: [string[], number, RegExp][] = [
    [['read', folder.file('none')], 1, /^ringtap: .*none: ENOENT: no such file or directory.*\n$/],
    [['read', cut, '-t'], 1, /^ringtap: .*\n$/],
    [['read', pcap, 'tcp prt 80'], 2, /^ringtap: filter "tcp prt 80": .*syntax error.*\n$/],
    [['read', pcap, '-f', 'tcp', 'udp'], 2, /^ringtap: the filter is given twice: as -f tcp and as udp.*\n$/],
    [['read', pcap, '-i', '('], 2, /^ringtap: -i: "\(" is not a valid .*\n$/],
    [['read', pcap, '-c', 'x'], 2, /^ringtap: option '-c, --count <n>' argument 'x' is invalid. It must be a whole/],
    [['read', '--no\x1b[31m'], 2, /^ringtap: unknown option '--no\\x1b\[31m'\n$/],
    [['-C', '5'], 2, /^ringtap: -C, -G and -W need -w FILE.*\n$/],
    [['-w', folder.file('x'), '-W', '5'], 2, /^ringtap: -W needs -C or -G.*\n$/],
    [['-w', folder.file('x'), '-C', '5', '-c', '1'], 2, /^ringtap: -c ends one file.*\n$/],
    [['-w', '-', '-G', '5'], 2, /^ringtap: .* -w - writes one stream\n$/],
  ]
  for (const [args, code, message] of cases) {
    const outcome = ringtap(args)
    t.equal(outcome.code, code, args.join(' '))
    t.match(outcome.stderr, message)
    t.notMatch(outcome.stderr, /\n {4}at /, 'no stack trace')
  }
  const lines = ringtap(['read', cut, '-t']).stdout.trimEnd().split('\n')
  t.equal(lines.length, packets.length - 1, 'what precedes the damage is printed')
})

t.test('help names every exit code and has examples', async (t) => {
  const help = ringtap(['--help'])
  t.equal(help.code, 0)
  t.match(help.stdout, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 /)
  t.match(ringtap(['read', '--help']).stdout, /Examples:\n {2}ringtap read/)
})
