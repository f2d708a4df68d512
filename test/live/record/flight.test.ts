// The newest packets in memory, and dumps of them: to the packet, whatever else reads the capture at the same time.
import { existsSync, statSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Capture,
  type FlightDump,
  type FlightDumpOptions,
  type FlightRecorder,
  type FlightRecorderOptions,
} from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { blocksIn, describe, dissect, numbersIn, statisticsIn, timesIn } from '../../helpers/wireshark.js'
import { drainBacklog } from '../support/backlog.js'
import { holdThread } from '../support/hold-thread.js'
import { sendInSteps } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, rename } from '../support/network.js'
import { send, sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { patience, waitUntil, within } from '../support/wait.js'
import { ways } from '../support/ways.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')
addVeth('eth1', 'far1')

const folder = new TestFolder(t)

/** Dumps into a new file. */
async function dumped(
  recorder: FlightRecorder,
  options?: FlightDumpOptions,
): Promise<{ path: string; dump: FlightDump; numbers: number[] }> {
  const path = folder.fresh()
  const dump = await within(recorder.dump(path, options), 'the dump')
  // editcap reads no file without an interface.
  return { path, dump, numbers: dump.packets === 0 ? [] : numbersIn(path) }
}

for (const { way, options, skip } of ways) {
  t.test(`a dump has all that was received before it, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', filter: 'udp', ...options })
    await using recorder = capture.flightRecorder()
    await sendInSteps(capture, { interface: 'eth0', count: 5000, size: 300 }, 500)
    const { path, dump, numbers } = await dumped(recorder, { comment: 'the alarm', application: 'sensor' })
    t.same(numbers, range(0, 5000), 'each once, in order')
    const times = timesIn(path)
    t.same([dump.packets, dump.firstTimestamp, dump.lastTimestamp], [5000, times[0], times.at(-1)])
    t.same([dump.packetBytes, dump.bytes], [5000 * 300, statSync(path).size])
    t.same([dump.lost, dump.overwritten, dump.from], [0, 0, 0n])
    t.ok(dump.to > dump.lastTimestamp)
    t.same(statisticsIn(path), [{ received: 5000, dropped: 0, bySystem: 0, delivered: 5000 }])
    const { text } = describe(path)
    for (const said of ['the alarm', 'sensor', 'Name = eth0', 'Filter string = udp']) t.match(text, said, said)
    const stats = capture.stats()
    t.same(imbalances(stats), [])
    t.equal(stats.delivered, 5000, 'nobody else takes them')
    if (way !== 'pcap') t.equal(stats.overflow.used, 0)
    t.same(folder.hidden(), [])
    const parsed = JSON.parse(JSON.stringify(dump))
    t.equal(parsed.lastTimestamp, String(dump.lastTimestamp))
    t.equal(recorder.stats().packets, 5000)
  })
}

t.test('dumps that overlap have every packet of their spans once, on both sides of the call', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const whole = folder.fresh()
  const recording = await capture.record({ path: whole })
  await using recorder = capture.flightRecorder()
  const dumps: { path: string; done: Promise<FlightDump> }[] = []
  const sending = send({ interface: 'eth0', count: 20_000, rate: 10_000, size: 100 })
  await waitUntil(() => recorder.stats().packets > 0, 'the first packets')
  for (const [before, after] of [
    [0.2, 0.4],
    [0.5, 0],
    [0, 0.3],
    [0.25, 0.25],
    [1e9, 1.5],
  ] as const) {
    await sleep(200)
    const path = folder.fresh()
    dumps.push({ path, done: recorder.dump(path, { before, after }) })
  }
  await sending
  drainBacklog()
  const results = await within(Promise.all(dumps.map(({ done }) => done)), 'the dumps')
  await recording.stop()
  t.same(imbalances(capture.stats()), [])
  t.equal(capture.stats().droppedByRing, 0)
  // The recording is written by another recorder, which knows no span.
  const all = timesIn(whole).map((timestamp, number) => ({ timestamp, number }))
  t.equal(all.length, 20_000)
  for (const [i, { path }] of dumps.entries()) {
    const { from, to, packets, overwritten } = results[i] as FlightDump
    const wanted = all.filter(({ timestamp }) => timestamp >= from && timestamp <= to).map(({ number }) => number)
    t.same(numbersIn(path), wanted, `${wanted.length} packets`)
    t.same([packets, overwritten], [wanted.length, 0])
    t.ok(wanted.length > 0 && (i === 4 || wanted.length < 20_000))
  }
})

t.test('the memory is bounded, and has the newest packets', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using recorder = capture.flightRecorder({ memory: 1 << 20 })
  let max = 0
  for (const start of range(0, 40_000, 1000)) {
    await sendInSteps(capture, { interface: 'eth0', count: 1000, start, size: 200 }, 500)
    max = Math.max(max, recorder.stats().memory)
  }
  t.ok(max <= 1 << 20 && max > 900_000, `${max} bytes`)
  await dumped(recorder) // then all packets are in the memory, and none drives out others during the next dump
  const { dump, numbers } = await dumped(recorder)
  t.ok(numbers.length > 3500 && numbers.length < 5000, `${numbers.length} packets of 248 bytes each`)
  t.same(numbers, range(40_000 - numbers.length, 40_000), 'the last ones, without a gap')
  t.same([dump.packets, dump.overwritten, dump.lost], [numbers.length, 0, 0])
  t.equal(capture.stats().delivered, 40_000)
  t.same(imbalances(capture.stats()), [])
})

t.test('packets are dropped when they are older than seconds', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using recorder = capture.flightRecorder({ seconds: 2 })
  sendSync({ interface: 'eth0', count: 100 })
  t.ok([0, 100].includes((await dumped(recorder)).numbers.length), 'in memory, unless they are too old by now')
  await waitUntil(() => recorder.stats().packets === 0, 'the packets to be dropped')
  t.equal(recorder.stats().memory, 0)
  sendSync({ interface: 'eth0', count: 100, start: 100 })
  t.same((await dumped(recorder)).numbers, range(100, 200))
})

t.test('a filter and names of interfaces choose what a dump has', async (t) => {
  await using capture = await Capture.open({ interfaces: { include: ['^eth', '^ren'], hotplug: true } })
  await using recorder = capture.flightRecorder()
  for (const [label, name] of ['eth0', 'eth1'].entries())
    sendSync({ interface: name, count: 20, label, size: 100 + label })
  const renamed = new Promise<void>((resolve) => {
    capture.on('interface', ({ type }) => type === 'renamed' && resolve())
  })
  rename('eth1', 'ren1')
  await renamed
  sendSync({ interface: 'ren1', count: 20, start: 20, size: 101 })
  const names = (path: string) => dissect(path).map((packet) => packet.interface)
  const both = await dumped(recorder)
  t.same(names(both.path), [...Array(20).fill('eth0'), ...Array(20).fill('eth1'), ...Array(20).fill('ren1')])
  const one = await dumped(recorder, { interfaces: 'eth1' })
  t.same([one.numbers, new Set(names(one.path))], [range(0, 20), new Set(['eth1'])])
  t.equal(statisticsIn(one.path).length, 1, 'only what is chosen is described')
  const two = await dumped(recorder, { interfaces: ['eth0', 'ren1'] })
  t.same(names(two.path), [...Array(20).fill('eth0'), ...Array(20).fill('ren1')])
  const patterns: [FlightDumpOptions['interfaces'], string[]][] = [
    [{ include: /^(eth|ren)1$/ }, ['eth1', 'ren1']],
    [{ include: '[[:digit:]]$', exclude: '^ren' }, ['eth0', 'eth1']],
    [{ exclude: ({ name }) => name === 'eth1' }, ['eth0', 'ren1']],
  ]
  for (const [interfaces, chosen] of patterns) {
    const some = await dumped(recorder, { interfaces })
    t.same(
      names(some.path),
      chosen.flatMap((name) => Array(20).fill(name)),
      chosen.join(),
    )
  }
  const fails = () => {
    throw new Error('no idea')
  }
  const failing = folder.fresh()
  await t.rejects(recorder.dump(failing, { interfaces: { include: fails } }), {
    code: 'ERR_PATTERN',
    message: /no idea/,
  })
  await t.rejects(recorder.dump(failing, { interfaces: { include: '(' } }), { code: 'ERR_PATTERN' })
  t.notOk(existsSync(failing))
  const long = await dumped(recorder, { filter: 'greater 101' })
  t.same(names(long.path), [...Array(20).fill('eth1'), ...Array(20).fill('ren1')])
  const none = await dumped(recorder, { interfaces: 'eth7' })
  t.same([none.dump.packets, none.dump.firstTimestamp, describe(none.path).packets], [0, 0n, 0])
  const path = folder.fresh()
  await t.rejects(recorder.dump(path, { filter: 'no such word' }), { code: 'ERR_FILTER_SYNTAX' })
  t.notOk(existsSync(path))
  t.same(folder.hidden(), [])
  rename('ren1', 'eth1')
})

const small = {
  interfaces: 'eth0',
  ring: { memory: 8 << 20, blockSize: 256 << 10 },
  overflow: { memory: 0 },
} as const

for (const { table, skip } of tables) {
  t.test(`a dump has the losses of its span, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({ ...small, ring: { ...small.ring, table } })
    await using recorder = capture.flightRecorder()
    sendSync({ interface: 'eth0', count: 10, size: 1000 })
    t.equal((await dumped(recorder)).dump.lost, 0)
    const release = await holdThread('ringtap')
    t.teardown(release)
    sendSync({ interface: 'eth0', count: 30_000, start: 10, size: 1000 })
    await release()
    const { path, dump, numbers } = await dumped(recorder)
    // Without overflow memory, blocks that the recorder is late for make room in the ring.
    const { droppedByRing, droppedByRecorder } = capture.stats()
    t.ok(droppedByRing > 10_000, `${droppedByRing} lost by the ring, ${droppedByRecorder} by the recorder`)
    t.same([recorder.stats().dropped, dump.overwritten], [droppedByRecorder, 0])
    t.equal(dump.lost, droppedByRing + droppedByRecorder)
    t.equal(numbers.length, 30_010 - dump.lost)
    if (table === 'ebpf') {
      const [told] = statisticsIn(path)
      t.same(told, { received: 30_010, dropped: dump.lost, bySystem: droppedByRing, delivered: numbers.length })
    } else {
      t.match(blocksIn(path).at(-1), `${droppedByRing} packets were lost in the kernel's ring, of all interfaces`)
    }
    // What was lost before a span is not in its statistics.
    sendSync({ interface: 'eth0', count: 10, start: 50_000 })
    await waitUntil(() => capture.stats().delivered === numbers.length + 10, 'the packets')
    t.equal((await dumped(recorder, { before: 0, after: 0.01 })).dump.lost, 0)
    t.same(imbalances(capture.stats()), [])
  })
}

