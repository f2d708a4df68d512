import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type CaptureError, type ConvertOptions, type ConvertProgress, convertFiles, openFile } from 'ringtap'
import t from 'tap'
import { hex } from '../helpers/hex.js'
import { type FilePacket, numbered, Pcapng, parsePcap, pcap, type RawPacket } from '../helpers/savefiles.js'
import { run } from '../helpers/wireshark.js'
import { expectedFrame } from '../live/support/frame.js'
import { waitUntil } from '../live/support/wait.js'

const folder = mkdtempSync(join(tmpdir(), 'ringtap-convert-'))
t.teardown(() => rmSync(folder, { recursive: true }))

let files = 0
const name = (ending = 'pcapng') => join(folder, `${files++}.${ending}`)
function save(bytes: Uint8Array): string {
  const path = name('in')
  writeFileSync(path, bytes)
  return path
}

const date = 1_700_000_000_000_000_000n
/** Numbered frames at these times, in nanoseconds. */
const framesAt = (times: readonly bigint[], first = 0): RawPacket[] =>
  times.map((time, i) => ({
    time: date + time,
    data: expectedFrame(first + i, { size: 60 + ((first + i) % 50) * 20 }),
  }))
/** Pseudo-random times in ascending order, the same for the same seed. */
function scattered(count: number, seed: number): bigint[] {
  let state = seed
  const times = Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return BigInt(state)
  })
  return times.sort((a, b) => (a < b ? -1 : 1))
}
const nano = { nanoseconds: true }
const key = ({ timestampNs, originalLength, data }: FilePacket) => `${timestampNs} ${originalLength} ${hex(data)}`
/** The packets of a savefile in any format, as read by Wireshark. */
function keysOf(path: string): string[] {
  const plain = name('plain')
  run('editcap', ['-F', 'nsecpcap', path, plain])
  return parsePcap(readFileSync(plain)).packets.map(key)
}

t.test('only packets of the span from … to are taken, both ends included', async (t) => {
  const input = save(pcap(framesAt([0n, 10n, 20n, 20n, 30n, 1_000_000n]), nano))
  const times = async (options: ConvertOptions) => {
    const output = name()
    const { packets, written } = await convertFiles(input, output, options)
    const { packets: found } = parsePcap(run('editcap', ['-F', 'nsecpcap', output, '-']))
    t.strictSame([packets, written], [found.length, found.length])
    return found.map(({ timestampNs }) => timestampNs - date)
  }
  t.strictSame(await times({ from: date + 10n, to: date + 20n }), [10n, 20n, 20n])
  t.strictSame(await times({ from: date + 21n }), [30n, 1_000_000n])
  t.strictSame(await times({ to: date }), [0n])
  t.strictSame(await times({ from: date + 31n, to: date + 999_999n }), [])
  const moment = new Date(Number(date / 1_000_000n) + 1)
  t.strictSame(await times({ from: moment, to: moment }), [1_000_000n], 'a Date is a millisecond')
  t.strictSame((await times({})).length, 6)
})

t.test('files are merged by time as mergecap does', async (t) => {
  const inputs = [
    save(pcap(framesAt(scattered(3000, 1)), nano)),
    save(gzipSync(pcap(framesAt(scattered(2000, 2), 3000), nano))),
    save(pcap([], nano)),
    save(pcap(framesAt(scattered(10, 3), 5000), { ...nano, bigEndian: true })),
  ]
  const reference = name()
  run('mergecap', ['-F', 'nsecpcap', '-w', reference, ...inputs])
  const expected = keysOf(reference)
  t.equal(expected.length, 5010)
  for (const format of ['pcapng', 'pcap'] as const) {
    const output = name(format)
    const result = await convertFiles(inputs, output, { format })
    t.strictSame(keysOf(output), expected, format)
    t.equal(statSync(output).mode & 0o777, 0o600, 'for the owner alone')
    const [file] = result.files
    t.strictSame(result, {
      files: [
        {
          path: output,
          packets: 5010,
          bytes: statSync(output).size,
          firstTimestamp: file?.firstTimestamp,
          lastTimestamp: file?.lastTimestamp,
        },
      ],
      packets: 5010,
      written: 5010,
      otherLinkType: 0,
      warnings: [],
    })
    t.equal(`${file?.firstTimestamp}`, expected[0]?.split(' ')[0])
    t.equal(`${file?.lastTimestamp}`, expected.at(-1)?.split(' ')[0])
  }
})

