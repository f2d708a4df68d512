// The programs of examples/, run as a user runs them, with real traffic.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hexdump } from 'ringtap'
import { pcap } from '../../helpers/savefiles.js'
import { describe, numbersIn } from '../../helpers/wireshark.js'
import { chunksIn, Example, ledgerLine } from '../support/example.js'
import { expectedFrame } from '../support/frame.js'
import t from '../support/live.js'
import { addVeth, del, ip, link } from '../support/network.js'
import { send } from '../support/send.js'
import { openTun, tunAvailable } from '../support/tun.js'

t.test('eth: its lines and ledger agree with what was sent', async (t) => {
  addVeth('eth0', 'far0')
  for (const args of [[], ['^eth', 'udp dst port 9'], ['--filter', 'udp dst port 9']]) {
    const eth = new Example(t, 'eth', args)
    await eth.said(/capturing on eth0 \(veth/)
    await send({ interface: ['eth0', 'far0'], count: 20, size: 100 })
    await send({ interface: 'eth0', count: 5, size: 60, port: 10 })
    addVeth('eth1', 'far1')
    await send({ interface: 'eth1', count: 3, size: 100 })
    await eth.said((stdout) => chunksIn(stdout).packets >= (args.length > 0 ? 23 : 28))
    const { code, stdout, stderr } = await eth.stop('SIGINT')
    const other = args.length > 0 ? 0 : 5
    t.equal(code, 0)
    t.equal(stderr, '')
    t.strictSame(chunksIn(stdout), { packets: 23 + other, bytes: 2300 + 60 * other })
    t.match(ledgerLine(stdout, 'eth0'), { delivered: 20 + other, bytes: 2000 + 60 * other })
    t.match(ledgerLine(stdout, 'eth1'), { delivered: 3, bytes: 300 })
    t.match(stdout, new RegExp(`received = ${23 + other} delivered \\+ 0 lost, ring full \\+ 0 lost`))
    t.match(stdout, /eth1 added, captured/)
    // Packets of the other end may arrive before it is deselected (unselected), but none of them is delivered.
    t.notMatch(stdout, /far\d ×|far\d (added|up)/)
    del('eth1')
  }
  const wrong = await new Example(t, 'eth', ['--nonsense']).ended()
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /^error: Unknown option '--nonsense'.*\n$/)
  del('eth0')
})

