// Files that are valid but rare, or that were valid in earlier versions of the formats.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type CaptureError, convertFiles, openFile, type Packet, SavefileWriter, watchInterfaces } from 'ringtap'
import t from 'tap'
import { hex } from '../helpers/hex.js'
import { Bytes, numbered, type Options, Pcapng, parsePcap, pcap } from '../helpers/savefiles.js'

const folder = mkdtempSync(join(tmpdir(), 'ringtap-odd-'))
t.teardown(() => rmSync(folder, { recursive: true }))
let files = 0
const name = (ending = 'pcapng') => join(folder, `${files++}.${ending}`)
function save(bytes: Uint8Array): string {
  const path = name()
  writeFileSync(path, bytes)
  return path
}

async function read(path: string, options: Parameters<typeof openFile>[1] = {}) {
  const file = await openFile(path, options)
  const packets: Packet[] = []
  const warnings: string[] = []
  file.on('warning', ({ message }) => warnings.push(message))
  let error: CaptureError | undefined
  try {
    for await (const chunk of file) for (const packet of chunk) packets.push(packet.copy())
  } catch (thrown) {
    error = thrown as CaptureError
  }
  await new Promise((resolve) => setImmediate(resolve))
  return { packets, warnings, error, file, stats: file.stats() }
}

const second = 1_000_000_000n
const data = numbered(7, 60)

t.test('in pcap of versions 2.0 and 2.1 the original length comes first', async (t) => {
  for (const bigEndian of [false, true]) {
    for (const minor of [0, 1]) {
      const file = new Bytes(bigEndian)
      file.u32(0xa1b2c3d4).u16(2, minor).u32(0, 0, 65535, 1)
      file.u32(10, 5, 1500, data.length).raw(data)
      const { packets, error } = await read(save(file.done()))
      t.equal(error, undefined)
      t.match(packets, [{ capturedLength: 60, originalLength: 1500, timestamp: 10_000_005_000n }])
      t.equal(hex(packets[0]?.data ?? Buffer.alloc(0)), hex(data))
    }
  }
})

t.test('texts end at a NUL', async (t) => {
  const path = save(
    new Pcapng()
      .section([[1, 'all\0of it']])
      .interface(1, [
        [2, 'eth0\0x'],
        [11, '\0udp\0x'],
        [1, 'first\0'],
      ])
      .packet(0, { time: 1n, data }, [
        [1, 'one\0more'],
        [1, '\0'],
        [1, 'two'],
      ])
      .done(),
  )
  const { packets, file } = await read(path)
  t.strictSame(packets[0]?.comments, ['one', '', 'two'])
  t.match(file.interfaces, [{ name: 'eth0', filter: 'udp', comments: ['first'] }])
  t.strictSame(file.sections[0]?.comments, ['all'])

  const output = name()
  await convertFiles(path, output)
  const converted = await read(output)
  t.strictSame(
    converted.packets[0]?.comments.filter((text) => text !== ''),
    ['one', 'two'],
  )
  t.match(converted.file.interfaces, [{ name: 'eth0', filter: 'udp', comments: ['first'] }])
})

t.test('a pcap fraction of a second or more, or below 0, moves the seconds', async (t) => {
  const file = new Bytes()
  file.u32(0xa1b2c3d4).u16(2, 4).u32(0, 0, 65535, 1)
  for (const fraction of [1_000_000, 0xffff_ffed, 999_999]) file.u32(100, fraction, 4, 4).u32(0)
  const { packets, warnings } = await read(save(file.done()))
  t.strictSame(
    packets.map(({ timestamp }) => timestamp),
    [101n * second, 100n * second - 19_000n, 100n * second + 999_999_000n],
  )
  t.strictSame(warnings, [])
})