t.test('an iteration, a recording and batches go on beside it, and the ledger stays', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using recorder = capture.flightRecorder()
  const iterated: number[] = []
  const iterating = (async () => {
    for await (const chunk of capture) {
      for (const packet of chunk) iterated.push(sequenceOf(packet.data) as number)
      if (iterated.length >= 2000) break
    }
  })()
  const path = folder.fresh()
  const recording = await capture.record({ path })
  await sendInSteps(capture, { interface: 'eth0', count: 2000 }, 500, (next) => iterated.length >= next)
  await iterating
  t.equal((await recording.stop()).packets, 2000)
  t.same(numbersIn(path), range(0, 2000))
  t.same(iterated, range(0, 2000))

  const packed: number[] = []
  const packing = capture.batches({ milliseconds: 10 })
  sendSync({ interface: 'eth0', count: 2000, start: 2000 })
  for await (const { bytes, lost } of packing) {
    packed.push(...numbersIn(folder.write(bytes)))
    t.equal(lost.total, 0)
    if (packed.length >= 2000) break
  }
  t.same(packed, range(2000, 4000))
  const { dump, numbers } = await dumped(recorder)
  t.same(numbers, range(0, 4000))
  t.equal(dump.lost, 0)
  t.equal(capture.stats().delivered, 4000, 'each once')
  t.same(imbalances(capture.stats()), [])
})

