import { readdirSync, readFileSync, statSync } from 'node:fs'
import { Capture, type RecordedFile, type RecordingStats, type RecordOptions } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { range } from '../../helpers/range.js'
import { parsePcap } from '../../helpers/savefiles.js'
import { rotated, TestFolder } from '../../helpers/test-folder.js'
import { bytesOf, describe, dissect, numbersIn, statisticsIn } from '../../helpers/wireshark.js'
import { type Seen, seen } from '../support/collect.js'
import { sendInSteps } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del, rename } from '../support/network.js'
import { expectedFrame, send, sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { patience, waitUntil } from '../support/wait.js'
import { difference, startTcpdump } from '../support/witness.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')

const folder = new TestFolder(t)

/** Records while `traffic` runs. */
async function recordDuring(
  capture: Capture,
  options: RecordOptions,
  traffic: () => unknown,
): Promise<{ files: RecordedFile[]; stats: RecordingStats }> {
  const recording = await capture.record(options)
  const files: RecordedFile[] = []
  recording.on('file', (file) => files.push(file))
  await traffic()
  const stats = await recording.stop()
  return { files, stats }
}

t.test('what is recorded is what tcpdump sees, and what JavaScript sees at the same time', async (t) => {
  const path = folder.fresh()
  const witness = await startTcpdump({ interface: 'eth0' })
  await using capture = await Capture.open({ interfaces: 'eth0', filter: 'udp' })
  const mine: Seen[] = []
  const reading = (async () => {
    for await (const chunk of capture) for (const packet of chunk) mine.push(seen(packet))
  })()
  const { files, stats } = await recordDuring(capture, { path, comment: ['one', 'two'] }, () =>
    send({ interface: 'eth0', count: 5000, size: 200, rate: 50_000 }),
  )
  await capture.stop()
  await reading
  await capture.close()
  const theirs = await witness.stop()

  t.equal(files.length, 1)
  const { packets, bytes, packetBytes, firstTimestamp, lastTimestamp } = files[0] as RecordedFile
  t.same({ packets, packetBytes }, { packets: 5000, packetBytes: 1_000_000 })
  t.equal(bytes, statSync(path).size)
  t.same({ ...stats }, { packets, packetBytes, bytes, files: 1, dropped: 0, otherLinkType: 0, waiting: 0 })
  t.same(folder.hidden(), [], 'nothing is left under a hidden name')

  const described = describe(path)
  t.equal(described.packets, 5000)
  t.equal(described.bytes, 1_000_000)
  for (const said of ['one', 'two', 'ringtap', 'Name = eth0', 'nanoseconds', 'Filter string = udp']) {
    t.match(described.text, said, said)
  }
  t.match(described.text, /Number of stat entries = 1/)
  t.same(statisticsIn(path), [{ received: 5000, dropped: 0, bySystem: 0, delivered: 5000 }])

  const read = dissect(path)
  t.equal(read[0]?.timestamp, firstTimestamp)
  t.equal(read.at(-1)?.timestamp, lastTimestamp)
  t.equal(JSON.parse(JSON.stringify(files[0])).lastTimestamp, String(lastTimestamp))
  t.same(
    read.map((packet) => [packet.interface, packet.direction, packet.timestamp]),
    mine.map((packet) => [packet.interface, packet.direction, packet.timestamp]),
    'interface, direction and time of each, to the nanosecond',
  )
  const data = bytesOf(path)
  t.ok(
    data.every((bytes, i) => Buffer.compare(bytes, mine[i]?.data as Uint8Array) === 0),
    'the bytes of each',
  )
  t.same(
    difference(
      data.map((bytes) => hex(bytes)),
      theirs.map((packet) => hex(packet.data)),
    ),
    { missing: [], surplus: [] },
    'as tcpdump has them',
  )
})