t.test('timestamps outside the range of 64 bits are clamped and counted', async (t) => {
  const offset = (seconds: bigint): Options => [
    [9, Buffer.from([9])],
    [14, new Bytes().u64(seconds).done()],
  ]
  const path = save(
    new Pcapng()
      .section()
      .interface(1, offset(-5n))
      .interface(1, offset(2n ** 34n + 2n ** 33n))
      .packet(0, { time: 4n * second, data })
      .packet(0, { time: 6n * second, data })
      .packet(1, { time: 0n, data })
      .packet(1, { time: 0n, data })
      .done(),
  )
  const { packets, warnings, stats } = await read(path)
  const last = 2n ** 64n - 1n
  t.strictSame(
    packets.map(({ timestamp }) => timestamp),
    [0n, second, last, last],
  )
  t.equal(stats.clampedTimestamps, 3)
  t.equal(warnings.length, 1)
  t.match(warnings[0], /packet 1, at byte \d+, is before 1970 or after July 2554/)

  const result = await convertFiles(path, name())
  t.equal(result.clampedTimestamps, 3)
  t.equal(result.warnings.length, 1)

  // A time in the year 2107.
  const late = save(
    new Pcapng()
      .section()
      .interface(1)
      .packet(0, { time: 4_323_283_200_000_000n, data })
      .packet(0, { time: 4_294_967_295_999_999n, data })
      .done(),
  )
  for (const precision of ['nanoseconds', 'microseconds'] as const) {
    const output = name('pcap')
    const converted = await convertFiles(late, output, { format: 'pcap', precision, order: 'given' })
    t.equal(converted.clampedTimestamps, 1)
    t.equal(converted.warnings.length, 1)
    t.match(converted.warnings[0], /2106/)
    t.strictSame(
      parsePcap(readFileSync(output)).packets.map(({ timestampNs }) => timestampNs),
      [2n ** 32n * second - (precision === 'nanoseconds' ? 1n : 1000n), 2n ** 32n * second - 1000n],
    )
  }
  const same = await convertFiles(late, name())
  t.notOk('clampedTimestamps' in same)
  t.strictSame(same.warnings, [])

  const script = `
    import { openFile, SavefileWriter } from 'ringtap'
    process.on('warning', ({ message, name }) => console.log(name, message))
    const writer = await SavefileWriter.open(${JSON.stringify(name('pcap'))}, { format: 'pcap' })
    for await (const chunk of await openFile(${JSON.stringify(late)})) await writer.write(chunk)
    console.log((await writer.close()).clampedTimestamps)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '--no-warnings' },
  })
  t.equal(stderr, '')
  t.match(stdout, /^1$/m)
  t.match(stdout, /CaptureWarning the times of 1 packet\(s\) are after February 2106/)
})

t.test('reserved bits of the link type are refused', async (t) => {
  await t.rejects(openFile(save(pcap([{ time: 1n, data }], { linkType: 0x0030_0001 }))), {
    code: 'ERR_FILE_FORMAT',
    offset: 20,
  })
})

t.test('a section of an unknown version is skipped', async (t) => {
  const known = new Pcapng().section().interface(1).packet(0, { time: 1n, data }).done()
  for (const bigEndian of [false, true]) {
    const unknown = new Pcapng(bigEndian).section().interface(1).packet(0, { time: 2n, data }).done()
    unknown[bigEndian ? 13 : 12] = 2
    const { packets, warnings, error, stats } = await read(save(Buffer.concat([known, unknown, known])))
    t.equal(error, undefined)
    t.equal(packets.length, 2)
    t.equal(stats.skippedBlocks, 2)
    t.strictSame(warnings, [
      `the section at byte ${known.length} is skipped: it is of version 2.0, where 1.0 can be read`,
    ])
    await t.rejects(openFile(save(unknown)), { code: 'ERR_FILE_FORMAT', offset: 0 })
    const { written, warnings: told } = await convertFiles(save(Buffer.concat([unknown, known])), name())
    t.equal(written, 1)
    t.equal(told.length, 1)
  }
})

t.test('an empty file counts as truncated', async (t) => {
  for (const bytes of [Buffer.alloc(0), gzipSync(Buffer.alloc(0))]) {
    await t.rejects(openFile(save(bytes)), { code: 'ERR_FILE_TRUNCATED', offset: 0 })
  }
})

t.test('bytesUnpacked never exceeds the bytes of the file', async (t) => {
  const file = new Pcapng().section().interface(1).packet(0, { time: 1n, data }).done()
  const claim = new Bytes().u32(0x77, 0xffff_fff0, 1, 2, 3).done()
  const bytes = Buffer.concat([file, claim])
  for (const content of [bytes, gzipSync(bytes)]) {
    const { stats, error } = await read(save(content))
    t.match(error, { code: 'ERR_FILE_TRUNCATED', offset: file.length })
    t.equal(stats.bytesUnpacked, bytes.length)
    t.equal(stats.bytesRead, content.length)
  }
})

t.test('link types are converted where the number in files differs', async (t) => {
  for (const [network, linkType] of [
    [12, 101],
    [14, 101],
    [101, 101],
    [100, 100],
    [11, 100],
    [147, 147],
  ] as const) {
    for (const bytes of [
      pcap([{ time: 1n, data }], { linkType: network }),
      new Pcapng().section().interface(network).packet(0, { time: 1n, data }).done(),
    ]) {
      const path = save(bytes)
      const { packets, file } = await read(path)
      t.equal(packets[0]?.linkType, linkType, `${network}`)
      t.equal(file.interfaces[0]?.linkType, linkType)
      const filtered = await read(path, { filter: 'len > 0' })
      t.strictSame(filtered.warnings, [])
      t.equal(filtered.packets.length, 1, `a filter for ${network}`)
    }
  }
})

t.test('a conversion of a damaged input fails, or keeps what precedes the damage', async (t) => {
  const whole = pcap([10n, 30n].map((time) => ({ time, data })))
  const cut = pcap([20n, 40n, 50n].map((time) => ({ time, data }))).subarray(0, -10)
  const bad = pcap([25n, 26n].map((time) => ({ time, data })))
  bad.writeUInt32LE(0xffff_ffff, 24 + 76 + 8)
  const inputs = [whole, cut, bad, gzipSync(cut).subarray(0, -12), Buffer.alloc(0)].map(save)
  for (const order of ['time', 'given'] as const) {
    await t.rejects(convertFiles(inputs, name(), { order }), { code: /ERR_FILE_(TRUNCATED|DAMAGED)/ })
    const output = name('pcap')
    const { written, warnings, files } = await convertFiles(
      inputs.filter((_, at) => at !== 3),
      output,
      {
        order,
        damaged: 'keep',
        format: 'pcap',
      },
    )
    t.equal(written, 5)
    t.equal(files.length, 1)
    t.strictSame(
      parsePcap(readFileSync(output)).packets.map(({ timestampNs }) => Number(timestampNs / 1000n)),
      order === 'time' ? [10, 20, 25, 30, 40] : [10, 30, 20, 40, 25],
    )
    t.equal(warnings.length, 3)
    for (const [at, path] of [inputs[1], inputs[2], inputs[4]].entries()) {
      const warning = warnings.find((text) => text.startsWith(`${path}: `))
      t.match(warning, /what follows is left out/, `${at}`)
    }
  }
  // Damaged compression: the packets unpacked before the damage are kept.
  const packed = await convertFiles(inputs[3] as string, name(), { damaged: 'keep' })
  t.equal(packed.warnings.length, 1)
  // A file that is not a savefile, or does not exist, is still an error.
  await t.rejects(convertFiles(save(Buffer.from('no savefile')), name(), { damaged: 'keep' }), {
    code: 'ERR_FILE_FORMAT',
  })
  await t.rejects(convertFiles('/nowhere', name(), { damaged: 'keep' }), { code: 'ERR_SYSTEM', errno: 2 })
  await t.rejects(convertFiles(inputs, name(), { damaged: 'x' as never }), { code: 'ERR_OPTION', option: 'damaged' })
})

t.test('output names that promise compression are refused', async (t) => {
  const input = save(pcap([{ time: 1n, data }]))
  for (const path of ['x.pcapng.gz', 'x.pcap.GZ', '/tmp/x.zst', 'x.pcap.bz2', 'x.xz', 'x.lz4', '-']) {
    await t.rejects(SavefileWriter.open(path), { code: 'ERR_OPTION', option: 'path' }, path)
    await t.rejects(convertFiles(input, path), { code: 'ERR_OPTION', option: 'output' }, path)
  }
  const dash = await SavefileWriter.open(join(folder, '-'))
  t.equal((await dash.close()).packets, 0)
})

t.test('a FIFO as network namespace is refused', async (t) => {
  const fifo = name('fifo')
  t.equal(spawnSync('mkfifo', [fifo]).status, 0)
  t.throws(() => watchInterfaces({ netns: fifo }), { code: 'ERR_OPTION' })
})

t.test('opening a FIFO without a writer blocks nothing else and can be aborted', async (t) => {
  const fifo = name('fifo')
  t.equal(spawnSync('mkfifo', [fifo]).status, 0)
  // More than the number of threads in libuv's pool.
  const controllers = Array.from({ length: 6 }, () => new AbortController())
  const opening = controllers.map(({ signal }) => openFile(fifo, { signal }))
  const outcomes = Promise.allSettled(opening)
  // Meanwhile another file can be read and closed.
  const { packets } = await read(save(pcap([{ time: 1n, data }])))
  t.equal(packets.length, 1)
  for (const controller of controllers) controller.abort('enough')
  t.strictSame(
    await outcomes,
    controllers.map(() => ({ status: 'rejected', reason: 'enough' })),
  )
})

t.test('a block with a very large number of options is kept up to a bound', async (t) => {
  const many: Options = Array.from({ length: 200_000 }, () => [1, ''] as const)
  const addresses: Options = Array.from({ length: 20_000 }, () => [5, Buffer.alloc(17, 0xfe)] as const)
  const one = new Pcapng().section(many).interface(1, addresses).packet(0, { time: 1n, data }).done()
  const path = save(gzipSync(Buffer.concat(Array.from({ length: 20 }, () => one))))
  let turns = 0
  let reading = true
  const count = () => {
    turns++
    if (reading) setImmediate(count)
  }
  setImmediate(count)
  const { packets, warnings, error, file } = await read(path)
  reading = false
  t.equal(error, undefined)
  t.equal(packets.length, 20)
  t.equal(warnings.length, 1)
  t.match(warnings[0], /more than 4096 options/)
  for (const { options } of [...file.sections, ...file.interfaces]) t.ok(options.length <= 4096)
  // 40 blocks of 4096 options: each is parsed in its own turn of the event loop.
  t.ok(turns >= 40, `${turns} turns`)
})

t.test('of very many resolved names 65536 are kept', async (t) => {
  const records = new Bytes()
  for (let i = 0; i < 70_000; i++) records.u16(1, 6).padded(Buffer.from([10, 0, i >> 8, i, 0x61, 0]))
  const path = save(new Pcapng().section().block(4, records.u16(0, 0).done()).interface(1).done())
  const { file } = await read(path, { keep: { blocks: ['nameResolution'] } })
  t.equal(file.blocks[0]?.names?.length, 65_536)
})