t.test('what nobody else takes is delivered once, and waits for nobody', async (t) => {
  await using capture = await Capture.open({ ...small, overflow: { memory: 4 << 20 } })
  sendSync({ interface: 'eth0', count: 100, size: 1000 })
  await waitUntil(() => capture.stats().queued === 100, 'the packets to wait')
  const recorder = capture.flightRecorder({ memory: 4 << 20 })
  // More than ring and overflow memory hold, in steps that the recorder has taken as well.
  const isTaken = (next: number) => capture.stats().delivered === next - 100
  await sendInSteps(capture, { interface: 'eth0', count: 20_000, start: 100, size: 1000 }, 500, isTaken)
  const stats = capture.stats()
  t.same([stats.delivered, stats.droppedByRing, stats.droppedByRecorder], [20_000, 0, 0])
  t.equal(stats.queued + stats.droppedByOverflow, 100, 'those from before wait for JavaScript, or made room')
  await recorder.stop()
  sendSync({ interface: 'eth0', count: 50, start: 30_000 })
  await waitUntil(() => capture.stats().queued === stats.queued + 50, 'later packets to wait again')
  await capture.stop()
  let read = 0
  for await (const chunk of capture) read += chunk.packetCount
  t.equal(read, stats.queued + 50)
  t.same(imbalances(capture.stats()), [])
})

t.test('a dump goes into a stream, as fast as that takes it; what is overwritten meanwhile is counted', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using recorder = capture.flightRecorder({ memory: 2 << 20 })
  await sendInSteps(capture, { interface: 'eth0', count: 6000, size: 200 }, 500)
  const stream = new PassThrough({ highWaterMark: 1 })
  const dumping = recorder.dump(stream, { after: 1 })
  await sendInSteps(capture, { interface: 'eth0', count: 30_000, start: 6000, size: 200 }, 500)
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  const dump = await dumping
  const bytes = Buffer.concat(pieces)
  t.equal(bytes.length, dump.bytes)
  const path = folder.write(bytes)
  const numbers = numbersIn(path)
  t.equal(numbers.length, dump.packets)
  t.ok(dump.overwritten > 0, `${dump.overwritten} overwritten`)
  t.same(
    numbers.filter((number, i) => i > 0 && number <= (numbers[i - 1] as number)),
    [],
    'in order, none twice',
  )
  const gaps = numbers.reduce((sum, number, i) => sum + (i === 0 ? number : number - (numbers[i - 1] as number) - 1), 0)
  t.ok(dump.overwritten >= gaps)
  t.match(blocksIn(path).at(-1), `${dump.overwritten} packets of all interfaces were overwritten`)
})

