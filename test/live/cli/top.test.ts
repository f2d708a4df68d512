// `ringtap top` of live traffic, on a terminal and into a pipe.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { command, Running, ringtap } from '../../helpers/command.js'
import { Terminal } from '../../helpers/terminal.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { patience, waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')

t.test('on a terminal: counts, pause, clear, and the ledger at the end', async (t) => {
  const terminal = new Terminal(t)
  terminal.type('$R top -i eth0 -Q out --by host --interval 0.2')
  await terminal.shows(/^by host, sorted by rate .* eth0, and those that appear\n0 packets/)
  sendSync({ interface: 'eth0', count: 30 })
  await terminal.shows(/\n30 packets, 1\.9 kB, .*, none lost\n/)
  await terminal.shows(/\n198\.18\.0\.1 +30 +1\.5 kB +0 +0\n198\.18\.0\.2 +30 +1\.5 kB +0 +0\n/)
  terminal.keys('Space')
  await terminal.shows(/^PAUSED/)
  sendSync({ interface: 'eth0', count: 12 })
  terminal.keys('i')
  await terminal.shows(/^PAUSED {2}by interface[\s\S]*\n30 packets[\s\S]*\neth0 +30 +1\.9 kB /)
  terminal.keys('Space')
  await terminal.shows(/\n42 packets[\s\S]*\neth0 +42 +2\.7 kB /)
  terminal.keys('c')
  await terminal.shows(/\n0 packets, 0 B/)
  sendSync({ interface: 'eth0', count: 3 })
  await terminal.shows(/\neth0 +3 +192 B /)
  terminal.keys('q')
  await terminal.shows(/\n45 packets received, 45 delivered, none lost\n\$/)
})

t.test('Ctrl-Z gives the terminal back to the shell, fg takes it again; signals too', async (t) => {
  const terminal = new Terminal(t)
  const before = terminal.state
  const modes = async (word: string) => {
    terminal.type(`clear; stty -a | tr " " "\\n" | grep -x -e icanon -e echo -e isig; echo ${word}""${word}`)
    return (await terminal.shows(new RegExp(`\n${word}${word}\n`))).includes('isig\nicanon\necho\n')
  }
  terminal.type('$R top -i eth0')
  await terminal.shows(/^by flow/)
  terminal.keys('C-z')
  await terminal.shows(/Stopped/)
  t.same(terminal.state, before)
  t.ok(await modes('one'))
  terminal.type('fg')
  await terminal.shows(/^by flow/)
  t.same(terminal.state, { alternate: true, cursor: false, wrap: false })
  terminal.keys('h')
  await terminal.shows(/^by host/)
  terminal.keys('C-z')
  await terminal.shows(/Stopped/)
  // A signal while it is stopped is delivered when it goes on.
  terminal.type('kill %1; fg; echo "code $?"')
  await terminal.shows(/code 0/)
  t.same(terminal.state, before)
  terminal.type('clear; $R top -i eth0 & sleep 1; jobs; fg')
  await terminal.shows(/^by flow/)
  terminal.type('')
  terminal.keys('C-c')
  // What is typed before it has ended is its own input, not the shell's.
  await terminal.shows(/packets? received[\s\S]*\n\$$/m)
  t.ok(await modes('two'))
})

t.test(
  'without a terminal: a table for each interval, one with --once; what is written by the end is exact',
  async (t) => {
    const running = new Running(t, process.execPath, [
      ...[command, 'top', '-i', 'eth0', '-Q', 'out', '--by', 'port', '--json', '--interval', '0.2'],
    ])
    await running.said(/listening on eth0/)
    sendSync({ interface: 'eth0', count: 20, port: 53 })
    const lines = () => running.stdout.trimEnd().split('\n').filter(Boolean)
    await waitUntil(() => lines().length >= 3, 'three tables')
    sendSync({ interface: 'eth0', count: 4, port: 443 })
    running.child.kill('SIGINT')
    const { code, stderr } = await running.end()
    t.equal(code, 0)
    t.match(stderr, /\n24 packets received, 24 delivered, none lost\n/)
    // By rate: which is first depends on when the last interval ends.
    const rows: { packets: number }[] = JSON.parse(lines().at(-1)!).rows
    rows.sort((a, b) => a.packets - b.packets)
    t.match(rows, [
      { port: 'udp 443 (https)', packets: 4, bytes: 200 },
      { port: 'udp 53 (domain)', packets: 20, bytes: 1000 },
    ])
    const once = new Running(t, process.execPath, [command, 'top', '-i', 'eth0', '--once', '--interval', '0.2'])
    const { stdout } = await once.end()
    t.match(
      stdout,
      /^by flow, sorted by rate {2}\d+ s {2}eth0, and those that appear\n0 packets[^\n]*\nFLOW [^\n]*\n\n$/,
    )
  },
)

