// PCAP-over-IP: what readers get, to the packet, as tshark and tcpdump read it from the socket, and what slow ones miss.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readFileSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { finished } from 'node:stream/promises'
import { connect as connectTls } from 'node:tls'
import { Capture, type PacketServer, type ServeOptions, type ServerReaderStats } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { describe, dissect, numbersIn, run, statisticsIn } from '../../helpers/wireshark.js'
import { sendInSteps } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil, within } from '../support/wait.js'
import { ways } from '../support/ways.js'

t.setTimeout(240_000)
addVeth('eth0', 'far0')
addVeth('eth1', 'far1')

const folder = new TestFolder(t)

/** A connection whose bytes go into a file. */
class Reader {
  readonly socket: Socket
  readonly path = folder.fresh()
  readonly #written: Promise<void>

  constructor({ address: { host, port } }: PacketServer, socket = connect(port, host)) {
    this.socket = socket
    this.#written = finished(socket.pipe(createWriteStream(this.path)))
  }

  /** Resolves to the file at the end of the connection. */
  async end(): Promise<string> {
    await within(this.#written, 'the end of the connection')
    return this.path
  }
}

const attached = (server: PacketServer, count: number) =>
  waitUntil(() => server.stats().readers.length === count && server.stats().attached >= count, 'the readers')

/** The server's figures on each reader when it left. */
function leaving(server: PacketServer): ServerReaderStats[] {
  const left: ServerReaderStats[] = []
  server.on('detach', (reader) => left.push(reader))
  return left
}

for (const { way, options, skip } of ways) {
  t.test(`each reader gets a whole file from when it connects, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: ['eth0', 'eth1'], filter: 'udp', ...options })
    await using server = await capture.serve({ port: 0, application: 'sensor', comment: 'live' })
    const left = leaving(server)
    const first = new Reader(server)
    await attached(server, 1)
    sendSync({ interface: 'eth0', count: 1000, size: 300 })
    await waitUntil(() => server.stats().packets === 1000, 'the packets')
    const second = new Reader(server)
    await attached(server, 2)
    sendSync({ interface: 'eth1', count: 500, start: 1000, size: 300 })
    await capture.stop()
    const [all, some] = [await first.end(), await second.end()]
    t.same(numbersIn(all), range(0, 1500))
    t.same(numbersIn(some), range(1000, 1500))
    const { text } = describe(all)
    for (const said of ['live', 'sensor', 'Name = eth0', 'Name = eth1', 'Filter string = udp'])
      t.match(text, said, said)
    t.notMatch(describe(some).text, 'Name = eth0', 'what it has no packets of is not described')
    t.same(statisticsIn(some), [{ received: 500, dropped: 0, bySystem: 0, delivered: 500 }])
    const stats = await within(server.finished, 'the end')
    t.same([stats.attached, stats.packets, stats.dropped, stats.readers], [2, 1500, 0, []])
    t.same(
      left
        .map(({ address, packets, packetBytes, dropped, waiting }) => [address, packets, packetBytes, dropped, waiting])
        .sort(),
      [
        ['127.0.0.1', 1500, 1500 * 300, 0, 0],
        ['127.0.0.1', 500, 500 * 300, 0, 0],
      ],
    )
    t.same(left.map(({ bytes }) => bytes).sort(), [all, some].map((path) => statSync(path).size).sort())
    t.same(imbalances(capture.stats()), [])
  })
}

t.test('tshark reads it as Wireshark does, and tcpdump from a socket, as pcapng and as pcap', async (t) => {
  for (const format of ['pcapng', 'pcap'] as const) {
    await using capture = await Capture.open({ interfaces: 'eth0' })
    await using server = await capture.serve({ port: 0, format })
    const { port } = server.address
    const path = folder.fresh()
    const tshark = spawn('tshark', ['-n', '-i', `TCP@127.0.0.1:${port}`, '-w', path], { stdio: 'ignore' })
    const tsharkEnds = once(tshark, 'exit')
    const tcpdump = spawn('tcpdump', ['-n', '-x', '-r', '-'], { stdio: ['pipe', 'pipe', 'ignore'] })
    let printed = ''
    tcpdump.stdout.setEncoding('latin1').on('data', (text) => {
      printed += text
    })
    const tcpdumpEnds = once(tcpdump, 'close')
    connect(port, '127.0.0.1').pipe(tcpdump.stdin)
    await attached(server, 2)
    sendSync({ interface: 'eth0', count: 700 })
    await capture.stop()
    await within(Promise.all([tsharkEnds, tcpdumpEnds]), 'the programs to end')
    t.same(numbersIn(path), range(0, 700), `tshark, ${format}`)
    t.equal(printed.split('\n').filter((line) => /^\d\d:/.test(line)).length, 700, `tcpdump, ${format}`)
  }
})

t.test('a reader that stands still loses packets, counted for it alone, and delays nobody', async (t) => {
  for (const format of ['pcapng', 'pcap'] as const) {
    await using capture = await Capture.open({ interfaces: ['eth0', 'eth1'] })
    await using server = await capture.serve({ port: 0, memory: 1 << 20, milliseconds: 10, format })
    const left = leaving(server)
    const [quick, still] = [new Reader(server), new Reader(server)]
    await attached(server, 2)
    still.socket.pause()
    const own = still.socket.localPort
    // More than the two buffers of the connection hold.
    const count = 24_000
    const quickly = () => server.stats().readers.find(({ port }) => port !== own)?.packets ?? 0
    for (const start of range(0, count, 500)) {
      for (const [name, offset] of Object.entries({ eth0: 0, eth1: 250 })) {
        const options = { interface: name, count: 250, start: start + offset, size: 1400 }
        await sendInSteps(capture, options, 250, (next) => quickly() >= next)
      }
    }
    const held = server.stats().readers.find(({ port }) => port === own)
    t.ok(held && held.dropped > 1000, `${held?.dropped} dropped so far`)
    t.equal((held?.packets ?? 0) + (held?.dropped ?? 0) + (held?.waiting ?? 0), count)
    t.ok(server.stats().memory <= 1 << 20)
    still.socket.resume()
    await waitUntil(() => server.stats().readers.every(({ waiting }) => waiting === 0), 'the reader to catch up')
    await server.close()
    const [all, some] = [numbersIn(await quick.end()), numbersIn(await still.end())]
    t.same(all, range(0, count))
    const figures = left.find(({ port }) => port === own)
    t.same([figures?.packets, figures?.dropped], [some.length, count - some.length])
    t.same(
      some.filter((number, i) => i > 0 && number <= (some[i - 1] as number)),
      [],
      'in order, none twice',
    )
    t.equal(left.find(({ port }) => port !== own)?.dropped, 0)
    if (format === 'pcapng') {
      // Statistics follow on each loss; the last ones count from the beginning.
      const last = statisticsIn(still.path).slice(-2)
      t.equal(
        last.reduce((sum, { delivered = 0 }) => sum + delivered, 0),
        some.length,
      )
      t.equal(
        last.reduce((sum, { dropped = 0 }) => sum + dropped, 0),
        count - some.length,
      )
      const names = dissect(still.path).map((packet) => packet.interface)
      for (const [i, name] of ['eth0', 'eth1'].entries()) {
        const got = names.filter((one) => one === name).length
        t.same([last[i]?.delivered, last[i]?.dropped], [got, count / 2 - got], name)
      }
    }
    t.same([capture.stats().delivered, capture.stats().droppedByRecorder], [count, 0])
    t.same(imbalances(capture.stats()), [])
  }
})

t.test('a reader that takes nothing at the end is cut off, and everything is counted', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const server = await capture.serve({ port: 0, memory: 1 << 20 })
  const left = leaving(server)
  const still = new Reader(server)
  await attached(server, 1)
  still.socket.pause()
  await sendInSteps(capture, { interface: 'eth0', count: 12_000, size: 1400 }, 250)
  const { dropped } = await within(server.close(), 'the end', 60_000)
  still.socket.destroy()
  const [figures] = left
  t.equal((figures?.packets ?? 0) + (figures?.dropped ?? 0) + dropped, 12_000)
  t.ok(figures && figures.dropped > 100, `${figures?.dropped} dropped`)
  t.equal(figures?.waiting, 0)
})

for (const { table, skip } of tables) {
  t.test(`the packets of its own connections are not captured, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: { loopback: true, include: '^lo$' },
      filter: 'tcp',
      ring: { table },
    })
    await using server = await capture.serve({ port: 0 })
    const reader = new Reader(server)
    await attached(server, 1)
    const before = capture.stats().received
    // Another connection is captured; the reader's, which carries it, is not.
    const other = connect(server.address.port, '127.0.0.1')
    await attached(server, 2)
    other.destroy()
    await attached(server, 1)
    await waitUntil(() => server.stats().packets > 0 && server.stats().readers[0]?.waiting === 0, 'the packets')
    await capture.stop()
    const path = await reader.end()
    const ports = run('tshark', ['-n', '-r', path, '-T', 'fields', '-e', 'tcp.srcport', '-e', 'tcp.dstport']).toString()
    t.notMatch(ports, new RegExp(`\\b${reader.socket.localPort}\\b`), `${before} before`)
    t.ok(capture.stats().received < 40, `${capture.stats().received} packets, and no loop`)
    t.same(imbalances(capture.stats()), [])
  })
}

