import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { CaptureError, type ReplayOptions, type ReplayProgress, replay } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { range } from '../../helpers/range.js'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { captureDuring } from '../support/collect.js'
import { expectedFrame } from '../support/frame.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del, down, ip, link, up } from '../support/network.js'
import { stayOnOneProcessor } from '../support/one-processor.js'
import { descriptors, settle } from '../support/process.js'
import { send } from '../support/send.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { block, patience, sleep, waitUntil } from '../support/wait.js'
import { startTcpdump } from '../support/witness.js'

stayOnOneProcessor() // frames arrive in the order in which they are sent
addVeth('eth0', 'far0')
const folder = new TestFolder(t)

const date = 1_700_000_000_000_000_000n

interface Given {
  data: Uint8Array
  /** Default: one microsecond after the previous packet. */
  timestampNs?: bigint
  originalLength?: number
}

/** The bytes of a pcap file with these packets. */
function pcapBytes(packets: readonly Given[], linkType = 1): Buffer {
  let time = date
  const timed = packets.map(({ timestampNs, ...packet }) => {
    time = timestampNs ?? time + 1000n
    return { time, ...packet }
  })
  return pcap(timed, { nanoseconds: true, linkType })
}

let files = 0
/** A file with these packets. */
function file(packets: readonly Given[], linkType = 1): string {
  const path = folder.file(`${files++}.pcap`)
  writeFileSync(path, pcapBytes(packets, linkType))
  return path
}

const ms = (milliseconds: number) => BigInt(milliseconds) * 1_000_000n
/** Numbered frames at these times, in milliseconds. */
const at = (times: readonly number[]) =>
  file(times.map((time, i) => ({ data: expectedFrame(i), timestampNs: date + ms(time) })))
const hour = 3_600_000

/** The packets received on far0 while the file is sent on eth0. */
async function replayed(path: string, options: Partial<ReplayOptions> = {}) {
  const begun = BigInt(Date.now()) * 1_000_000n
  const outcome: { result?: Awaited<ReturnType<typeof replay>> } = {}
  const { packets } = await captureDuring({ interfaces: 'far0' }, async () => {
    outcome.result = await replay(path, { interface: 'eth0', speed: 'fastest', ...options })
  })
  const result = outcome.result as Awaited<ReturnType<typeof replay>>
  return { result, packets, numbers: packets.map(({ number }) => number), begun }
}

t.test('at full speed every packet of the file is sent, byte for byte and in order', async (t) => {
  const list = range(0, 20_000).map((i) => expectedFrame(i, { size: [60, 64, 577, 1514][i % 4] as number }))
  const witness = await startTcpdump({ interface: 'far0' })
  const { result, packets } = await replayed(file(list.map((data) => ({ data }))))
  t.match(result, { sent: 20_000, refused: 0, refusals: [], passes: 1, lateness: undefined, warnings: [] })
  t.equal(
    result.bytes,
    list.reduce((sum, { length }) => sum + length, 0),
  )
  t.ok(result.seconds > 0)
  t.equal(result.packetsPerSecond, 20_000 / result.seconds)
  t.ok(
    packets.length === list.length && packets.every(({ data }, i) => hex(data) === hex(list[i] as Uint8Array)),
    'at a capture',
  )
  await witness.waitFor(20_000)
  const seen = await witness.stop()
  t.ok(
    seen.length === list.length && seen.every(({ data }, i) => hex(data) === hex(list[i] as Uint8Array)),
    'at tcpdump',
  )
})

t.test('files that tcpdump wrote are sent, with VLAN tags, also compressed', async (t) => {
  const path = folder.file('tcpdump.pcap')
  const witness = await startTcpdump({ interface: 'far0' })
  await send({ interface: 'eth0', count: 500, size: 200 })
  await send({ interface: 'eth0', count: 500, start: 500, size: 204, vlan: 0xa007 })
  await witness.waitFor(1000)
  const original = await witness.stop()
  writeFileSync(path, pcapBytes(original))
  writeFileSync(`${path}.gz`, gzipSync(pcapBytes(original)))
  const { status, stderr } = spawnSync('tcpdump', ['-r', path, '-w', `${path}.again`, '-Z', 'root'], {
    encoding: 'utf8',
  })
  t.equal(status, 0, stderr)
  for (const name of [`${path}.again`, `${path}.gz`]) {
    const second = await startTcpdump({ interface: 'far0' })
    t.match(await replay(name, { interface: 'eth0', speed: 'fastest' }), { sent: 1000, refused: 0 })
    await second.waitFor(1000)
    t.strictSame(
      (await second.stop()).map(({ data }) => hex(data)),
      original.map(({ data }) => hex(data)),
    )
  }
})

