// Owners in what is recorded: as tshark reads them, for each packet those of its connection, and none of another's.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Capture, type CaptureOptions, type RecordOptions } from 'ringtap'
import { packetOptions } from '../../helpers/packet-options.js'
import { readAll } from '../../helpers/read-savefile.js'
import { rotated, TestFolder } from '../../helpers/test-folder.js'
import { run } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { waitUntil } from '../support/wait.js'

const folder = new TestFolder(t)
const script = fileURLToPath(new URL('short-connections.js', import.meta.url))

async function listen(): Promise<[Server, number]> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return [server, (server.address() as AddressInfo).port]
}

/** A connection to the server, and a function that sends a byte and waits for it to come back. */
async function talk(port: number): Promise<[Socket, (times: number) => Promise<void>]> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  await once(socket, 'connect')
  const exchange = async (times: number) => {
    for (let i = 0; i < times; i++) {
      socket.write('x')
      await once(socket, 'data')
    }
  }
  return [socket, exchange]
}

async function close(capture: Capture, server: Server, ...sockets: Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy()
  await capture.close()
  server.close()
  await once(server, 'close')
}

/** Reads owners; returns the time at which all that were there are known. */
async function update(capture: Capture): Promise<number> {
  await capture.owners?.update()
  return Date.now() / 1000
}

async function open(port: number, options: CaptureOptions = {}): Promise<Capture> {
  const capture = await Capture.open({
    interfaces: { loopback: true },
    filter: `tcp port ${port}`,
    owners: true,
    ...options,
  })
  capture.on('warning', () => {})
  return capture
}

interface Seen {
  from: number
  to: number
  comment: string
  seconds: number
}

/** What tshark reads. */
function dissected(path: string): Seen[] {
  const fields = ['tcp.srcport', 'tcp.dstport', 'frame.time_epoch', 'frame.comment'].flatMap((field) => ['-e', field])
  const lines = run('tshark', ['-n', '-r', path, '-T', 'fields', '-E', 'aggregator=|', ...fields]).toString()
  return lines
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [from, to, seconds, comment = ''] = line.split('\t')
      return { from: Number(from), to: Number(to), seconds: Number(seconds), comment }
    })
}

/** Both ends are this process. */
const both = new RegExp(`^\\S+\\(${process.pid}\\) > \\S+\\(${process.pid}\\)$`)

/** The pids in `node(1) > node(2)`; `undefined` for an end that is left out. */
function pidsIn(comment: string): (number | undefined)[] {
  const [sender, receiver] = comment.split('>').map((end) => /\((\d+)\) ?$/.exec(end)?.[1])
  return [sender, receiver].map((pid) => (pid === undefined ? undefined : Number(pid)))
}

t.test('every packet of a known connection has both ends', async (t) => {
  const [server, port] = await listen()
  const capture = await open(port)
  const path = folder.fresh()
  const recording = await capture.record({ path, owners: true })
  const [socket, exchange] = await talk(port)
  const updated = await update(capture)
  await exchange(50)
  const { packets } = await recording.stop()
  const seen = dissected(path)
  t.equal(seen.length, packets)
  const known = seen.filter(({ seconds }) => seconds > updated)
  t.ok(known.length >= 100, `${known.length}`)
  const name = readFileSync('/proc/self/comm', 'utf8').trim()
  t.same(
    known.filter(({ comment }) => comment !== `${name}(${process.pid}) > ${name}(${process.pid})`),
    [],
  )
  // Of the handshake, what was known within a second.
  for (const { comment } of seen) {
    for (const pid of pidsIn(comment)) t.ok(pid === undefined || pid === process.pid, comment)
  }
  const processThread = packetOptions(readFileSync(path)).map((options) => options.get(8))
  t.equal(processThread.length, packets)
  for (const [i, values] of processThread.entries()) {
    // Before the server has accepted, its listener is known: the packet is that of whoever accepts.
    if (values === undefined && (seen[i]?.seconds ?? 0) <= updated) continue
    t.same(
      values?.map((value) => [value.length, value.readUInt32LE(0), value.readUInt32LE(4)]),
      [[8, process.pid, 0]],
      `${i}`,
    )
  }
  const { packets: read } = await readAll(path)
  t.same(
    read.map(({ comments }) => comments.join()),
    seen.map(({ comment }) => comment),
    'the library reads them as comments',
  )
  await close(capture, server, socket)
})