t.test('it runs beside an iteration, a recording, batches and a flight recorder; the ledger stays', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using server = await capture.serve({ port: 0 })
  await using flight = capture.flightRecorder()
  const reader = new Reader(server)
  await attached(server, 1)
  sendSync({ interface: 'eth0', count: 500 })
  await waitUntil(() => capture.stats().delivered === 500, 'the packets that nobody else takes')
  const iterated: number[] = []
  const iterating = (async () => {
    for await (const chunk of capture) {
      for (const packet of chunk) iterated.push(sequenceOf(packet.data) as number)
      if (iterated.length >= 1000) break
    }
  })()
  const path = folder.fresh()
  const recording = await capture.record({ path })
  await sendInSteps(
    capture,
    { interface: 'eth0', count: 1000, start: 500 },
    500,
    (next) => iterated.length >= next - 500,
  )
  await iterating
  t.equal((await recording.stop()).packets, 1000)
  const packing = capture.batches({ milliseconds: 10 })
  sendSync({ interface: 'eth0', count: 500, start: 1500 })
  let packed = 0
  for await (const { packets } of packing) {
    packed += packets
    if (packed >= 500) break
  }
  const dump = folder.fresh()
  t.equal((await flight.dump(dump)).packets, 2000)
  await server.close()
  t.same(numbersIn(await reader.end()), range(0, 2000))
  t.same(numbersIn(path), range(500, 1500))
  t.same(numbersIn(dump), range(0, 2000))
  t.equal(capture.stats().delivered, 2000, 'each once')
  t.same(imbalances(capture.stats()), [])
  // Another one after it.
  await using next = await capture.serve({ port: 0, filter: 'greater 200' })
  const later = new Reader(next)
  await attached(next, 1)
  sendSync({ interface: 'eth0', count: 10, size: 100 })
  sendSync({ interface: 'eth0', count: 10, start: 10, size: 300 })
  await next.close()
  t.same(numbersIn(await later.end()), range(10, 20), 'its filter')
})