t.test('without an iteration nothing waits for JavaScript, and the ledger balances', async (t) => {
  const path = folder.fresh()
  await using capture = await Capture.open({
    interfaces: 'eth0',
    ring: { memory: 2 << 20, blockSize: 256 << 10 },
    overflow: { memory: 8 << 20 },
  })
  // Four times the capacity of ring and overflow memory, in steps that fit the 3 blocks which the capture thread keeps
  // free. Each is written before the next is sent: no loss, however little CPU time the threads get.
  const { stats } = await recordDuring(capture, { path }, () =>
    sendInSteps(capture, { interface: 'eth0', count: 40_000, size: 1000 }, 600, () => capture.stats().queued === 0),
  )
  t.equal(stats.packets, 40_000)
  t.same(numbersIn(path), range(0, 40_000), 'each once, in order')
  const ledger = capture.stats()
  t.same(imbalances(ledger), [])
  t.equal(ledger.delivered, 40_000)
  t.equal(ledger.overflow.used, 0)
  // From here on packets are delivered to JavaScript again.
  sendSync({ interface: 'eth0', count: 10, start: 40_000 })
  await capture.stop()
  const rest: number[] = []
  for await (const packet of capture.packets()) rest.push(sequenceOf(packet.data) as number)
  t.same(rest, range(40_000, 40_010), 'packets of after the recording')
  await capture.close()
})

for (const format of ['pcapng', 'pcap'] as const) {
  t.test(`rotation by packets loses and duplicates nothing, ${format}`, async (t) => {
    const path = folder.fresh(format)
    await using capture = await Capture.open({ interfaces: 'eth0' })
    const { files, stats } = await recordDuring(capture, { path, format, rotate: { packets: 2700 } }, () =>
      send({ interface: 'eth0', count: 10_000, rate: 100_000 }),
    )
    await capture.close()
    t.same(
      files.map(({ packets }) => packets),
      [2700, 2700, 2700, 1900],
      'as many in each as asked for',
    )
    t.same(
      files.map((file) => file.path),
      range(1, 5).map((i) => path.replace(/(?=\.\w+$)/, `-${String(i).padStart(6, '0')}`)),
    )
    t.same(
      files.flatMap((file) => numbersIn(file.path)),
      range(0, 10_000),
    )
    t.equal(stats.files, 4)
    t.ok(
      files.every(({ bytes, path }) => bytes === statSync(path).size),
      'sizes as told',
    )
    t.same(folder.hidden(), [])
  })
}

t.test('rotation by size keeps to the size and to the number of files', async (t) => {
  const path = folder.file('sized-%Y-%i.pcapng')
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const { files, stats } = await recordDuring(capture, { path, rotate: { size: 100_000 }, files: 3 }, () =>
    send({ interface: 'eth0', count: 10_000, rate: 100_000 }),
  )
  await capture.close()
  t.equal(stats.packets, 10_000)
  t.ok(files.length > 10)
  t.ok(
    files.every(({ bytes }) => bytes <= 100_000),
    'none is longer',
  )
  t.ok(
    files.slice(0, -1).every(({ bytes }) => bytes > 99_000),
    'and each is full',
  )
  const there = readdirSync(folder.path).filter((name) => name.startsWith('sized-'))
  t.same(
    there.sort(),
    files.slice(-3).map((file) => file.path.slice(folder.path.length + 1)),
    'the latest are there',
  )
  const last = files.slice(-3)
  const packets = last.reduce((sum, file) => sum + file.packets, 0)
  t.same(
    last.flatMap((file) => numbersIn(file.path)),
    range(10_000 - packets, 10_000),
  )
})

t.test('rotation by time works, and a second recording keeps the files of the first', async (t) => {
  const path = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const all: RecordedFile[] = []
  for (const start of [0, 100]) {
    const recording = await capture.record({ path, rotate: { milliseconds: 300 } })
    recording.on('file', (file) => all.push(file))
    await t.rejects(capture.record({ path }), { code: 'ERR_OPTION', message: /under way/ })
    for (const [i, from] of [start, start + 20].entries()) {
      sendSync({ interface: 'eth0', count: 20, start: from })
      const wanted = (start / 100) * 2 + i + 1
      await waitUntil(() => all.length >= wanted, 'the file to be complete without further packets')
    }
    await recording.stop()
  }
  await capture.close()
  t.same(
    all.map(({ path: one, packets }) => [one.slice(-10), packets]),
    [1, 2, 3, 4].map((i) => [`0${i}.pcapng`, 20].map((x) => (typeof x === 'string' ? `0${x}` : x))),
    'four files, numbered on, and no empty one',
  )
  t.same(
    all.flatMap((file) => numbersIn(file.path)),
    [...range(0, 40), ...range(100, 140)],
  )
})

