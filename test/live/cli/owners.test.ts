// `ringtap --owners`: behind the lines of packets, in JSON, and in a file.
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import path from 'node:path'
import { command, Running, ringtap } from '../../helpers/command.js'
import { readAll } from '../../helpers/read-savefile.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { waitUntil } from '../support/wait.js'

const folder = new TestFolder(t)
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.pipe(socket)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
t.teardown(() => server.close())

async function start(...args: string[]): Promise<Running> {
  const running = new Running(t, process.execPath, [command, '-i', 'lo', '--owners', ...args, `tcp port ${port}`])
  await running.said(/listening on lo/)
  return running
}

/** Connects, and sends bytes that come back. */
async function talk(times: number) {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  await once(socket, 'connect')
  for (let i = 0; i < times; i++) {
    socket.write('x')
    await once(socket, 'data')
  }
  return socket
}

/** This process at both ends. */
const both = new RegExp(`^\\S+\\(${process.pid}\\) > \\S+\\(${process.pid}\\)$`)

t.test('behind each line', async (t) => {
  const running = await start('-c', '23')
  const socket = await talk(10)
  const { code, stdout, stderr } = await running.end()
  socket.destroy()
  t.equal(code, 0, stderr)
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.length, 23)
  for (const line of lines) t.match(/ \[([^[]*)\]$/.exec(line)?.[1], both, line)
  t.ok(lines.every((line) => / IP 127\.0\.0\.1\.\d+ > 127\.0\.0\.1\.\d+: /.test(line)))
})

t.test('in JSON', async (t) => {
  const running = await start('--json', '-c', '5')
  const socket = await talk(3)
  const { code, stdout, stderr } = await running.end()
  socket.destroy()
  t.equal(code, 0, stderr)
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.length, 5)
  for (const line of lines) {
    const { owners } = JSON.parse(line) as { owners: Record<string, { by: string; processes: { pid: number }[] }> }
    for (const end of ['source', 'destination']) {
      t.match(owners[end], { by: /^(holder|listener)$/, processes: [{ pid: process.pid }] })
    }
  }
})

t.test('in a file', async (t) => {
  const file = folder.fresh()
  const running = await start('-w', file)
  const socket = await talk(10)
  // The file grows while it is recorded, under its hidden name.
  const hidden = path.join(path.dirname(file), `.${path.basename(file)}.partial`)
  await waitUntil(() => {
    socket.write('x')
    return existsSync(hidden) && readFileSync(hidden, 'latin1').includes(`(${process.pid}) > `)
  }, 'the first comment')
  running.child.kill('SIGINT')
  const { code, stdout, stderr } = await running.end()
  socket.destroy()
  t.same([code, stdout], [0, ''], stderr)
  const { packets } = await readAll(file)
  t.ok(packets.length >= 23)
  t.match(packets.at(-1)?.comments, [both])
  for (const { comments } of packets)
    for (const comment of comments) t.match(comment, new RegExp(`\\(${process.pid}\\)`))
})

t.test('what has no place for them', async (t) => {
  for (const [args, message] of [
    [
      ['-w', folder.file('a.pcap')],
      /--owners needs pcapng, and -w .*a\.pcap is pcap, which has no place for owners\n$/,
    ],
    [['-w', folder.file('a.cap.gz')], /--owners needs pcapng, and -w .*a\.cap\.gz is pcap/],
    [['-w', '-'], /--owners needs a file with -w: standard output gets the packets alone\n$/],
    [['-w', folder.file('a'), '-c', '5'], /--owners with -w writes until it is stopped: leave out -c\n$/],
  ] as [string[], RegExp][]) {
    t.match(ringtap(['-i', 'lo', '--owners', ...args]), { code: 2, stdout: '', stderr: message })
  }
  t.notOk(existsSync(folder.file('a')))
})