t.test('readers beyond maxReaders are refused; one that leaves makes room', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using server = await capture.serve({ port: 0, maxReaders: 1 })
  const left = leaving(server)
  const first = new Reader(server)
  await attached(server, 1)
  const refused = connect(server.address.port, '127.0.0.1')
  refused.resume()
  await within(once(refused, 'close'), 'the refusal')
  t.equal(server.stats().refused, 1)
  sendSync({ interface: 'eth0', count: 10 })
  await waitUntil(() => server.stats().readers[0]?.packets === 10, 'the packets')
  first.socket.end()
  await waitUntil(() => left.length === 1, 'it to leave')
  t.same([left[0]?.packets, left[0]?.dropped], [10, 0])
  const second = new Reader(server)
  await waitUntil(() => server.stats().attached === 2, 'the second')
  await capture.close()
  await second.end()
  const { attached: so, refused: not } = await within(server.finished, 'the end')
  t.same([so, not], [2, 1])
})

t.test('over TLS, with certificates on both sides', async (t) => {
  const [key, cert] = [folder.file('key.pem'), folder.file('cert.pem')]
  run(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      '-subj',
      '/CN=sensor',
    ],
    {},
  )
  const pem = { key: readFileSync(key), cert: readFileSync(cert) }
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using server = await capture.serve({ port: 0, tls: { ...pem, ca: pem.cert } })
  const { host, port } = server.address
  const unknown = connectTls({ host, port, rejectUnauthorized: false })
  unknown.on('error', () => undefined)
  unknown.resume()
  await within(new Promise((resolve) => unknown.once('close', resolve)), 'the refusal')
  const reader = new Reader(server, connectTls({ host, port, ...pem, ca: pem.cert, servername: 'sensor' }))
  await attached(server, 1)
  sendSync({ interface: 'eth0', count: 100 })
  await server.close()
  t.same(numbersIn(await reader.end()), range(0, 100))
})

t.test('what is wrong is refused', async (t) => {
  const capture = await Capture.open({ interfaces: 'eth0' })
  const wrong: [unknown, RegExp][] = [
    [null, /options must be/],
    [{ port: -1 }, /port must be/],
    [{ host: '' }, /host must be/],
    [{ maxReaders: 0 }, /maxReaders must be/],
    [{ memory: 1000 }, /memory must be/],
    [{ milliseconds: 1 }, /milliseconds must be/],
    [{ filter: 7 }, /filter must be/],
    [{ format: 'erf' }, /format must be/],
    [{ tls: {} }, /tls\.key must be/],
    [{ tls: { key: 'x', cert: 'y' } }, /tls: /],
    [{ readers: 3 }, /readers is not an option/],
  ]
  for (const [options, message] of wrong) {
    await t.rejects(capture.serve(options as ServeOptions), { code: 'ERR_OPTION', message })
  }
  await t.rejects(capture.serve({ filter: 'no such word' }), { code: 'ERR_FILTER_SYNTAX' })
  const server = await capture.serve({ port: 0 })
  await t.rejects(capture.serve({ port: 0 }), { code: 'ERR_OPTION', message: /has a server/ })
  const other = await Capture.open({ interfaces: 'eth1' })
  await t.rejects(other.serve({ port: server.address.port }), { code: 'ERR_SYSTEM', message: /in use/ })
  await other.close()
  await server.close()
  await server.close()
  await capture.stop()
  await t.rejects(capture.serve({ port: 0 }), { code: 'ERR_CLOSED' })
  await capture.close()
})