for (const { table, skip } of tables) {
  t.test(`interfaces that appear and are renamed are recorded under their names, ${table}`, { skip }, async (t) => {
    const path = folder.fresh()
    await using capture = await Capture.open({
      interfaces: { include: '^(hot|cool)', exclude: '5$', hotplug: true },
      ring: { table },
    })
    const { stats } = await recordDuring(capture, { path, rotate: { packets: 17 } }, async () => {
      for (const i of range(0, 10)) {
        addVeth(`hot${i}`, `peer${i}`)
        sendSync({ interface: `hot${i}`, count: 5, label: i })
      }
      const renamed = new Promise<void>((resolve) => {
        capture.on('interface', ({ type }) => type === 'renamed' && resolve())
      })
      rename('hot3', 'cool3')
      await renamed
      sendSync({ interface: 'cool3', count: 5, start: 5, label: 3 })
    })
    t.equal(stats.packets, 50)
    t.same(imbalances(capture.stats()), [])
    await capture.close()
    const files = rotated(path)
    t.equal(files.length, 3)
    const packets = files.flatMap((file) => {
      const data = bytesOf(file)
      return dissect(file).map((packet, i) => `${packet.interface} ${sequenceOf(data[i] as Uint8Array)}`)
    })
    const wanted = range(0, 10).flatMap((i) => (i === 5 ? [] : range(0, 5).map((n) => `hot${i} ${n}`)))
    t.same(packets, [...wanted, ...range(5, 10).map((n) => `cool3 ${n}`)], 'each under its name of then')
    del(range(0, 10).map((i) => `peer${i}`))
  })
}

t.test('VLAN tags are put back, 802.1ad too', async (t) => {
  const path = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'far0' })
  const tci = 5 | (3 << 13)
  await recordDuring(capture, { path }, () => {
    sendSync({ interface: 'eth0', count: 5, vlan: tci, size: 100 })
    sendSync({ interface: 'eth0', count: 5, start: 5, vlan: 9, tpid: 0x88a8, size: 101 })
    sendSync({ interface: 'eth0', count: 5, start: 10, size: 102 })
  })
  await capture.close()
  const data = bytesOf(path)
  t.equal(data.length, 15)
  const wanted = (i: number) =>
    i < 5
      ? expectedFrame(i, { vlan: tci, size: 100 })
      : expectedFrame(i, i < 10 ? { vlan: 9, tpid: 0x88a8, size: 101 } : { size: 102 })
  t.ok(
    data.every((bytes, i) => Buffer.compare(bytes, wanted(i)) === 0),
    'the bytes as they were sent',
  )
  t.same(
    dissect(path).map(({ capturedLength, originalLength }) => [capturedLength, originalLength]),
    range(0, 15).map((i) => [100 + Math.floor(i / 5), 100 + Math.floor(i / 5)]),
    'and the lengths',
  )
})

t.test(
  'several link types go into one pcapng file, but not into a pcap file',
  { skip: tunAvailable() ? false : 'no access to /dev/net/tun' },
  async (t) => {
    const tun = await openTun('tun0')
    const path = folder.fresh()
    await using capture = await Capture.open({ interfaces: ['eth0', 'tun0'] })
    await t.rejects(capture.record({ path, format: 'pcap' }), { code: 'ERR_OPTION', message: /eth0 1, tun0 101/ })
    await recordDuring(capture, { path }, async () => {
      sendSync({ interface: 'eth0', count: 3 })
      await tun.write({ count: 4 })
    })
    await capture.close()
    t.same(
      dissect(path).map((packet) => packet.interface),
      ['eth0', 'eth0', 'eth0', 'tun0', 'tun0', 'tun0', 'tun0'],
      'are all in one pcapng file',
    )
    t.match(describe(path).text, /Encapsulation = Raw IP/)
    await tun.close()

    const late = folder.fresh('pcap')
    await using plugged = await Capture.open({ interfaces: { include: '^(eth0|tun1)$', hotplug: true } })
    const warnings: string[] = []
    plugged.on('warning', ({ message }) => warnings.push(message))
    const { stats } = await recordDuring(plugged, { path: late, format: 'pcap', rotate: { packets: 4 } }, async () => {
      const tun = await openTun('tun1')
      await tun.write({ count: 4 })
      sendSync({ interface: 'eth0', count: 6 })
      await tun.close()
    })
    await plugged.close()
    t.equal(stats.packets, 6)
    t.equal(stats.otherLinkType, 4, 'a pcap file leaves out what comes later, and it is counted')
    t.match(warnings.join(), /another link type/, 'and warned of')
  },
)

