// The options of a capture, each by what it changes in what is printed or in what the kernel has.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { parseIp } from 'ringtap'
import { command, Running, ringtap } from '../../helpers/command.js'
import { flowHash, isSampled } from '../../helpers/flow-hash.js'
import { readAll } from '../../helpers/read-savefile.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addNamespace, addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

async function start(...args: string[]): Promise<Running> {
  const running = new Running(t, process.execPath, [command, '-t', ...args])
  await running.said(/listening on .*\n/)
  return running
}

const lines = (text: string) => (text === '' ? [] : text.trimEnd().split('\n'))

/** Ends it by Ctrl-C once it has printed so many lines. */
async function interruptAfter(count: number, running: Running) {
  await waitUntil(() => lines(running.stdout).length >= count, `${count} lines`)
  running.child.kill('SIGINT')
  return running.end()
}

t.test('-Q', async (t) => {
  const send = () => {
    sendSync({ interface: 'far0', count: 2 })
    sendSync({ interface: 'eth0', count: 3, start: 2 })
  }
  for (const [direction, shown, count] of [
    ['in', 'P  ', 2],
    ['out', 'Out', 3],
  ] as const) {
    const running = await start('-i', 'eth0', '-Q', direction)
    send()
    const { stdout, stderr } = await interruptAfter(count, running)
    t.same(lines(stdout), Array(count).fill(`eth0  ${shown} IP 198.18.0.1.9 > 198.18.0.2.9: UDP, length 22`))
    t.match(stderr, new RegExp(`\\n${count} packets received, `), direction)
  }
  const both = await start('-i', 'eth0', '-Q', 'inout')
  send()
  t.match((await interruptAfter(5, both)).stderr, /\n5 packets received, /)
})

t.test('-s keeps the first bytes', async (t) => {
  const file = folder.fresh()
  const running = await start('-i', 'eth0', '-s', '40', '-c', '2', '-w', file)
  sendSync({ interface: 'eth0', count: 2, size: 500 })
  t.equal((await running.end()).code, 0)
  t.same(
    (await readAll(file)).packets.map((one) => [one.capturedLength, one.originalLength]),
    [
      [40, 500],
      [40, 500],
    ],
  )
})

t.test('-B is the memory of the ring', async (t) => {
  const running = await start('-i', 'eth0', '-B', '8192')
  const sizes = [
    ...readFileSync(`/proc/${running.child.pid}/maps`, 'latin1').matchAll(/^(\w+)-(\w+) .* socket:/gm),
  ].map(([, from, to]) => (Number.parseInt(to!, 16) - Number.parseInt(from!, 16)) / 1024)
  t.same(sizes, [8192])
  running.child.kill('SIGINT')
  t.equal((await running.end()).code, 0)
})

t.test('--ring-cpus are the processors of the rings, one for each', async (t) => {
  const status = (pid: number | undefined, task: string) => readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1')
  const allowed = /^Cpus_allowed_list:\t(\d+)/m.exec(status(process.pid, `${process.pid}`))?.[1]
  const running = await start('-i', 'eth0', '--ring-mode', 'cpu', '--ring-cpus', allowed!, '-c', '2', 'udp')
  const { pid } = running.child
  const rings = readdirSync(`/proc/${pid}/task`).map((task) => status(pid, task))
  t.same(
    rings.filter((text) => /^Name:\tringtap$/m.test(text)).map((text) => /^Cpus_allowed_list:\t(.*)$/m.exec(text)?.[1]),
    [allowed],
  )
  sendSync({ interface: 'eth0', count: 2 })
  t.equal(lines((await running.end()).stdout).length, 2)
  for (const [list, message] of [
    ['8191', /^ringtap: no thread of this process may run on processor 8191; allowed are /],
    [
      '1-',
      /option '--ring-cpus <list>' argument '1-' is invalid\. It must be numbers of processors, such as 0-3,8, or auto/,
    ],
    ['', /It must be numbers of processors/],
  ] as const) {
    const refused = ringtap(['-i', 'eth0', '--ring-cpus', list])
    t.not(refused.code, 0)
    t.match(refused.stderr, message, list)
  }
})

t.test('--backend pcap captures the same, without a direction', async (t) => {
  const running = await start('-i', 'eth0', '--backend', 'pcap', '-c', '2', 'udp')
  sendSync({ interface: 'eth0', count: 2 })
  t.same(lines((await running.end()).stdout), Array(2).fill('eth0  IP 198.18.0.1.9 > 198.18.0.2.9: UDP, length 22'))
})

t.test('--dedupe prints each packet once', async (t) => {
  const twice = await start('udp')
  sendSync({ interface: 'eth0', count: 5, port: 1001 })
  t.match((await interruptAfter(10, twice)).stderr, /\n10 packets received, 10 delivered, none lost\n/)
  const once = await start('--dedupe', 'udp')
  sendSync({ interface: 'eth0', count: 5, port: 1002 })
  sendSync({ interface: 'eth0', count: 1, port: 1003 })
  await waitUntil(() => / 198\.18\.0\.2\.1003: /.test(once.stdout), 'the last packet')
  once.child.kill('SIGINT')
  const { stdout, stderr } = await once.end()
  t.equal(lines(stdout).length, 6)
  t.match(stderr, / 6 duplicates/)
})

t.test('--slice and -s', async (t) => {
  for (const [slice, length] of [
    ['l4', 42],
    ['headers', 42],
    ['100', 100],
  ] as const) {
    const file = folder.fresh()
    const running = await start('-i', 'eth0', '--slice', slice, '-s', '200', '-c', '1', '-w', file)
    sendSync({ interface: 'eth0', count: 1, size: 500 })
    t.equal((await running.end()).code, 0)
    t.same(
      (await readAll(file)).packets.map((one) => [one.capturedLength, one.originalLength]),
      [[length, 500]],
      slice,
    )
  }
})