t.test('equal times keep the order of the inputs, and of the packets within one', async (t) => {
  const one = save(pcap(framesAt([5n, 5n, 9n, 7n, 20n]), nano))
  const two = save(pcap(framesAt([5n, 8n, 20n], 5), nano))
  const numbers = async (inputs: string[], options: ConvertOptions) => {
    const output = name()
    await convertFiles(inputs, output, options)
    await using file = await openFile(output)
    const found: number[] = []
    for await (const chunk of file)
      chunk.forEach(({ data }) => found.push(Number(Buffer.from(data).readBigUInt64BE(50))))
    return found
  }
  t.strictSame(await numbers([one, two], {}), [0, 1, 5, 6, 2, 3, 4, 7])
  t.strictSame(await numbers([two, one], {}), [5, 0, 1, 6, 2, 3, 7, 4])
  t.strictSame(await numbers([two, one], { order: 'given' }), [5, 6, 7, 0, 1, 2, 3, 4])
  t.strictSame(await numbers([one, one], { order: 'given' }), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
})

t.test('a filter keeps the packets that tcpdump keeps', async (t) => {
  const packets = Array.from({ length: 2000 }, (_, i) => ({
    time: date + BigInt(i),
    data: expectedFrame(i, { port: i % 3 === 0 ? 53 : 9, size: 60 + (i % 200) }),
  }))
  const input = save(pcap(packets, nano))
  for (const filter of ['udp port 53', 'udp port 53 and greater 100', 'tcp']) {
    const [ours, theirs] = [name(), name('pcap')]
    run('tcpdump', ['--time-stamp-precision=nano', '-r', input, '-w', theirs, '-Z', 'root', filter])
    const result = await convertFiles(input, ours, { filter })
    const expected = keysOf(theirs)
    t.strictSame(keysOf(ours), expected, `${filter}: ${expected.length}`)
    t.equal(result.written, expected.length)
  }
})

t.test('output is split by packets, bytes and time as editcap does', async (t) => {
  const input = save(pcap(framesAt(scattered(1000, 7)), nano))
  const few = save(pcap(framesAt(scattered(50, 8)), nano))
  const parts = async (split: ConvertOptions['split'], format: 'pcap' | 'pcapng' = 'pcapng', of = input) => {
    const label = `split${files++}`
    const result = await convertFiles(of, join(folder, `${label}-%i.out`), { split, format })
    const paths = result.files.map(({ path }) => path)
    t.strictSame(
      readdirSync(folder)
        .filter((one) => one.startsWith(label))
        .sort(),
      paths.map((path) => path.slice(folder.length + 1)),
    )
    t.match(paths[0], /-000001\.out$/)
    const content = paths.map(keysOf)
    t.strictSame(content.flat(), keysOf(of), 'together they are the whole')
    t.strictSame(
      result.files.map(({ packets, bytes }) => [packets, bytes]),
      paths.map((path, i) => [content[i]?.length, statSync(path).size]),
    )
    return result.files
  }
  const edited = (...args: string[]) => {
    const label = `edited${files++}`
    run('editcap', ['-F', 'nsecpcap', ...args, input, join(folder, `${label}.pcap`)])
    return readdirSync(folder)
      .filter((one) => one.startsWith(label))
      .sort()
      .map((one) => parsePcap(readFileSync(join(folder, one))).packets.length)
  }
  const counts = (list: readonly { packets: number }[]) => list.map(({ packets }) => packets)
  t.strictSame(counts(await parts({ packets: 300 })), edited('-c', '300'))
  t.strictSame(counts(await parts({ packets: 1 }, 'pcapng', few)).length, 50)
  const seconds = await parts({ milliseconds: 300 })
  t.ok(seconds.length > 3)
  for (const { firstTimestamp, lastTimestamp } of seconds) t.ok(lastTimestamp - firstTimestamp < 300_000_000n)
  for (const format of ['pcap', 'pcapng'] as const) {
    const sized = await parts({ bytes: 20_000 }, format)
    t.ok(sized.every(({ bytes }) => bytes <= 20_000))
    // The largest packet has 1040 bytes, and its block 48 bytes more.
    t.ok(
      sized.slice(0, -1).every(({ bytes }) => bytes > 20_000 - 1100),
      'and full',
    )
  }
  const both = await parts({ packets: 100, bytes: 20_000 })
  t.ok(both.every(({ packets, bytes }) => packets <= 100 && bytes <= 20_000))
})

/** Two files: the first interface of both is the same, the second of each is its own, the third of one has no packet. */
function filesWithInterfaces(): [one: string, two: string] {
  const resolution = [9, Buffer.from([9])] as const
  const flags = (value: number) => [2, Buffer.from(new Uint32Array([value]).buffer)] as const
  const one = save(
    new Pcapng()
      .section([[4, 'by hand']])
      .interface(1, [
        [2, 'eth0'],
        [3, 'the first'],
        [6, Buffer.from('020000000001', 'hex')],
        [8, Buffer.from(new BigUint64Array([1_000_000_000n]).buffer)],
        [4, Buffer.from([192, 0, 2, 1, 255, 255, 255, 0])],
        [11, '\0not port 22'],
        resolution,
      ])
      .interface(101, [[2, 'tun0'], resolution])
      .interface(1, [[2, 'idle0'], resolution])
      .packet(0, { time: date, data: expectedFrame(0), originalLength: 1500 }, [
        [1, 'a comment'],
        [1, 'and another – ü'],
        flags(1),
      ])
      .packet(1, { time: date + 2n, data: expectedFrame(1, { raw: true }) }, [flags(2)])
      .done(),
  )
  const big = new Pcapng(true)
    .section()
    .interface(1, [
      [2, 'eth0'],
      [3, 'the first'],
      [6, Buffer.from('020000000001', 'hex')],
      [8, Buffer.from('000000003b9aca00', 'hex')],
      [4, Buffer.from([192, 0, 2, 1, 255, 255, 255, 0])],
      [11, '\0not port 22'],
      resolution,
    ])
    .interface(1, [[2, 'eth0'], resolution])
    .packet(0, { time: date + 1n, data: expectedFrame(2) })
    .packet(1, { time: date + 3n, data: expectedFrame(3) })
  return [one, save(big.done())]
}

t.test('interfaces, directions, comments and link types are kept', async (t) => {
  const [one, two] = filesWithInterfaces()
  const output = name()
  t.match(await convertFiles([one, two], output), { written: 4, otherLinkType: 0 })
  const fields = ['interface_id', 'interface_name', 'packet_flags_direction', 'time_epoch', 'len', 'cap_len', 'comment']
  const shown = fields.flatMap((field) => ['-e', `frame.${field}`])
  const lines = run('tshark', ['-n', '-r', output, '-T', 'fields', ...shown]).toString()
  const time = (n: number) => `1700000000.00000000${n}`
  t.strictSame(
    lines
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t').map((field) => field.replace(/^0x0+(?=.)/, ''))),
    [
      ['0', 'eth0', '1', time(0), '1500', '64', 'a comment,and another – ü'],
      ['0', 'eth0', '', time(1), '64', '64', ''],
      ['1', 'tun0', '2', time(2), '64', '64', ''],
      ['2', 'eth0', '', time(3), '64', '64', ''],
    ],
    'the interface that is the same is one; the other of that name is another; one without packets is none',
  )
  await using file = await openFile(output)
  for await (const _ of file);
  t.match(file.interfaces, [
    {
      name: 'eth0',
      description: 'the first',
      address: '02:00:00:00:00:01',
      speed: 1_000_000_000,
      filter: 'not port 22',
      addresses: [{ family: 4, address: '192.0.2.1', prefixLength: 24 }],
    },
    { name: 'tun0', linkType: 101 },
    { name: 'eth0', linkType: 1 },
  ])

  const pcapOutput = name('pcap')
  t.match(await convertFiles([one, two], pcapOutput, { format: 'pcap', precision: 'microseconds' }), {
    packets: 4,
    written: 3,
    otherLinkType: 1,
  })
  const { linkType, packets } = parsePcap(readFileSync(pcapOutput))
  t.equal(linkType, 1)
  t.strictSame(
    packets.map(({ timestampNs }) => timestampNs),
    [date, date, date],
    'microseconds',
  )
})

t.test('no file is overwritten, and no incomplete file remains', async (t) => {
  const good = save(pcap(framesAt([1n, 2n, 3n]), nano))
  const there = save(Buffer.from('mine'))
  const before = readdirSync(folder).sort()
  const fails = async (promise: Promise<unknown>, expected: { code: string; [more: string]: unknown }) => {
    await t.rejects(promise, expected)
    t.strictSame(readdirSync(folder).sort(), before)
  }
  const missing = join(folder, 'none', 'out')
  await fails(convertFiles(good, there), { code: 'ERR_SYSTEM', errno: 17 })
  t.equal(readFileSync(there, 'utf8'), 'mine')
  await fails(convertFiles(good, good), { code: 'ERR_SYSTEM', errno: 17 })
  await fails(convertFiles(good, missing), { code: 'ERR_SYSTEM', errno: 2 })
  await fails(convertFiles([good, missing], join(folder, 'x')), { code: 'ERR_SYSTEM', errno: 2, syscall: 'open' })
  await fails(convertFiles([good, folder], join(folder, 'x')), { code: 'ERR_OPTION', option: 'inputs' })
  await fails(convertFiles([good, there], join(folder, 'x')), { code: 'ERR_FILE_FORMAT' })
  await fails(convertFiles(good, join(folder, 'x'), { filter: 'port eighty' }), {
    code: 'ERR_FILTER_SYNTAX',
    option: 'filter',
  })
  const bytes = pcap(framesAt(scattered(2000, 9)), nano)
  const cut = join(tmpdir(), `ringtap-cut-${process.pid}`)
  writeFileSync(cut, bytes.subarray(0, bytes.length - 1))
  t.teardown(() => rmSync(cut))
  await fails(convertFiles([good, cut], join(folder, 'x')), { code: 'ERR_FILE_TRUNCATED' })
  await fails(convertFiles([good, cut], join(folder, 'x'), { order: 'given' }), { code: 'ERR_FILE_TRUNCATED' })
})

t.test('progress is reported, and an abort ends the conversion', async (t) => {
  const input = save(pcap(framesAt(scattered(20_000, 11)), nano))
  const seen: ConvertProgress[] = []
  await convertFiles([input, input], name(), { onProgress: (progress) => seen.push(progress) })
  const bytes = 2 * statSync(input).size
  t.strictSame(seen.at(-1), { packets: 40_000, bytesRead: bytes, bytesTotal: bytes })

  const reason = new Error('enough')
  const output = name()
  await t.rejects(convertFiles(input, output, { signal: AbortSignal.abort(reason) }), reason)
  const inputs = Array.from({ length: 100 }, () => input)
  for (const order of ['time', 'given'] as const) {
    const controller = new AbortController()
    const before = readdirSync(folder).sort()
    const running = convertFiles(inputs, output, { order, signal: controller.signal })
    const rejected = t.rejects(running, reason, order)
    // The output under its hidden name: the conversion has begun to write.
    await waitUntil(() => readdirSync(folder).length > before.length, 'the output to be begun')
    controller.abort(reason)
    await rejected
    t.notOk(existsSync(output))
    t.strictSame(readdirSync(folder).sort(), before)
  }
  const thrown = new Error('my own')
  const throwing = () => {
    throw thrown
  }
  await t.rejects(convertFiles(input, name(), { onProgress: throwing }), thrown)
})

t.test('wrong arguments are refused', async (t) => {
  const good = save(pcap([{ time: date, data: numbered(0, 60) }], nano))
  const fails = async (inputs: unknown, output: unknown, options: unknown, option: string, text: RegExp) => {
    const error = (await convertFiles(inputs as string, output as string, options as ConvertOptions).then(
      () => undefined,
      (error: unknown) => error,
    )) as CaptureError | undefined
    t.match(error, { code: 'ERR_OPTION', option, message: text }, `${error?.message}`)
  }
  const out = join(folder, 'never')
  const sparse = (...values: unknown[]) => Object.assign(new Array(values.length + 1), values)
  await fails(sparse(good), out, {}, 'inputs', /^inputs\[1\] must be the path of a file; got undefined/)
  await fails(good, out, { keep: sparse() }, 'keep', /^keep\[0\] must be .*; got undefined/)
  await fails([], out, {}, 'inputs', /^inputs must be a path, or 1 to 500/)
  await fails(5, out, {}, 'inputs', /^inputs must be the path of a file; got the number 5/)
  await fails([good, ''], out, {}, 'inputs[1]', /^inputs\[1\] must be the path/)
  await fails(good, undefined, {}, 'output', /^output must be the path/)
  await fails(good, out, { from: 5 } as never, 'from', /^from must be nanoseconds/)
  await fails(good, out, { to: new Date(Number.NaN) }, 'to', /^to must be nanoseconds/)
  await fails(good, out, { from: 2n ** 64n }, 'from', /^from must be nanoseconds/)
  await fails(good, out, { from: 5n, to: 4n }, 'to', /not earlier than from/)
  await fails(good, out, { order: 'size' }, 'order', /'time' or 'given'/)
  await fails(good, out, { format: 'erf' }, 'format', /'pcapng' or 'pcap'/)
  await fails(good, out, { precision: 'microseconds' }, 'precision', /left out/)
  await fails(good, out, { split: {} }, 'split', /bytes, packets or milliseconds/)
  await fails(good, out, { split: { packets: 0 } }, 'output', /%i/)
  await fails(good, `${out}%%i`, { split: { packets: 5 } }, 'output', /%i/)
  await fails(good, `${out}%i`, { split: { packets: 0 } }, 'split.packets', /whole number from 1/)
  await fails(good, `${out}%i`, { split: { bytes: 999 } }, 'split.bytes', /from 1000/)
  await fails(good, out, { onProgress: 5 }, 'onProgress', /a function/)
  await fails(good, out, { signal: 5 }, 'signal', /an AbortSignal/)
  await fails(good, out, { sort: true }, 'sort', /not an option/)
  t.notOk(existsSync(out))
})