t.test('pcap is written in micro- and nanoseconds', async (t) => {
  for (const precision of ['nanoseconds', 'microseconds'] as const) {
    const path = folder.fresh('pcap')
    await using capture = await Capture.open({ interfaces: 'eth0' })
    const { files } = await recordDuring(capture, { path, format: 'pcap', precision }, () =>
      sendSync({ interface: 'eth0', count: 100 }),
    )
    await capture.close()
    const { packets, linkType } = parsePcap(readFileSync(path))
    t.equal(linkType, 1)
    t.equal(packets.length, 100)
    const unit = precision === 'nanoseconds' ? 1n : 1000n
    t.equal(packets[0]?.timestampNs, ((files[0]?.firstTimestamp as bigint) / unit) * unit)
    t.equal(describe(path).packets, 100)
  }
})

t.test('a recording ends with stop() and close() of its capture', async (t) => {
  const closed = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const recording = await capture.record({ path: closed })
  sendSync({ interface: 'eth0', count: 100 })
  await capture.stop()
  t.equal((await recording.finished).packets, 100, 'with the capture that is stopped')
  await t.rejects(capture.record({ path: folder.fresh() }), { code: 'ERR_CLOSED' })
  await capture.close()
  t.same(numbersIn(closed), range(0, 100))

  await using other = await Capture.open({ interfaces: 'eth0' })
  const path = folder.fresh()
  const open = await other.record({ path })
  sendSync({ interface: 'eth0', count: 100 })
  await waitUntil(() => open.stats().packets === 100, 'the packets to be written')
  await other.close()
  const stats = await open.finished
  t.equal(stats.packets, 100, 'with the capture that is closed')
  t.equal(await open.stop(), stats)
  t.equal(describe(path).packets, 100)
  t.same(folder.hidden(), [])

  const empty = folder.fresh()
  await using idle = await Capture.open({ interfaces: 'eth0' })
  t.equal((await (await idle.record({ path: empty })).stop()).files, 1)
  t.equal(describe(empty).packets, 0, 'a recording without packets is a file without packets')
  await idle.close()
})

t.test('wrong options are refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const path = folder.fresh()
  const wrong: [unknown, RegExp][] = [
    [undefined, /options must be/],
    [{}, /path must be the path of a file/],
    [{ path: 'a/' }, /path must be/],
    [{ path: 'a%x' }, /path has %x/],
    [{ path, rotat: {} }, /rotat is not an option/],
    [{ path, rotate: {} }, /at least one of/],
    [{ path, rotate: { size: 1 } }, /rotate.size must be/],
    [{ path, rotate: { milliseconds: 0 } }, /rotate.milliseconds must be/],
    [{ path, rotate: { seconds: 60 } }, /rotate.seconds is not an option; use rotate.milliseconds/],
    [{ path, rotate: { packets: 1.5 } }, /rotate.packets must be/],
    [{ path, files: 3 }, /files is only of use with rotate/],
    [{ path, minimumFree: -1 }, /minimumFree must be/],
    [{ path, sync: 'always' }, /sync must be/],
    [{ path, format: 'erf' }, /format must be/],
    [{ path, format: 'pcap', comment: 'x' }, /comment must be/],
    [{ path, precision: 'microseconds' }, /precision must be/],
    [{ path, comment: 7 }, /comment must be/],
  ]
  for (const [options, message] of wrong) {
    await t.rejects(capture.record(options as RecordOptions), { code: 'ERR_OPTION', message })
  }
  await t.rejects(capture.record({ path: folder.file('no', 'such', 'folder') }), {
    code: 'ERR_SYSTEM',
    syscall: 'open',
  })
  const first = await capture.record({ path })
  await first.stop()
  await t.rejects(capture.record({ path }), { code: 'ERR_SYSTEM', errno: 17, message: /is there already/ })
  t.same(folder.hidden(), [])
})
