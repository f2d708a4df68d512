// The commands that work on files and on expressions, each beside the tool or the function that does the same.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { compileFilter, frame, openFile, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { command, Running, ringtap } from '../helpers/command.js'
import { readAll } from '../helpers/read-savefile.js'
import { TestFolder } from '../helpers/test-folder.js'
import { run } from '../helpers/wireshark.js'

const folder = new TestFolder(t)
const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
const start = 1_700_000_000_000_000_000n

/** A file of TCP SYNs from five hosts, a millisecond apart. */
async function trace(name: string, offset = 0n, device = 'eth0'): Promise<string> {
  const path = folder.file(name)
  const writer = await SavefileWriter.open(path)
  for (let i = 0; i < 5; i++) {
    const bytes = frame({
      ethernet,
      ipv4: { source: `192.0.2.${i + 1}`, destination: '198.51.100.2' },
      tcp: { sourcePort: 4000 + i, destinationPort: 443, flags: ['SYN'] },
    })
    await writer.write(Packet.from(bytes, { timestamp: start + offset + BigInt(i) * 1_000_000n, interface: device }))
  }
  await writer.close()
  return path
}
const one = await trace('one.pcapng')
const two = await trace('two.pcapng', 500_000n)

t.test('hexdump prints what hexdump -C prints', async (t) => {
  const zeros = folder.write(Buffer.alloc(100))
  for (const args of [[one], ['-n', '40', '-s', '4', one], [zeros]])
    t.equal(ringtap(['hexdump', ...args]).stdout, run('hexdump', ['-C', ...args]).toString(), args.join(' '))
  const bytes = readFileSync(one)
  t.equal(ringtap(['hexdump', '-'], { input: bytes }).stdout, run('hexdump', ['-C', one]).toString())
  t.equal(ringtap(['hexdump', folder.file('none')]).code, 1)
})

t.test('filter lists what tcpdump -d lists', async (t) => {
  const listing = ringtap(['filter', 'tcp', 'port', '80'])
  t.equal(listing.code, 0)
  t.equal(listing.stdout, spawnSync('tcpdump', ['-d', '-y', 'EN10MB', 'tcp', 'port', '80']).stdout.toString())
  const expected = (await compileFilter('ip')).format('decimal')
  t.equal(ringtap(['filter', '--format', 'decimal', 'ip']).stdout.trimEnd(), expected.trimEnd())
  t.match(ringtap(['filter', 'prt']), { code: 2, stderr: /^ringtap: filter "prt": .*\n$/ })
})

