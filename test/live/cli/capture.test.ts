// `ringtap` on live traffic: beside tcpdump, into a pipe, and to the end by Ctrl-C.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { Injector } from 'ringtap'
import { command, Running } from '../../helpers/command.js'
import * as make from '../../helpers/layers.js'
import { ethernet, fragment6, ipv4, ipv6, join, tag, tcp, udp } from '../../helpers/layers.js'
import { linePackets } from '../../helpers/line-packets.js'
import { readAll } from '../../helpers/read-savefile.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { drainBacklog } from '../support/backlog.js'
import t from '../support/live.js'
import { addVeth, ip } from '../support/network.js'
import { stayOnOneProcessor } from '../support/one-processor.js'

stayOnOneProcessor() // tcpdump and ringtap see packets in the same order
const node = process.execPath
const folder = new TestFolder(t)
const socket = createSocket('udp4')
t.teardown(() => socket.close())

async function send(count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await new Promise<void>((resolve, reject) =>
      socket.send(Buffer.alloc(i % 1000), 9, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
    )
}

t.test('-c 1000 prints the packets that tcpdump -c 1000 prints, and the same fields', async (t) => {
  const tcpdump = new Running(t, 'tcpdump', ['-n', '-i', 'lo', '-c', '1000', 'udp'])
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-c', '1000', 'udp'])
  await Promise.all([tcpdump.said(/listening on/), ringtap.said(/listening on/)])
  await send(1000)
  const [theirs, ours] = await Promise.all([tcpdump.end(), ringtap.end()])
  t.equal(ours.code, 0)
  const lines = ours.stdout.trimEnd().split('\n')
  t.equal(lines.length, 1000)
  t.ok(lines.every((line) => / lo {4}In {2}IP /.test(line)))
  t.ok(lines.every((line) => /^\d\d:\d\d:\d\d\.\d{6} /.test(line)))
  // The kernel reads the clock for each socket anew; over a file, where there is one time, the times are compared too.
  const timeless = (text: string) => text.replace(/^\S+ /gm, '')
  t.equal(timeless(ours.stdout).replaceAll('lo    In  ', ''), timeless(theirs.stdout))
  t.match(ours.stderr, /\n1,000 packets received, 1,000 delivered, none lost\n$/)
})

/** Frames of every kind that a line describes: TCP with options, UDP, ICMP, ARP, IPv6, tags, fragments, extension headers. */
function mixed(): Buffer[] {
  const inner = [
    [0x0800, ipv4(tcp(make.counting(9), { flags: 0x18, options: make.sackOptions }), { protocol: 6 })],
    [0x0800, ipv4(tcp(make.u8(), { flags: 2, options: make.synOptions }), { protocol: 6 })],
    [0x0800, ipv4(udp(make.counting(100)), { protocol: 17 })],
    [0x0800, ipv4(make.echo(8), { protocol: 1 })],
    [0x86dd, ipv6(make.echo(128), { next: 58 })],
    [0x86dd, ipv6(tcp(make.counting(20)), { next: 6 })],
    [0x86dd, ipv6(udp(make.counting(30)), { next: 17 })],
    [0x86dd, ipv6(fragment6(17, 1448, 1, 9, make.counting(64)), { next: 44 })],
    [0x0806, make.arp()],
  ] as const
  return [
    ...linePackets(),
    ...inner.map(([type, packet]) => ethernet(type, packet)),
    ...inner.map(([type, packet]) => ethernet(0x8100, tag(0x6005, type, packet))),
    ...inner.map(([type, packet]) => ethernet(0x88a8, tag(7, 0x8100, tag(8, type, packet)))),
    ...[0, 1480, 2960].map((offset) =>
      ethernet(
        0x0800,
        ipv4(udp(make.counting(64)), { protocol: 17, fragment: offset / 8 + (offset < 2960 ? 0x2000 : 0) }),
      ),
    ),
    ethernet(0x0800, join(ipv4(udp(make.counting(8)), { protocol: 17 }), Buffer.alloc(10)), 'ff:ff:ff:ff:ff:ff'),
    ethernet(0x0800, ipv4(udp(make.counting(8)), { protocol: 17 }), '01:00:5e:00:00:fb'),
  ]
}

t.test('-c 1000 of a mix of protocols: the fields of each line are those of tcpdump', async (t) => {
  addVeth('eth0', 'far0')
  const filter = `ether src ${make.hereMac}`
  for (const [theirOptions, ourOptions] of [
    [['-n', '-S'], []],
    [['-n', '-S', '-X'], ['-X']],
  ] as const) {
    const tcpdump = new Running(t, 'tcpdump', [...theirOptions, '-i', 'far0', '-c', '1000', filter])
    const ringtap = new Running(t, node, [command, ...ourOptions, '-i', 'far0', '-c', '1000', filter])
    await Promise.all([tcpdump.said(/listening on/), ringtap.said(/listening on/)])
    const frames = mixed()
    await using injector = await Injector.open('eth0')
    for (let sent = 0; sent < 1000; sent += frames.length) {
      t.equal((await injector.send(frames)).refused, 0)
      drainBacklog()
    }
    const [theirs, ours] = await Promise.all([tcpdump.end(), ringtap.end()])
    t.equal(ours.code, 0)
    const times = /^\d\d:\d\d:\d\d\.\d{6} /gm
    t.equal(ours.stdout.match(times)?.length, 1000)
    t.equal(ours.stdout.replace(times, '').replace(/^far0 {2}(In|B|M|P) +/gm, ''), theirs.stdout.replace(times, ''))
    const counts = /\n(1,\d{3}) packets received, (1,\d{3}) delivered,(?: (\d+) after the end,)? none lost\n/.exec(
      ours.stderr,
    )
    const [received, delivered, late] = (counts?.slice(1) ?? []).map((text = '0') => Number(text.replace(',', '')))
    t.equal(received, (delivered ?? 0) + (late ?? 0), ours.stderr)
  }
})

t.test('-c 1000 of connections of the kernel, over IPv4 and IPv6', async (t) => {
  writeFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', '0')
  ip('addr', 'replace', '::1/128', 'dev', 'lo')
  const server = createServer((socket) => socket.end('y'.repeat(3000))).listen(4444, '::')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const tcpdump = new Running(t, 'tcpdump', ['-n', '-S', '-i', 'lo', '-c', '1000', 'tcp'])
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-c', '1000', 'tcp'])
  await Promise.all([tcpdump.said(/listening on/), ringtap.said(/listening on/)])
  let ended = false
  const both = Promise.all([tcpdump.end(), ringtap.end()]).finally(() => (ended = true))
  for (let i = 0; !ended; i++) {
    const client = connect(4444, i % 2 === 0 ? '127.0.0.1' : '::1').resume()
    client.end('x'.repeat(i % 500))
    await once(client, 'close')
  }
  const [theirs, ours] = await both
  const times = /^\d\d:\d\d:\d\d\.\d{6} /gm
  t.equal(ours.stdout.match(times)?.length, 1000)
  t.equal(ours.stdout.replace(times, '').replace(/^lo {4}In {2}/gm, ''), theirs.stdout.replace(times, ''))
  t.match(ours.stdout, /IP6 ::1\.\d+ > ::1\.4444: Flags \[S\], .*options \[mss /)
  t.match(ours.stdout, /IP 127\.0\.0\.1\.4444 > 127\.0\.0\.1\.\d+: Flags \[\.\], .*options \[nop,nop,TS val /)
})

t.test('-w - is a stream that others read; SIGINT ends it whole', async (t) => {
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-w', '-', 'udp'])
  await ringtap.said(/listening on/)
  await send(50)
  while (ringtap.stdout.length < 50 * 32) await new Promise((resolve) => setTimeout(resolve, 10))
  ringtap.child.kill('SIGINT')
  const { code, stdout, stderr } = await ringtap.end()
  t.equal(code, 0)
  t.match(stderr, /\n50 packets written\n50 packets received, 50 delivered, none lost\n$/)
  const file = folder.write(Buffer.from(stdout, 'latin1'))
  t.equal((await readAll(file)).packets.length, 50)
})

t.test('-w FILE records in native code, Ctrl-C completes the file', async (t) => {
  const file = folder.fresh()
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-w', file, 'udp'])
  await ringtap.said(/listening on/)
  await send(200)
  ringtap.child.kill('SIGINT')
  const { code, stdout, stderr } = await ringtap.end()
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, /\n200 packets, \S+ kB written to /)
  t.equal((await readAll(file)).packets.length, 200)
})

t.test('-c N with -w writes N packets', async (t) => {
  const file = folder.fresh()
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-c', '7', '-w', file, 'udp'])
  await ringtap.said(/listening on/)
  await send(20)
  t.equal((await ringtap.end()).code, 0)
  t.equal((await readAll(file)).packets.length, 7)
})