t.test('no packet is sent before its time in the file, times the speed', async (t) => {
  // Packets due at the same time, long and short gaps, and one out of order.
  const times = [0, 0, 0, 5, 6, 100, 100, 95, 101, 350, 350.5, 400]
  const path = file(
    times.map((time, i) => ({ data: expectedFrame(i), timestampNs: date + BigInt(Math.round(time * 1e6)) })),
  )
  const due = times.map((_, i) => Math.max(...times.slice(0, i + 1)))
  for (const speed of [1, 4, 0.5]) {
    const { result, packets, numbers, begun } = await replayed(path, { speed })
    t.strictSame(numbers, range(0, times.length), `speed ${speed}`)
    t.match(result, { sent: 12, refused: 0 })
    // The clock of packet timestamps may be slewed relative to the clock of the timers, hence the tolerance.
    const early = packets.filter(
      ({ timestamp }, i) => timestamp < begun + BigInt(Math.round(((due[i] as number) / speed) * 1e6)) - ms(1),
    )
    t.strictSame(early, [])
    t.ok(result.seconds * 1000 * speed >= 400, `${result.seconds} s`)
    t.ok(result.lateness && result.lateness.mean >= 0 && result.lateness.max >= result.lateness.mean)
    t.comment(`speed ${speed}: late by ${result.lateness?.mean} ms, at most ${result.lateness?.max} ms`)
  }
})

t.test('a replay continues while JavaScript is blocked', async (t) => {
  const path = at(range(0, 100).map((i) => i * 2))
  const before = link('eth0').stats64.tx.packets
  const running = replay(path, { interface: 'eth0' })
  // The event loop does not turn here.
  const sent = () => link('eth0').stats64.tx.packets - before
  const end = performance.now() + 20_000 * patience
  while (sent() < 100 && performance.now() < end) block(20)
  t.equal(sent(), 100, 'sent before the event loop turned')
  t.match(await running, { sent: 100 })
})