t.test('merge is by time, convert filters, and the name decides on the format', async (t) => {
  const merged = folder.file('merged.pcapng')
  const outcome = ringtap(['merge', one, two, merged])
  t.match(outcome, { code: 0, stdout: '', stderr: /^10 packets read, 10 written to .*merged\.pcapng\n$/ })
  const times = (await readAll(merged)).packets.map(({ timestamp }) => Number(timestamp - start) / 500_000)
  t.same(times, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  const pcap = folder.file('part.pcap')
  t.equal(ringtap(['convert', '-f', 'src port 4001 or src port 4003', one, pcap]).code, 0)
  const { file, packets } = await readAll(pcap)
  t.equal(file.format, 'pcap')
  t.equal(packets.length, 2)
  t.match(ringtap(['convert', one]), {
    code: 2,
    stderr: /^ringtap: name at least one input, and the output as the last\n$/,
  })
})

t.test('stats counts', async (t) => {
  const { code, stdout } = ringtap(['stats', '--json', one])
  t.equal(code, 0)
  t.same(JSON.parse(stdout), {
    format: 'pcapng',
    interfaces: ['eth0'],
    packets: 5,
    bytes: 270,
    truncated: 0,
    seconds: 0.004,
    first: '2023-11-14T22:13:20.000000000Z',
    last: '2023-11-14T22:13:20.004000000Z',
    layers: { Tcp: 5, IPv4: 5 },
  })
  t.match(ringtap(['stats', one, 'src', 'port', '4000']).stdout, /^packets +1$/m)
})

t.test('stats finds the first and the last time in a file that is out of order', async (t) => {
  const path = folder.file('disordered.pcapng')
  const writer = await SavefileWriter.open(path)
  const bytes = new Uint8Array(60)
  for (const offset of [5n, 1n, 9n, 3n]) await writer.write(Packet.from(bytes, { timestamp: start + offset }))
  await writer.close()
  t.match(JSON.parse(ringtap(['stats', '--json', path]).stdout), {
    first: '2023-11-14T22:13:20.000000001Z',
    last: '2023-11-14T22:13:20.000000009Z',
    seconds: 8e-9,
  })
})

t.test('-w with -c completes its file when the packets end with an error', async (t) => {
  const { writePackets } = createRequire(import.meta.url)(path.join(path.dirname(command), 'record.js'))
  const copy = folder.file('begun.pcapng')
  async function* failing() {
    yield* await openFile(one)
    throw new Error('the ring is gone')
  }
  await t.rejects(
    writePackets(failing(), await SavefileWriter.open(copy), { count: 100 }),
    new Error('the ring is gone'),
  )
  t.equal((await readAll(copy)).packets.length, 5)
  t.same(folder.hidden(), [])
})

/** A file that fills the buffers of a pipe many times. */
async function large(): Promise<string> {
  const file = folder.file('large.pcap')
  const writer = await SavefileWriter.open(file, { format: 'pcap' })
  const packet = Packet.from(frame({ ethernet, payload: new Uint8Array(1400) }), { timestamp: start })
  await writer.write(Array.from({ length: 3000 }, () => packet))
  await writer.close()
  return file
}
const many = await large()

t.test('a command on a file that is interrupted has failed, and leaves no file', async (t) => {
  const copy = folder.file('interrupted.pcapng')
  const cases: [words: string[], signal: NodeJS.Signals][] = [
    [['-r', '-', '-w', copy], 'SIGTERM'],
    [['-r', '-', '-w', copy], 'SIGINT'],
    [['-r', '-', '-w', copy, '--compress', 'zstd'], 'SIGHUP'],
    [['-r', '-', '-w', '-'], 'SIGTERM'],
    [['stats', '-'], 'SIGTERM'],
    [['stats', '-', '--json'], 'SIGINT'],
    [['read', '-'], 'SIGTERM'],
    [['top', '-r', '-', '--json'], 'SIGTERM'],
  ]
  const bytes = readFileSync(many)
  for (const [words, signal] of cases) {
    const running = new Running(t, process.execPath, [command, ...words])
    // Once the pipe has taken them, it reads packets; it waits for more.
    await new Promise((resolve) => running.child.stdin.write(bytes, resolve))
    running.child.kill(signal)
    const { code, stdout, stderr } = await running.end()
    t.equal(code, 1, words.join(' '))
    t.equal(stderr, 'ringtap: interrupted\n')
    if (words[0] === 'stats' || words[0] === 'top') t.equal(stdout, '')
    t.same(
      readdirSync(folder.path).filter((name) => name.includes('interrupted')),
      [],
    )
  }
})

t.test('a copy that cannot be written is removed, and no other file', async (t) => {
  const copy = folder.file('full.pcapng')
  const others = ['.full.pcapng.partial', '.full.pcapng.3.partial', '.full.pcapng.gz.partial']
  for (const name of others) writeFileSync(folder.file(name), name)
  for (const words of [[], ['-c', '2000']]) {
    const line = ['-c', 'ulimit -f 100; exec "$@"', 'sh', process.execPath, command, '-r', many, '-w', copy, ...words]
    const { status, stderr } = spawnSync('sh', line)
    t.equal(status, 1)
    t.match(stderr.toString(), /^ringtap: the file .*could not be written: write: File too large\n$/)
    const left = readdirSync(folder.path).filter((name) => name.includes('full'))
    t.same(left.sort(), [...others].sort())
  }
  for (const name of others) {
    t.equal(readFileSync(folder.file(name), 'utf8'), name)
    rmSync(folder.file(name))
  }
})

t.test('extract takes the dates that there are', async (t) => {
  for (const date of ['2026-02-29', '2026-02-30T10:00', '2026-04-31 00:00:00Z', '2026-13-01', '2026-01-00']) {
    const { code, stderr } = ringtap(['extract', one, '-w', folder.fresh(), '--from', date])
    t.equal(code, 2, date)
    t.match(stderr, `--from ${date}: give a date and time`)
    t.equal(ringtap(['extract', one, '-w', folder.fresh(), '--to', date]).code, 2)
  }
  for (const date of ['2024-02-29', '2026-04-30T23:59:59+14:00', '2026-12-31T24:00'])
    t.equal(ringtap(['extract', one, '-w', folder.fresh(), '--to', date]).code, 0, date)
})

t.test('flight begins only where its dumps can be written', async (t) => {
  for (const [folderOf, cause] of [
    [folder.file('nowhere'), 'ENOENT: no such file or directory'],
    [one, 'ENOTDIR: not a directory'],
  ] as const) {
    const { code, stderr } = ringtap(['flight', '-w', path.join(folderOf, 'x.pcapng')])
    t.equal(code, 1)
    t.match(stderr, `ringtap: no dump can be written: ${cause}`)
  }
})

t.test('flows of a file: text, Zeek, ECS; of the interfaces that are selected', async (t) => {
  const lines = (...args: string[]) =>
    ringtap(['flows', '-r', one, ...args])
      .stdout.trimEnd()
      .split('\n')
  t.equal(
    lines()[0],
    '22:13:20.000 tcp   192.0.2.1.4000 > 198.51.100.2.443: out 1 packet 40 B, back 0 packets 0 B, 0 ms, S0 (https)',
  )
  t.equal(lines().length, 5)
  t.match(JSON.parse(lines('--format', 'zeek')[4]!), { 'id.orig_h': '192.0.2.5', 'id.orig_p': 4004, conn_state: 'S0' })
  t.match(JSON.parse(lines('--format', 'ecs')[4]!), { source: { ip: '192.0.2.5', port: 4004, packets: 1 } })
  t.equal(lines('src', 'port', '4002').length, 1)
  const other = await trace('other.pcapng', 0n, 'wlan0')
  const both = folder.file('both.pcapng')
  t.equal(ringtap(['merge', one, other, both]).code, 0)
  for (const [args, packets] of [
    [[], 2],
    [['-i', '^wlan'], 1],
    [['-x', '^wlan'], 1],
  ] as [string[], number][]) {
    const flows = ringtap(['flows', '-r', both, '--json', ...args])
      .stdout.trimEnd()
      .split('\n')
    t.same(
      flows.map((flow) => JSON.parse(flow).originator.packets),
      Array(5).fill(packets),
      args.join(' '),
    )
  }
  // A pcap file ends with its last packet; pcapng has statistics of the interfaces behind it.
  ringtap(['convert', one, folder.file('whole.pcap')])
  writeFileSync(folder.file('cut'), readFileSync(folder.file('whole.pcap')).subarray(0, -8))
  const cut = ringtap(['flows', '-r', folder.file('cut')])
  t.equal(cut.code, 1)
  t.equal(cut.stdout.trimEnd().split('\n').length, 4, 'the flows that precede the damage')
})

t.test('explain says which pattern decides', async (t) => {
  const { code, stdout } = ringtap(['explain', 'lo', '--json'])
  t.equal(code, 0)
  const lo = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .find(({ name }) => name === 'lo')
  t.match(lo, { selected: false, list: 'loopback' })
  t.match(ringtap(['explain', 'lo']).stdout, /^- +lo +lo is not selected: .* need --loopback$/m)
  t.match(ringtap(['explain', 'lo', '--loopback']).stdout, /^\+ +lo +lo is selected: /m)
  t.match(ringtap(['explain', '(']), { code: 2, stderr: /^ringtap: / })
})

t.test('every command has help with examples', async (t) => {
  const names = [...ringtap(['--help']).stdout.matchAll(/^ {2}([a-z]+)[ |[].* /gm)].map(([, name]) => name!)
  t.ok(names.length >= 12, names.join())
  for (const name of names.filter((name) => name !== 'help')) {
    const { code, stdout } = ringtap([name, '--help'])
    t.equal(code, 0, name)
    t.same(
      stdout.split('\n').filter((line) => line.length > 80),
      [],
      'it fits a terminal of 80 columns',
    )
    t.match(stdout, /\nExamples:\n {2}(sudo |source <\()?ringtap/, name)
  }
})