t.test('--sample and --sample-seed choose flows', async (t) => {
  const running = await start('-i', 'eth0', '--sample', '1/4', '--sample-seed', '7', 'udp')
  const end = (address: string, port: number) => ({ address: parseIp(address), port })
  const ports = Array.from({ length: 64 }, (_, i) => 2000 + i)
  const wanted = ports.filter((port) =>
    isSampled(flowHash(end('198.18.0.1', port), end('198.18.0.2', port), 17, 7), 1 / 4),
  )
  for (const port of ports) sendSync({ interface: 'eth0', count: 2, port })
  const { stdout, stderr } = await interruptAfter(2 * wanted.length, running)
  t.same(
    lines(stdout).map((line) => Number(/2\.(\d+): UDP/.exec(line)?.[1])),
    wanted.flatMap((port) => [port, port]),
  )
  t.match(stderr, new RegExp(`\\n${2 * wanted.length} packets received, `))
})

t.test('--cutoff keeps the first bytes of a connection', { skip: tables[0]?.skip ?? false }, async (t) => {
  const running = await start('-i', 'eth0', '-Q', 'out', '--cutoff', '1kB', 'udp')
  sendSync({ interface: 'eth0', count: 10, size: 400, port: 3001 })
  const { stderr } = await interruptAfter(3, running)
  t.match(stderr, /\n3 packets received, 3 delivered, 7 beyond the cut-off/)
})

t.test('--netns captures in another namespace', async (t) => {
  const other = await addNamespace()
  t.teardown(() => other.close())
  addVeth('here', 'there', { peerNamespace: other.pid })
  const running = await start('--netns', other.path, '-i', 'there', '-c', '3')
  sendSync({ interface: 'here', count: 3 })
  t.same(lines((await running.end()).stdout), Array(3).fill('there P   IP 198.18.0.1.9 > 198.18.0.2.9: UDP, length 22'))
})

t.test('--no-hotplug, --promiscuous', async (t) => {
  const promiscuity = () =>
    JSON.parse(spawnSync('ip', ['-d', '-j', 'link', 'show', 'eth0']).stdout.toString())[0].promiscuity
  const running = await start('-i', '^(eth0|late)', '--no-hotplug', '--promiscuous')
  t.equal(promiscuity(), 1)
  addVeth('late0', 'late1')
  sendSync({ interface: 'late0', count: 3 })
  sendSync({ interface: 'eth0', count: 1 })
  const { stdout, stderr } = await interruptAfter(1, running)
  t.same(lines(stdout), ['eth0  Out IP 198.18.0.1.9 > 198.18.0.2.9: UDP, length 22'])
  t.match(stderr, /listening on eth0\n/)
  t.equal(promiscuity(), 0)
})

t.test('flows of live traffic, printed when the capture ends', async (t) => {
  const running = new Running(t, process.execPath, [command, 'flows', '-i', 'far0', '--format', 'zeek'])
  await running.said(/flows of far0/)
  sendSync({ interface: 'eth0', count: 6, flows: 2, port: 5000 })
  sendSync({ interface: 'eth0', count: 1, port: 5353 })
  t.equal(running.stdout, '', 'no flow has ended')
  running.child.kill('SIGINT')
  const { code, stdout, stderr } = await running.end()
  t.equal(code, 0)
  const flows = lines(stdout).map((line) => JSON.parse(line))
  t.same(
    flows.map((one) => [one['id.orig_p'], one['id.resp_p'], one.orig_pkts, one.orig_ip_bytes]),
    [
      [5000, 5000, 3, 150],
      [5001, 5000, 3, 150],
      [5353, 5353, 1, 50],
    ],
  )
  t.match(stderr, /\n7 packets received, 7 delivered, none lost\n/)
})

t.test('flows that cannot be written: the reason, and exit code 1', async (t) => {
  const words = [process.execPath, command, 'flows', '-i', 'far0', '--no-hotplug', '--idle', '1']
  const running = new Running(t, 'sh', ['-c', 'exec "$@" >/dev/full', 'sh', ...words])
  await running.said(/flows of far0; a line when one ends/)
  sendSync({ interface: 'eth0', count: 1, port: 5000 })
  const { code, stderr } = await running.end()
  t.equal(code, 1)
  t.match(stderr, /\nringtap: standard output: ENOSPC[^\n]*\n$/)
})

t.test('values that are no share, slice or size', async (t) => {
  for (const [option, value, message] of [
    ['--sample', '8', /It must be a share up to 1: 1\/8, or 0\.125\./],
    ['--sample', '1/0', /share/],
    ['--sample', '0', /share/],
    ['--slice', 'l3', /It must be headers, l4, or a number of bytes up to 262144\./],
    ['--slice', '0', /headers, l4/],
    ['--cutoff', '10kb', /It must be a number of bytes: 1500, 10kB, 64KiB, 2MB\./],
    ['--cutoff', '0', /number of bytes/],
    ['--sample-seed', '5', /--sample-seed needs --sample/],
  ] as const) {
    const { code, stderr } = ringtap(['-i', 'eth0', option, value])
    t.equal(code, 2, `${option} ${value}`)
    t.match(stderr.replaceAll(/\s+/g, ' '), message)
  }
  const { stderr } = ringtap(['-i', 'eth0', '--backend', 'pcap', '--slice', 'l4'])
  t.match(stderr.replaceAll(/\s+/g, ' '), /^ringtap: --slice is not available with --backend pcap/)
})