t.test('names of interfaces do not control the terminal', async (t) => {
  const name = 'x\x1b]0;y\x07'
  const shown = 'x\\x1b]0;y\\x07'
  const control = /(?!\n)\p{Cc}/u
  const watch = new Example(t, 'watch-interfaces')
  const eth = new Example(t, 'eth', ['.'])
  const first = new Example(t, 'first-packets', ['--count', '1'])
  await watch.said(/: lo \(loopback/)
  await eth.said(/capturing on/)
  await first.said(/Ctrl-C ends/)
  addVeth(name, 'far0')
  await watch.said((stdout) => stdout.includes(`: ${shown} added`))
  await send({ interface: name, count: 2, size: 100 })
  await eth.said((stdout) => stdout.includes(`${shown} ×`))
  await first.said((stdout) => stdout.includes(`${shown} out`))
  for (const program of [watch, eth, first]) {
    const { code, stdout } = await program.stop()
    t.equal(code, 0)
    t.notMatch(stdout, control)
    if (program !== watch) t.ok(stdout.includes(`\n${shown}`) || stdout.includes(` ${shown} `), 'the ledger too')
  }
  del('far0')
})

t.test('first-packets: prints the first packets of each interface, from the very first', async (t) => {
  addVeth('old0', 'far0')
  const dumps = (numbers: number[], label: number) =>
    numbers.map((n) => hexdump(expectedFrame(n, { label, size: 90 }), { indent: 2 }))
  for (const onlyNew of [false, true]) {
    const program = new Example(t, 'first-packets', ['--count', '2', ...(onlyNew ? ['--new'] : []), '^(old|new)'])
    await program.said(/Ctrl-C ends/)
    await send({ interface: 'old0', count: 4, size: 90, label: 1 })
    addVeth('new0', 'far1')
    await send({ interface: 'new0', count: 4, size: 90, label: 2 })
    await program.said(/new0 out .*number 2\n(.*\n){7}/)
    const { code, stdout, stderr } = await program.stop()
    t.equal(code, 0)
    t.equal(stderr, '')
    for (const dump of dumps([0, 1], 2)) t.ok(stdout.includes(dump), 'new0')
    for (const dump of dumps([0, 1], 1)) t.equal(stdout.includes(dump), !onlyNew, 'old0')
    for (const label of [1, 2])
      for (const dump of dumps([2, 3], label)) t.notOk(stdout.includes(dump), 'no more than 2')
    t.match(ledgerLine(stdout, 'new0'), { delivered: 4 })
    del('new0')
  }
  del('old0')
})

t.test('top-talkers: counts bytes by flow, over Ethernet, VLAN and raw IP', async (t) => {
  addVeth('eth0', 'far0')
  const tun = tunAvailable() ? await openTun('tun0') : undefined
  const program = new Example(t, 'top-talkers', ['^(eth|tun)'])
  await program.said(/Ctrl-C/)
  await send({ interface: 'eth0', count: 10, size: 1000 })
  await send({ interface: 'eth0', count: 10, size: 200, vlan: 5 })
  await tun?.write({ count: 10, size: 300 })
  await send({ interface: 'eth0', count: 10, size: 100, port: 10 })
  await program.said((stdout) => talk(stdout, 9).packets + talk(stdout, 10).packets >= (tun ? 40 : 30))
  const { code, stdout, stderr } = await program.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.strictSame(talk(stdout, 9), {
    packets: tun ? 30 : 20,
    bytes: 10 * (1000 - 14) + 10 * (200 - 18) + (tun ? 3000 : 0),
  })
  t.strictSame(talk(stdout, 10), { packets: 10, bytes: 10 * (100 - 14) })
  t.notMatch(stdout, /; [1-9]\d* not IP$/m)
  t.match(stdout, new RegExp(`^${tun ? 40 : 30} received = ${tun ? 40 : 30} delivered \\+ 0 lost`, 'm'))
  await tun?.close()
  del('eth0')

  const folder = mkdtempSync(join(tmpdir(), 'ringtap-example-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'trace.pcap')
  const packets = [1000, 200, 300].flatMap((size, i) => {
    const data = expectedFrame(i, { size, port: 10 + i })
    return [1n, 2n].map((time) => ({ time, data, originalLength: size }))
  })
  writeFileSync(path, pcap([...packets, { time: 3n, data: new Uint8Array(60), originalLength: 60 }]))
  const read = await new Example(t, 'top-talkers', ['-r', path, '--rows', '2']).ended()
  t.equal(read.stderr, '')
  t.equal(
    read.stdout.replace(/^\S+ +/, ''),
    `3 flows, 6 packets; 1 not IP
  bytes  packets  flow
  1,972        2  198.18.0.1:10 > 198.18.0.2:10 udp
    572        2  198.18.0.1:12 > 198.18.0.2:12 udp
7 packets read
`,
  )
})

/** Sums packets and bytes over all seconds for the one flow of the sender's frames to a port. */
function talk(stdout: string, port: number): { packets: number; bytes: number } {
  const sum = { packets: 0, bytes: 0 }
  const row = new RegExp(`^ +([\\d,]+) +([\\d,]+) {2}198\\.18\\.0\\.1:\\d+ > 198\\.18\\.0\\.2:${port} udp$`, 'gm')
  for (const line of stdout.matchAll(row)) {
    sum.bytes += Number(line[1]?.replaceAll(',', ''))
    sum.packets += Number(line[2])
  }
  return sum
}

t.test('record: writes a ring of files and accounts for every packet', async (t) => {
  addVeth('eth0', 'far0')
  const folder = mkdtempSync(join(tmpdir(), 'ringtap-example-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const args = ['^eth', join(folder, 'flight.pcapng'), 'udp', '--size', '0.1', '--files', '2', '--free', '0']
  const program = new Example(t, 'record', [...args, '--comment', 'a flight'])
  await program.said(/recording eth0/)
  await send({ interface: 'eth0', count: 500, size: 1000 })
  const { code, stdout, stderr } = await program.stop('SIGINT')
  t.equal(stderr, '')
  t.equal(code, 0)
  const packets = [...stdout.matchAll(/^\S+flight-0{5}\d\.pcapng {2}(\d+) packets/gm)].map(([, count]) => Number(count))
  t.ok(packets.length > 4)
  t.equal(
    packets.reduce((sum, one) => sum + one, 0),
    500,
  )
  t.match(stdout, /^500 packets in \d+ bytes written, 0 not written$/m)
  t.match(ledgerLine(stdout, 'eth0'), { delivered: 500 })
  const files = readdirSync(folder).sort()
  t.equal(files.length, 2, 'the latest two are there')
  const last = packets.slice(-2).reduce((sum, one) => sum + one, 0)
  t.same(
    files.flatMap((name) => numbersIn(join(folder, name))),
    Array.from({ length: last }, (_, i) => 500 - last + i),
  )
  t.match(describe(join(folder, files[0] as string)).text, /a flight/)
  del('eth0')
})

t.test('watch-interfaces: prints a line for each change', async (t) => {
  const program = new Example(t, 'watch-interfaces')
  await program.said(/lo \(loopback/)
  addVeth('eth0', 'far0')
  ip('link', 'set', 'eth0', 'mtu', '1400')
  ip('link', 'set', 'eth0', 'name', 'wan0')
  del('wan0')
  await program.said(/wan0 removed/)
  const { code, stdout, stderr } = await program.stop('SIGINT')
  t.equal(code, 0)
  t.equal(stderr, '')
  const lines = stdout.split('\n').map((line) => line.replace(/^\S+ +\d+: /, ''))
  for (const line of [
    'eth0 added',
    'eth0 up',
    'eth0 changed: mtu 1500 > 1400',
    'wan0 renamed, it was eth0',
    'far0 removed',
  ]) {
    t.ok(lines.includes(line), line)
  }
})

t.test('replay: sends a file, or only rehearses it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ringtap-example-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'trace.pcap')
  const packets = Array.from({ length: 10 }, (_, i) => ({
    time: BigInt(i) * 1000n,
    data: expectedFrame(i),
    originalLength: i === 4 ? 99 : 64,
  }))
  writeFileSync(path, pcap(packets))
  addVeth('eth0', 'far0')
  const before = link('far0').stats64.rx.packets
  const sent = await new Example(t, 'replay', [path, 'eth0', '--speed', 'fastest', '--loop', '20']).ended()
  t.equal(sent.stderr, '')
  t.match(sent.stdout, /^180 packets sent, 11,520 bytes, in /)
  t.match(sent.stdout, /^20 packets refused: truncated, number 5, 5, 5, 5, 5, …$/m)
  t.equal(sent.code, 1, 'something was refused')
  t.equal(link('far0').stats64.rx.packets - before, 180)

  const rehearsed = await new Example(t, 'replay', [path, '--max-gap', '1']).ended()
  t.equal(rehearsed.stderr, '')
  t.match(rehearsed.stdout, /^9 packets sent, 576 bytes, in .*\nlate by .*\n1 packet refused: truncated, number 5$/m)
  t.match(rehearsed.stdout, /^arrived at the other end: 9 packets$/m)
  t.equal(link('far0').stats64.rx.packets - before, 180, 'and nothing of it here')

  const wrong = await new Example(t, 'replay', []).ended()
  t.equal(wrong.code, 2)
  t.equal(wrong.stderr, 'error: a file to replay is missing\n')
  del('eth0')
})