t.test('output that cannot be written ends it with the reason', async (t) => {
  for (const once of [[], ['--once']]) {
    const words = [process.execPath, command, 'top', '-i', 'eth0', '--interval', '0.1', ...once]
    const { code, stderr } = await new Running(t, 'sh', ['-c', 'exec "$@" >/dev/full', 'sh', ...words]).end()
    t.equal(code, 1)
    t.match(stderr, /^ringtap: listening on [^\n]*\nringtap: standard output: ENOSPC[^\n]*\n$/)
  }
})

t.test('a reader that goes away ends it quietly', async (t) => {
  const terminal = new Terminal(t)
  // The exit code goes through a file: on the terminal it could come before the line.
  const code = new TestFolder(t).file('code')
  terminal.type(`{ $R top -i eth0 --interval 0.1; echo "code $?" >${code}; } | head -n 1; cat ${code}`)
  await terminal.shows(/code 0/)
  t.match(terminal.text, /\nby flow, sorted by rate/)
  t.notMatch(terminal.text, /EPIPE/)
  t.ok(readFileSync('/proc/net/packet', 'latin1').split('\n').length <= 2, 'no socket is left')
})

t.test('by container: what the far end of a veth sends and receives', async (t) => {
  const there = await addNamespace()
  addVeth('near0', 'inner0', { peerNamespace: there.pid })
  const running = new Running(t, process.execPath, [
    ...[
      command,
      'top',
      '-i',
      'near0',
      '-i',
      'eth0',
      '--by',
      'container',
      '--once',
      '--json',
      '--interval',
      `${3 * patience}`,
      'udp',
    ],
  ])
  await running.said(/listening on /)
  sendSync({ interface: 'near0', count: 7, size: 100 })
  sendSync({ interface: 'eth0', count: 2, size: 100 })
  const { code, stdout } = await running.end()
  t.equal(code, 0)
  const { by, rows } = JSON.parse(stdout)
  t.equal(by, 'container')
  t.match(rows, [
    // cat(1) holds the namespace; what is sent on the near end is received by it.
    { container: `cat (${there.pid})`, packets: 7, bytes: 700, bytesIn: 700, bytesOut: 0 },
    { container: 'no container', packets: 2, bytes: 200, bytesIn: 0, bytesOut: 200 },
  ])
  t.equal(rows.length, 2)
  t.match(ringtap(['top', '-r', '/dev/null', '--by', 'container']), {
    code: 2,
    stderr: /^ringtap: --by container is for live captures: /,
  })
  t.match(ringtap(['interfaces']).stdout, new RegExp(`^ *\\d+ +near0 +veth .* inner0 of cat \\(${there.pid}\\)$`, 'm'))
  const near = ringtap(['interfaces', '--json'])
    .stdout.trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .find(({ name }) => name === 'near0')
  t.match(near, { kind: 'veth', peer: { name: 'inner0', processes: [{ pid: there.pid, name: 'cat' }] } })
  del('near0')
  await there.close()
})

t.test('by process: both ends of a connection on this host', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const args = ['top', '-i', 'lo', '--by', 'process', '--json', '--interval', '0.2', `tcp port ${port}`]
  const running = new Running(t, process.execPath, [command, ...args])
  await running.said(/listening on /)
  const client = spawn(process.execPath, [
    '-e',
    `require('node:net').connect(${port}, '127.0.0.1').on('connect', function () { this.write('x'.repeat(5000)) })`,
  ])
  await waitUntil(() => /"packets":([5-9]|\d\d)\D/.test(running.stdout), 'packets')
  running.child.kill('SIGINT')
  const { code, stdout } = await running.end()
  t.equal(code, 0)
  const { by, rows, packets } = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string)
  t.equal(by, 'process')
  t.ok(packets > 4, `${packets} packets`)
  // Each packet counts for the process that sent it and for the one that received it.
  const labels = [`node(${client.pid})`, `node(${process.pid})`]
  for (const label of labels)
    t.equal(rows.find(({ process }: { process: string }) => process === label)?.packets, packets)
  t.equal(rows.length, 2)
  client.kill()
  server.close()
  t.match(ringtap(['top', '-r', '/dev/null', '--by', 'process']), { code: 2, stderr: /: the sockets of its packets / })
})