/** Runs the script with short connections; returns its pid and its local ports. */
async function connections(port: number, count: number): Promise<[number, number[]]> {
  const child = spawn(process.execPath, [script, '127.0.0.1', `${port}`, `${count}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  await once(child, 'close')
  const [pid = '', ports = ''] = said.trim().split(' ')
  return [Number(pid), ports.split(',').map(Number)]
}

t.test('short connections of several processes: none has the owner of another', async (t) => {
  const [server, port] = await listen()
  const capture = await open(port)
  const makers = !capture.owners?.missing.some(({ field }) => field === 'makers')
  const path = folder.fresh()
  const recording = await capture.record({ path, owners: true })
  const made = await Promise.all([60, 60, 60, 60].map((count) => connections(port, count)))
  await recording.stop()
  const owner = new Map(made.flatMap(([pid, ports]) => ports.map((local) => [local, pid] as const)))
  const count = { right: 0, wrong: 0, unknown: 0, server: 0 }
  const seen = dissected(path)
  for (const { from, to, comment } of seen) {
    const out = to === port
    const [sender, receiver] = pidsIn(comment)
    const [client, served] = out ? [sender, receiver] : [receiver, sender]
    if (client === undefined) count.unknown++
    else if (client === owner.get(out ? from : to)) count.right++
    else count.wrong++
    if (served === process.pid) count.server++
    else if (served !== undefined) count.wrong++
  }
  t.comment(`makers ${makers} ${JSON.stringify(count)} of ${seen.length}`)
  t.equal(owner.size, 240)
  t.equal(count.wrong, 0)
  t.ok(count.server > seen.length / 2)
  // Those that are waited for, and not for longer than a second.
  if (makers) t.ok(count.right > 0)
  await close(capture, server)
})

t.test('UDP, where one end is on another host, and nobody', async (t) => {
  const capture = await open(9, { filter: 'udp port 9' })
  const path = folder.fresh()
  const recording = await capture.record({ path, owners: true })
  const child: ChildProcess = spawn(
    process.execPath,
    ['-e', "const s = require('dgram').createSocket('udp4'); s.bind(4321, () => s.send('x', 9, '127.0.0.1'))"],
    { stdio: 'inherit' },
  )
  await waitUntil(() => recording.stats().packets > 0, 'the packet')
  await recording.stop()
  const { packets } = await readAll(path)
  t.equal(packets.length, 1)
  for (const comment of packets[0]?.comments ?? []) t.match(comment, new RegExp(`^\\S+\\(${child.pid}\\) >$`))
  child.kill()
  await capture.close()
})

t.test('rotation by size counts them', async (t) => {
  const [server, port] = await listen()
  const capture = await open(port)
  const path = folder.fresh()
  const recording = await capture.record({ path, owners: true, rotate: { size: 8000 } })
  const [socket, exchange] = await talk(port)
  const updated = await update(capture)
  await exchange(200)
  const { packets, files } = await recording.stop()
  const paths = rotated(path)
  t.equal(paths.length, files)
  t.ok(files > 6, `${files}`)
  t.same(
    paths.filter((one) => statSync(one).size > 8000),
    [],
  )
  t.ok(statSync(paths[0] as string).size > 7000)
  let seen = 0
  for (const one of paths) {
    for (const { comments, timestampMs } of (await readAll(one)).packets) {
      seen++
      if (timestampMs / 1000 > updated) t.match(comments, [both])
    }
  }
  t.equal(seen, packets)
  await close(capture, server, socket)
})

t.test('owners that are closed: the recording goes on without', async (t) => {
  const [server, port] = await listen()
  const capture = await open(port)
  const path = folder.fresh()
  const recording = await capture.record({ path, owners: true })
  const [socket, exchange] = await talk(port)
  const updated = await update(capture)
  await exchange(20)
  await waitUntil(() => recording.stats().packets >= 43, 'the first packets to be written')
  await capture.owners?.close()
  const closed = Date.now() / 1000
  await exchange(20)
  const { packets } = await recording.stop()
  const seen = dissected(path)
  t.equal(seen.length, packets)
  const late = seen.filter(({ seconds }) => seconds > closed)
  t.ok(late.length >= 40)
  t.same(
    late.filter(({ comment }) => comment !== ''),
    [],
  )
  const early = seen.slice(0, 43).filter(({ seconds }) => seconds > updated)
  t.ok(early.length >= 39, `${early.length}`)
  for (const { comment } of early) t.match(comment, both)
  await t.rejects(capture.record({ path: folder.fresh(), owners: true }), { code: 'ERR_CLOSED' })
  await close(capture, server, socket)
})

t.test('batches, the flight recorder and a server write them too', async (t) => {
  const [server, port] = await listen()
  const capture = await open(port)
  const flight = capture.flightRecorder({ owners: true })
  const serving = await capture.serve({ port: 0, owners: true })
  const reader = connect(serving.address.port, '127.0.0.1')
  const served: Buffer[] = []
  reader.on('data', (bytes: Buffer) => served.push(bytes))
  await once(serving, 'attach')
  const batches = capture.batches({ owners: true, milliseconds: 3000 })
  const [socket, exchange] = await talk(port)
  const updated = await update(capture)
  await exchange(5)
  const dump = folder.fresh()
  await flight.dump(dump)
  const first = await batches.next()
  const ended = once(reader, 'close')
  await batches.return?.()
  await serving.close()
  await ended
  for (const [what, file] of [
    ['a dump', readFileSync(dump)],
    ['a batch', Buffer.from(first.value?.bytes ?? [])],
    ['a server', Buffer.concat(served)],
  ] as const) {
    const known = (await readAll(folder.write(file))).packets.filter(({ timestampMs }) => timestampMs / 1000 > updated)
    t.ok(known.length >= 10, what)
    for (const { comments } of known) t.match(comments, [both], what)
  }
  await close(capture, server, socket)
})

t.test('without owners, and in pcap, they are refused', async (t) => {
  const without = await Capture.open({ interfaces: { loopback: true } })
  const message = 'owners needs a capture that was opened with owners: true'
  const refused = { code: 'ERR_OPTION', message, option: 'owners' }
  const path = folder.fresh()
  await t.rejects(without.record({ path, owners: true }), refused)
  t.throws(() => without.batches({ owners: true }), refused)
  t.throws(() => without.flightRecorder({ owners: true }), refused)
  await t.rejects(without.serve({ owners: true, port: 0 }), refused)
  const record = (options: Partial<RecordOptions>) => without.record({ path, ...options })
  await t.rejects(record({ owners: 1 as never }), { code: 'ERR_OPTION', message: /^owners must be a boolean/ })
  const pcap = { code: 'ERR_OPTION', message: /^owners needs format 'pcapng': pcap has no place/ }
  await t.rejects(record({ owners: true, format: 'pcap' }), pcap)
  await t.rejects(without.serve({ owners: true, format: 'pcap', port: 0 }), pcap)
  // Nothing of that is in the way of a recording.
  await (await record({ owners: false })).stop()
  await without.close()
})