t.test('loop repeats the file', async (t) => {
  const path = at([0, 1, 2, 3, 20])
  const { result, numbers, packets, begun } = await replayed(path, { speed: 1, loop: 3 })
  t.strictSame(numbers, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
  t.match(result, { sent: 15, passes: 3 })
  t.ok((packets[14]?.timestamp as bigint) >= begun + ms(59), 'each pass takes its time')

  const fast = await replayed(path, { loop: 1000 })
  t.match(fast.result, { sent: 5000, passes: 1000 })
  t.strictSame(
    fast.numbers,
    range(0, 5000).map((i) => i % 5),
  )

  const controller = new AbortController()
  const seen: ReplayProgress[] = []
  const reason = new Error('enough')
  const endless = replay(path, {
    interface: 'eth0',
    loop: Number.POSITIVE_INFINITY,
    signal: controller.signal,
    onProgress: (progress) => {
      seen.push(progress)
      if (progress.passes >= 3) controller.abort(reason)
    },
  })
  await t.rejects(endless, reason)
  t.ok((seen.at(-1)?.sent ?? 0) >= 10, 'what was sent by then is told')
  t.match(await replay(file([]), { interface: 'eth0', loop: Number.POSITIVE_INFINITY }), { sent: 0, passes: 1 })
})

t.test('packets that cannot be sent are counted by cause and position', async (t) => {
  ip('link', 'set', 'eth0', 'mtu', '1000')
  const list: Given[] = range(0, 300).map((i) => ({ data: expectedFrame(i) }))
  list[5] = { data: expectedFrame(5), originalLength: 65 }
  list[299] = { data: expectedFrame(299), originalLength: 1500 }
  list[70] = { data: expectedFrame(70, { size: 1015 }) }
  list[71] = { data: expectedFrame(71, { size: 1014 }) }
  list[0] = { data: new Uint8Array(13) }
  const { result, numbers } = await replayed(file(list))
  t.match(result, {
    sent: 296,
    bytes: 295 * 64 + 1014,
    refused: 4,
    refusals: [
      { cause: 'too-short', errorName: 'EINVAL', count: 1, positions: [0] },
      { cause: 'truncated', errno: undefined, count: 2, positions: [5, 299] },
      { cause: 'too-long', errorName: 'EMSGSIZE', count: 1, positions: [70] },
    ],
  })
  t.strictSame(
    numbers,
    range(0, 300).filter((i) => ![0, 5, 70, 299].includes(i)),
  )
  ip('link', 'set', 'eth0', 'mtu', '1500')

  down('eth0')
  t.match(await replay(at([0, 0, 0]), { interface: 'eth0' }), {
    sent: 0,
    refusals: [{ cause: 'interface-down', errorName: 'ENETDOWN', count: 3, positions: [0, 1, 2] }],
  })
  up('eth0')

  // The device is removed during the replay: later packets are refused, at their due times.
  addVeth('gone0', 'gone1')
  const { packets } = await captureDuring({ interfaces: 'gone1' }, async (capture) => {
    const running = replay(at([0, 1, 2, 4000, 4001]), { interface: 'gone0' })
    await waitUntil(() => capture.stats().received === 3, 'the first three')
    del('gone0')
    t.match(await running, { sent: 3, refusals: [{ cause: 'interface-gone', count: 2, positions: [3, 4] }] })
  })
  t.equal(packets.length, 3)
})

t.test(
  'packets of the link type of the interface are sent, others refused',
  { skip: tunAvailable() ? false : 'no access to /dev/net/tun' },
  async (t) => {
    const tun = await openTun('tun0')
    const raw = range(0, 10).map((i) => ({ data: expectedFrame(i, { raw: true }) }))
    const { packets } = await captureDuring({ interfaces: 'tun0' }, async () => {
      // LINKTYPE_RAW, LINKTYPE_IPV4
      for (const type of [101, 228]) {
        t.match(await replay(file(raw, type), { interface: 'tun0', speed: 'fastest' }), { sent: 10, refused: 0 })
      }
      t.match(await replay(at([0, 0]), { interface: 'tun0' }), {
        sent: 0,
        refusals: [{ cause: 'link-type', errno: undefined, count: 2, positions: [0, 1] }],
      })
    })
    t.strictSame(
      packets.map(({ data }) => hex(data)),
      [...raw, ...raw].map(({ data }) => hex(data)),
    )
    for (const type of [101, 113]) {
      t.match(await replay(file(raw, type), { interface: 'eth0', speed: 'fastest' }), {
        sent: 0,
        refusals: [{ cause: 'link-type', count: 10 }],
      })
    }
    await tun.close()
  },
)

t.test('only packets that the filter accepts are sent, at their time', async (t) => {
  const path = file(
    range(0, 100).map((i) => ({
      data: expectedFrame(i, { port: i % 10 === 3 ? 53 : 9, size: i === 53 ? 1600 : 64 }),
      timestampNs: date + ms(i),
    })),
  )
  const { result, numbers } = await replayed(path, { filter: 'udp port 53', speed: 1 })
  t.strictSame(numbers, [3, 13, 23, 33, 43, 63, 73, 83, 93])
  t.match(result, { sent: 9, refusals: [{ cause: 'too-long', positions: [5] }] }, 'places count what is accepted')
  t.ok(result.seconds >= 0.09, 'the first one that is accepted begins')
})

t.test('maxGap shortens gaps', async (t) => {
  const { numbers, result } = await replayed(at([0, 10, hour, hour + 5, 2 * hour, 6]), { speed: 1, maxGap: 10 })
  t.strictSame(numbers, range(0, 6))
  t.ok(result.seconds >= 0.035)
})

const sentOn = (name: string) => link(name).stats64.tx.packets

t.test('an abort during a gap ends the replay at once and leaks nothing', async (t) => {
  const path = at([0, hour])
  const round = async () => {
    const controller = new AbortController()
    const sent = sentOn('eth0')
    const running = replay(path, { interface: 'eth0', signal: controller.signal })
    const rejected = t.rejects(running, { message: 'enough' })
    await waitUntil(() => sentOn('eth0') > sent, 'the packet ahead of the gap')
    controller.abort(new Error('enough'))
    await rejected
  }
  await round()
  const before = await settle()
  const open = descriptors().sort()
  for (let i = 0; i < 20; i++) await round()
  t.strictSame(descriptors().sort(), open)
  t.equal((await settle()).threads, before.threads)
  const reason = new Error('before')
  await t.rejects(replay(path, { interface: 'eth0', signal: AbortSignal.abort(reason) }), reason)
  const late = new AbortController()
  const starting = replay(path, { interface: 'eth0', signal: late.signal })
  late.abort(reason)
  await t.rejects(starting, reason, 'before it has begun')
})

t.test('progress is reported', async (t) => {
  const seen: ReplayProgress[] = []
  const result = await replay(at([0, 0, 700]), { interface: 'eth0', onProgress: (progress) => seen.push(progress) })
  const { sent, bytes, refused, passes, seconds } = result
  t.strictSame(seen.at(-1), { packets: 3, sent, bytes, refused, passes, seconds }, 'the last is the end')
  t.ok(
    seen.some(({ packets, sent, passes }) => packets === 2 && sent === 2 && passes === 1),
    'and one in between',
  )
  const thrown = new Error('my own')
  await t.rejects(
    replay(at([0, hour]), {
      interface: 'eth0',
      onProgress: () => {
        throw thrown
      },
    }),
    thrown,
    'what it throws ends the replay',
  )
})

t.test('an interface of another namespace can be used', async (t) => {
  const other = await addNamespace()
  addVeth('here', 'there', { peerNamespace: other.pid })
  const { packets } = await captureDuring({ interfaces: 'here' }, async () => {
    t.match(await replay(at([0, 0, 0]), { interface: 'there', netns: other.path }), { sent: 3 })
  })
  t.strictSame(
    packets.map(({ number }) => number),
    [0, 1, 2],
  )
  del('here')
  await other.close()
})

t.test('wrong arguments are refused', async (t) => {
  const good = at([0])
  const open = descriptors().sort()
  const fails = async (path: unknown, options: unknown, code: string, text: RegExp) => {
    const error = (await replay(path as string, options as ReplayOptions).then(
      () => undefined,
      (error: unknown) => error,
    )) as CaptureError
    t.ok(error instanceof CaptureError && error.code === code && text.test(error.message), `${error?.message}`)
  }
  const eth0 = { interface: 'eth0' }
  await fails(folder.file('none'), eth0, 'ERR_SYSTEM', /none cannot be opened: open: No such file/)
  await fails(folder.path, eth0, 'ERR_OPTION', /is not a regular file/)
  const fifo = folder.file('fifo')
  spawnSync('mkfifo', [fifo])
  await fails(fifo, eth0, 'ERR_OPTION', /is not a regular file/)
  await fails(5, eth0, 'ERR_OPTION', /^file must be the path/)
  await fails(good, undefined, 'ERR_OPTION', /^options must be/)
  await fails(good, {}, 'ERR_OPTION', /^interface must be the name of an interface; got undefined/)
  await fails(good, { interface: 'eth9' }, 'ERR_NO_INTERFACE', /eth9; there are lo, .*eth0/)
  for (const speed of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '2']) {
    await fails(good, { ...eth0, speed }, 'ERR_OPTION', /^speed must be a number above 0/)
  }
  for (const loop of [0, -1, 1.5, Number.NaN, '2']) {
    await fails(good, { ...eth0, loop }, 'ERR_OPTION', /^loop must be a whole number from 1, or Infinity; got/)
  }
  await fails(good, { ...eth0, maxGap: -1 }, 'ERR_OPTION', /^maxGap must be/)
  await fails(good, { ...eth0, onProgress: 5 }, 'ERR_OPTION', /^onProgress must be a function/)
  await fails(good, { ...eth0, filter: 5 }, 'ERR_OPTION', /^filter must be/)
  await fails(good, { ...eth0, filter: 'port eighty' }, 'ERR_FILTER_SYNTAX', /eighty/)
  await fails(good, { ...eth0, pace: 5 }, 'ERR_OPTION', /pace is not an option/)
  const text = folder.file('text')
  writeFileSync(text, 'no packets here, only words')
  await fails(text, eth0, 'ERR_FILE_FORMAT', /./)
  const cut = folder.file('cut.pcap')
  const bytes = pcapBytes(range(0, 10).map((i) => ({ data: expectedFrame(i) })))
  writeFileSync(cut, bytes.subarray(0, bytes.length - 1))
  const { packets } = await captureDuring({ interfaces: 'far0' }, () => fails(cut, eth0, 'ERR_FILE_TRUNCATED', /./))
  t.equal(packets.length, 9, 'what is before the damage has been sent')
  t.strictSame(descriptors().sort(), open)
})

t.test('a worker can be terminated during a replay', async (t) => {
  const path = at([0, hour])
  const code = `
    import { replay } from 'ringtap'
    import { parentPort } from 'node:worker_threads'
    parentPort.postMessage('begun')
    await replay(${JSON.stringify(path)}, { interface: 'eth0' })`
  const url = new URL(
    `data:text/javascript,${encodeURIComponent(code.replace("'ringtap'", `'${import.meta.resolve('ringtap')}'`))}`,
  )
  const threads = (await settle()).threads
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(url, { execArgv: [] })
    t.teardown(() => worker.terminate())
    worker.on('error', (error) => t.fail(error.message))
    await new Promise((resolve) => worker.once('message', resolve))
    await sleep(10 * i) // no condition: at any moment
    await worker.terminate()
  }
  t.equal((await settle()).threads, threads)
})