t.test('a dump ends with its signal, with a stream that fails and with a path that exists', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  await using recorder = capture.flightRecorder()
  sendSync({ interface: 'eth0', count: 1000, size: 1000 })
  const reason = new Error('enough')
  await t.rejects(recorder.dump(folder.fresh(), { signal: AbortSignal.abort(reason) }), reason)
  for (const target of [folder.fresh(), new PassThrough({ highWaterMark: 1 })]) {
    const controller = new AbortController()
    const dumping = recorder.dump(target, { after: 1000, signal: controller.signal })
    setTimeout(() => controller.abort(reason), 100)
    await t.rejects(within(dumping, 'the abort'), reason)
  }
  const broken = new PassThrough({ highWaterMark: 1 })
  setTimeout(() => broken.destroy(new Error('gone')), 100)
  await t.rejects(within(recorder.dump(broken, { after: 0.5 }), 'the failure'), { code: 'ERR_SYSTEM', message: /gone/ })
  const { path } = await dumped(recorder)
  await t.rejects(recorder.dump(path), { code: 'ERR_SYSTEM', message: /is there already/ })
  t.equal(numbersIn(path).length, 1000, 'it is as it was')
  await t.rejects(recorder.dump(folder.file('no', 'such', 'folder')), { code: 'ERR_SYSTEM' })
})

t.test('it ends with stop(); after the end of the capture it still has what it had', async (t) => {
  const capture = await Capture.open({ interfaces: 'eth0' })
  const first = capture.flightRecorder()
  t.throws(() => capture.flightRecorder(), { code: 'ERR_OPTION', message: /has a flight recorder/ })
  sendSync({ interface: 'eth0', count: 10 })
  await waitUntil(() => capture.stats().delivered === 10, 'the packets')
  const path = folder.fresh()
  const dumping = first.dump(path, { after: 1000 })
  await within(first.stop(), 'the stop')
  t.equal((await within(dumping, 'the dump')).packets, 10, 'a dump ends with the recorder')
  t.same(numbersIn(path), range(0, 10))
  t.equal(first.stats().memory, 0)
  await t.rejects(first.dump(folder.fresh()), { code: 'ERR_CLOSED' })

  const second = capture.flightRecorder()
  sendSync({ interface: 'eth0', count: 10, start: 10 })
  await capture.stop()
  t.throws(() => capture.flightRecorder(), { code: 'ERR_CLOSED' })
  t.same((await dumped(second)).numbers, range(10, 20), 'after stop()')
  const late = second.dump(folder.fresh(), { after: 1000 })
  await capture.close()
  t.equal((await within(late, 'the dump')).packets, 10)
  t.same((await dumped(second)).numbers, range(10, 20), 'after close()')
  await second.stop()
  t.equal(second.stats().packets, 0)
  t.same(imbalances(capture.stats()), [])
})

t.test('wrong options are refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const wrong: [unknown, RegExp][] = [
    [null, /options must be/],
    [{ memory: 1000 }, /memory must be/],
    [{ seconds: 0 }, /seconds must be/],
    [{ seconds: '1' }, /seconds must be/],
    [{ bytes: 1 << 20 }, /bytes is not an option/],
  ]
  for (const [options, message] of wrong) {
    t.throws(() => capture.flightRecorder(options as FlightRecorderOptions), { code: 'ERR_OPTION', message })
  }
  await using recorder = capture.flightRecorder()
  const refused: [unknown, unknown, RegExp][] = [
    [7, {}, /target must be a path or a writable stream/],
    ['-', {}, /not standard output/],
    ['x.pcapng.gz', {}, /not compressed/],
    ['x', { before: -1 }, /before must be/],
    ['x', { after: Number.NaN }, /after must be/],
    ['x', { filter: 7 }, /filter must be/],
    ['x', { interfaces: [] }, /interfaces must name at least one/],
    ['x', { interfaces: ['eth0', 7] }, /interfaces\[1\] must be/],
    ['x', { interfaces: /eth/ }, /write { include/],
    ['x', { seconds: 7 }, /seconds is not an option/],
  ]
  for (const [target, options, message] of refused) {
    await t.rejects(recorder.dump(target as string, options as FlightDumpOptions), { code: 'ERR_OPTION', message })
  }
})
