// Reading savefiles, which are built here byte by byte.
import { execFileSync, spawnSync } from 'node:child_process'
import { createReadStream, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { CaptureError, type Chunk, openFile, type Packet, type Savefile, type SavefileOptions } from 'ringtap'
import t from 'tap'
import { hex } from '../helpers/hex.js'
import { ethernetPackets, rawPackets, savefile } from '../helpers/packets.js'
import { numberedPackets, Pcapng, pcap } from '../helpers/savefiles.js'
import { settle } from '../live/support/process.js'
import { waitUntil, waitUntilStable } from '../live/support/wait.js'

const folder = t.testdir()
let files = 0

function write(bytes: Uint8Array): string {
  const path = join(folder, `${files++}`)
  writeFileSync(path, bytes)
  return path
}

interface Read {
  packets: Packet[]
  error: CaptureError | undefined
  file: Savefile
}

/** Copies of all packets, and the error that ended the loop, if any. */
async function read(file: Savefile): Promise<Read> {
  const packets: Packet[] = []
  try {
    for await (const chunk of file) for (const packet of chunk) packets.push(packet.copy())
  } catch (error) {
    return { packets, error: error as CaptureError, file }
  }
  return { packets, error: undefined, file }
}

async function readAll(source: Parameters<typeof openFile>[0], options?: SavefileOptions): Promise<Read> {
  return await read(await openFile(source, options))
}

const texts = (packets: readonly Packet[]) => packets.map(({ data }) => hex(data))
const hexes = (packets: readonly { data: Uint8Array }[]) => packets.map(({ data }) => hex(data))

t.test('pcap files of every magic number are read', async (t) => {
  const made = numberedPackets(100)
  for (const bigEndian of [false, true]) {
    for (const nanoseconds of [false, true]) {
      const unit = nanoseconds ? 1000n : 1n
      const times = made.map((packet) => ({ ...packet, time: packet.time * unit, originalLength: 1500 }))
      const { packets, error, file } = await readAll(write(pcap(times, { bigEndian, nanoseconds, linkType: 113 })))
      t.equal(error, undefined)
      t.strictSame(texts(packets), hexes(made))
      t.strictSame(
        packets.map(({ timestamp }) => timestamp),
        made.map(({ time }) => time * 1000n),
      )
      t.ok(packets.every(({ originalLength, linkType }) => originalLength === 1500 && linkType === 113))
      t.ok(
        packets.every(({ direction, kind, vlan, comments }) => !direction && !kind && !vlan && comments.length === 0),
      )
      t.equal(file.format, 'pcap')
      t.match(file.sections, [{ number: 0, version: '2.4', byteOrder: bigEndian ? 'big' : 'little', comments: [] }])
      t.match(file.interfaces, [
        { index: 0, name: '', linkType: 113, snapshotLength: 262144, timestampResolution: nanoseconds ? 1e-9 : 1e-6 },
      ])
      t.equal(packets[0]?.interface.name, '')
    }
  }
})

/** A file with blocks and options of many kinds. */
function everything(bigEndian: boolean): Buffer {
  const first = new Pcapng(bigEndian)
  const u32 = (value: number) => first.bytes().u32(value).done()
  first.section([
    [1, 'all of it'],
    [2, 'a box'],
    [3, 'Linux 6'],
    [4, 'a test'],
  ])
  first.interface(
    1,
    [
      [2, 'eth0'],
      [3, 'the first'],
      [1, 'one'],
      [1, 'two'],
      [4, Buffer.from([192, 0, 2, 7, 255, 255, 255, 0])],
      [5, Buffer.from('20010db800000000000000000000000140', 'hex')],
      [6, Buffer.from('020000000001', 'hex')],
      [8, first.bytes().u64(10_000_000_000n).done()],
      [9, Buffer.from([9])],
      [11, '\0not port 22'],
      [12, 'that Linux'],
      [13, Buffer.from([4])],
      [14, first.bytes().u64(-10n).done()],
      [15, 'a card'],
      [99, 'unknown'],
    ],
    65535,
  )
  first.block(
    4,
    first
      .bytes()
      .u16(1, 10)
      .padded('\x0a\0\0\x01a.b\0c\0')
      .u16(2, 18)
      .padded(Buffer.concat([Buffer.from('20010db8000000000000000000000002', 'hex'), Buffer.from('d\0')]))
      .u16(0, 0)
      .u16(1, 4)
      .raw('note')
      .u16(0, 0)
      .done(),
  )
  first.packet(0, { time: 1_700_000_000_000_000_011n, data: Buffer.from('hello') }, [
    [1, 'good morning'],
    [2, u32(0x9)],
    [1, 'ü'],
  ])
  first.interface(101, [
    [2, 'tun0'],
    [9, Buffer.from([0x81])],
  ]) // time in units of 1/2 s
  first.packet(1, { time: 5n, data: Buffer.alloc(40, 0x45), originalLength: 1500 }, [[2, u32(0x2)]])
  first.simple(Buffer.from('simple'))
  first.block(10, first.bytes().u32(0x544c534b, 6).padded('secret').done())
  first.block(0xbad, first.bytes().u32(32473).padded('private').done())
  first.block(0x40000bad, first.bytes().u32(32474).done())
  first.block(5, first.bytes().u32(1).u64(0n).u16(4, 8).u64(17n).u16(0, 0).done())
  first.block(0x1234, Buffer.alloc(16))
  const second = new Pcapng(!bigEndian)
  second.section([[1, 'appended']]).interface(113, [[2, 'any']])
  second.packet(0, { time: 3_000_000n, data: Buffer.from('later') })
  return Buffer.concat([first.done(), second.done()])
}

t.test('pcapng sections, interfaces, options and all kinds of packet blocks are read', async (t) => {
  for (const bigEndian of [false, true]) {
    const { packets, error, file } = await readAll(write(everything(bigEndian)))
    t.equal(error, undefined)
    t.equal(file.format, 'pcapng')
    const [byteOrder, other] = bigEndian ? ['big', 'little'] : ['little', 'big']
    t.match(file.sections, [
      {
        byteOrder,
        version: '1.0',
        hardware: 'a box',
        operatingSystem: 'Linux 6',
        application: 'a test',
        comments: ['all of it'],
      },
      { byteOrder: other, number: 1, comments: ['appended'], hardware: undefined },
    ])
    t.match(file.interfaces, [
      {
        index: 0,
        id: 0,
        generation: 0,
        name: 'eth0',
        description: 'the first',
        comments: ['one', 'two'],
        linkType: 1,
        hardwareType: 1,
        snapshotLength: 65535,
        address: '02:00:00:00:00:01',
        addresses: [
          { family: 4, address: '192.0.2.7', prefixLength: 24 },
          { family: 6, address: '2001:db8::1', prefixLength: 64 },
        ],
        speed: 10_000_000_000n,
        timestampResolution: 1e-9,
        timestampOffset: -10n,
        filter: 'not port 22',
        operatingSystem: 'that Linux',
        hardware: 'a card',
        frameCheckSequence: 4,
      },
      { index: 1, id: 1, name: 'tun0', linkType: 101, timestampResolution: 0.5, speed: undefined, filter: undefined },
      { index: 2, id: 0, generation: 1, name: 'any', linkType: 113, section: { number: 1 } },
    ])
    t.equal(Buffer.from(file.interfaces[0]?.options.at(-1)?.value ?? []).toString(), 'unknown')
    t.strictSame(
      packets.map((packet) => [
        packet.interface.name,
        packet.linkType,
        packet.timestamp,
        packet.capturedLength,
        packet.originalLength,
        packet.direction,
        packet.kind,
        packet.comments,
      ]),
      [
        ['eth0', 1, 1_699_999_990_000_000_011n, 5, 5, 'in', 'multicast', ['good morning', 'ü']],
        ['tun0', 101, 2_500_000_000n, 40, 1500, 'out', 'outgoing', []],
        ['eth0', 1, 0n, 6, 6, undefined, undefined, []],
        ['any', 113, 3_000_000_000n, 5, 5, undefined, undefined, []],
      ],
    )
    t.strictSame(
      texts(packets),
      hexes([
        { data: Buffer.from('hello') },
        { data: Buffer.alloc(40, 0x45) },
        { data: Buffer.from('simple') },
        { data: Buffer.from('later') },
      ]),
    )
    t.strictSame(file.blocks, [])
    t.match(file.stats(), { packets: 4, packetsRead: 4, bytes: 56, skippedBlocks: 6, unselected: 0, filtered: 0 })
  }
})

t.test('other pcapng blocks are kept if asked for', async (t) => {
  for (const bigEndian of [false, true]) {
    const blocks = ['nameResolution', 'interfaceStatistics', 'decryptionSecrets', 'custom', 'other'] as const
    const bytes = everything(bigEndian)
    const { packets, file } = await readAll(write(bytes), { keep: { blocks } })
    t.equal(packets.length, 4)
    t.equal(file.stats().skippedBlocks, 0)
    t.match(file.blocks, [
      {
        kind: 'nameResolution',
        names: [
          { address: '10.0.0.1', names: ['a.b', 'c'] },
          { address: '2001:db8::2', names: ['d'] },
        ],
        options: [{ code: 1, value: Buffer.from('note') }],
      },
      { kind: 'decryptionSecrets', secretsType: 0x544c534b, data: Buffer.from('secret'), options: [] },
      { kind: 'custom', type: 0xbad, enterprise: 32473, data: Buffer.from('private\0') },
      { kind: 'custom', type: 0x40000bad, enterprise: 32474, data: Buffer.alloc(0) },
      { kind: 'interfaceStatistics', interfaceId: 1, options: [{ code: 4 }] },
      { kind: 'other', type: 0x1234, body: Buffer.alloc(16) },
    ])
    for (const { offset, type } of file.blocks) {
      t.equal(bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset), type, 'it is where it says')
    }
    const one = await readAll(write(bytes), { keep: { blocks: ['custom'] } })
    t.strictSame(
      one.file.blocks.map(({ kind }) => kind),
      ['custom', 'custom'],
    )
    t.equal(one.file.stats().skippedBlocks, 4)
  }
  const many = new Pcapng().section()
  for (let i = 0; i < 100; i++) many.block(0xbad, Buffer.alloc(1000, i))
  const file = await openFile(write(many.done()), { keep: { blocks: ['custom'], memory: 50_000 } })
  const warnings: CaptureError[] = []
  file.on('warning', (warning) => warnings.push(warning))
  await read(file)
  await new Promise(setImmediate)
  t.equal(file.blocks.length, 33, '1512 bytes each')
  t.match(warnings, [
    { code: 'ERR_OPTION', message: /^the block at byte 33424, of type 2989 and with 1000 bytes, is not kept/ },
  ])
})

t.test('copies of packets and retained chunks outlive the file', async (t) => {
  const file = await openFile(write(everything(false)))
  const chunks: Chunk[] = []
  for await (const chunk of file) {
    chunks.push(chunk.retain())
    const last = [...chunk].at(-1)
    await Promise.resolve()
    t.equal(last?.data.length, 5)
  }
  await file.close()
  const packets = chunks.flatMap((chunk) => [...chunk])
  t.strictSame(
    packets.map((packet) => [packet.interface.name, packet.comments]),
    [
      ['eth0', ['good morning', 'ü']],
      ['tun0', []],
      ['eth0', []],
      ['any', []],
    ],
  )
  const copy = packets[0]?.copy().copy()
  t.strictSame(copy?.comments, ['good morning', 'ü'])
  t.equal(Buffer.from(copy?.data ?? []).toString(), 'hello')

  const plain = await readAll(write(everything(false)), { comments: false })
  t.ok(plain.packets.every(({ comments }) => comments.length === 0))

  const held = await openFile(write(pcap(numberedPackets(10))))
  const iterator = held[Symbol.asyncIterator]()
  const chunk = (await iterator.next()).value as Chunk
  const [packet] = chunk
  const data = packet?.data
  await held.close()
  t.equal(data?.length, 0)
  t.throws(() => packet?.timestamp, { code: 'ERR_RELEASED' })
})

t.test('a stream gives the same packets as a file', async (t) => {
  const bytes = Buffer.concat([
    everything(true),
    new Pcapng()
      .section()
      .interface(1, [[2, 'last']])
      .done(),
  ])
  const path = write(bytes)
  const expected = await readAll(path)
  const same = (read: Read, what: string) => {
    t.equal(read.error, undefined, what)
    t.strictSame(
      read.packets.map((packet) => [packet.timestamp, packet.interface.name, packet.comments]),
      expected.packets.map((packet) => [packet.timestamp, packet.interface.name, packet.comments]),
      what,
    )
    t.strictSame(texts(read.packets), texts(expected.packets), what)
    t.equal(read.file.stats().bytesRead, bytes.length)
    t.equal(read.file.stats().bytesDone <= bytes.length, true)
  }
  for (const piece of [1, 7, 1000]) {
    async function* pieces() {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
    }
    same(await readAll(pieces()), `in pieces of ${piece}`)
  }
  same(await readAll(createReadStream(path)), 'a Readable')
  same(
    await readAll(new Blob([new Uint8Array(bytes)]).stream() as unknown as AsyncIterable<Uint8Array>),
    'a web stream',
  )
  same(await readAll(pathToFileURL(path)), 'a URL')
  same(await readAll(write(gzipSync(bytes))).then((read) => ({ ...read, file: expected.file })), 'gzip')
  const pipe = join(folder, 'pipe')
  if (spawnSync('mkfifo', [pipe]).status === 0) {
    const writing = import('node:fs/promises').then(({ writeFile }) => writeFile(pipe, bytes))
    same(await readAll(pipe), 'a named pipe')
    await writing
  }
})

t.test('a stream that pauses delivers what has arrived', async (t) => {
  const bytes = pcap(numberedPackets(30))
  const half = 24 + 16 + 20 + 16 + 33 // two packets
  let go = () => {}
  async function* slow() {
    yield bytes.subarray(0, half + 3)
    await new Promise<void>((resolve) => (go = resolve))
    yield bytes.subarray(half + 3)
  }
  const file = await openFile(slow(), { chunk: { maxDelay: 1 } })
  const counts: number[] = []
  for await (const chunk of file) {
    counts.push(chunk.packetCount)
    go()
  }
  t.strictSame(counts, [2, 28])
})

t.test('what precedes the failure of a stream is delivered, then the error of the stream is thrown', async (t) => {
  const bytes = pcap(numberedPackets(30))
  const broken = new Error('the cable was pulled')
  async function* failing() {
    yield bytes.subarray(0, bytes.length - 5)
    throw broken
  }
  const { packets, error } = await readAll(failing())
  t.equal(packets.length, 29)
  t.equal(error, broken)
  const atOnce = new Readable({ read: () => atOnce.destroy(broken) })
  await t.rejects(openFile(atOnce), broken)
  await t.rejects(openFile(Readable.from(['text'])), { code: 'ERR_OPTION', message: /a stream of bytes/ })
})

t.test('gzip and zstd are recognised by content, also with several members', async (t) => {
  const made = numberedPackets(20_000)
  const bytes = pcap(made)
  const half = bytes.length >> 1
  const zstd = existsSync('/usr/bin/zstd')
  const packed: [string, Buffer][] = [
    ['gzip', gzipSync(bytes)],
    [
      'gzip in members',
      Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(''), gzipSync(bytes.subarray(half))]),
    ],
    ['gzip with zeros behind', Buffer.concat([gzipSync(bytes), Buffer.alloc(1000)])],
  ]
  if (!zstd) t.fail('zstd is not installed')
  const squeeze = (input: Uint8Array) => execFileSync('zstd', ['-q', '-c'], { input, maxBuffer: 1 << 28 })
  packed.push(['zstd', squeeze(bytes)])
  packed.push(['zstd in frames', Buffer.concat([squeeze(bytes.subarray(0, half)), squeeze(bytes.subarray(half))])])
  for (const [name, content] of packed) {
    const path = write(content)
    const { packets, error, file } = await readAll(path)
    t.equal(error, undefined, name)
    t.strictSame(texts(packets), hexes(made), name)
    t.match(file.stats(), { size: content.length, bytesRead: content.length, bytesUnpacked: bytes.length }, name)
    t.equal((await readAll(createReadStream(path))).packets.length, made.length, `${name}, as a stream`)
  }
  t.equal((await readAll(write(gzipSync(''))).catch((error) => error)).code, 'ERR_FILE_TRUNCATED')
  await t.rejects(openFile(write(gzipSync('not a savefile'))), { code: 'ERR_FILE_FORMAT', offset: 0 })
})

t.test('of a damaged compressed file everything before the damage is delivered', async (t) => {
  const made = numberedPackets(20_000)
  const bytes = pcap(made)
  const squeeze = (input: Uint8Array) => execFileSync('zstd', ['-q', '-c'], { input, maxBuffer: 1 << 28 })
  // Everything in a complete gzip member or zstd frame is unpacked to its last byte, whatever follows it.
  let at = 24
  for (let i = 0; i < 12_345; i++) at += 16 + bytes.readUInt32LE(at + 8)
  for (const [name, pack] of [
    ['gzip', gzipSync],
    ['zstd', squeeze],
  ] as const) {
    const first = pack(bytes.subarray(0, at + 5))
    const second = pack(bytes.subarray(at + 5))
    for (const [what, code, rest] of [
      ['cut within the header', 'ERR_FILE_TRUNCATED', second.subarray(0, 3)],
      ['not the format', 'ERR_FILE_DAMAGED', Buffer.concat([second.subarray(0, 2), Buffer.alloc(600, 0xee)])],
    ] as const) {
      const { packets, error } = await readAll(write(Buffer.concat([first, rest])))
      t.equal(packets.length, 12_345, `${name}, ${what}`)
      t.match(error, { code, offset: at + 5 }, `${name}, ${what}`)
    }
    // Truncated within a member or frame: the packets are those in the output of zlib or zstd itself up to there.
    const { packets, error } = await readAll(write(pack(bytes).subarray(0, -9)))
    t.equal(error?.code, 'ERR_FILE_TRUNCATED', name)
    t.strictSame(texts(packets), hexes(made.slice(0, packets.length)), name)
    t.ok(packets.length > 10_000, `${packets.length} packets`)
  }
  const whole = gzipSync(bytes)
  const checksum = Buffer.from(whole)
  checksum[whole.length - 6] = (checksum[whole.length - 6] as number) ^ 1
  const wrong = await readAll(write(checksum))
  t.equal(wrong.packets.length, 20_000)
  t.match(wrong.error, { code: 'ERR_FILE_DAMAGED', offset: bytes.length, message: /the gzip data are damaged/ })
  const more = await readAll(write(Buffer.concat([whole, Buffer.from('more')])))
  t.equal(more.packets.length, 20_000)
  t.match(more.error, { code: 'ERR_FILE_DAMAGED', message: /followed by something else/ })
})

t.test('of truncated and damaged files every packet before is delivered, then an error names the offset', async (t) => {
  const made = numberedPackets(5000)
  const bytes = pcap(made)
  const starts = [24]
  for (const { data } of made) starts.push((starts.at(-1) as number) + 16 + data.length)
  for (const packets of [0, 1, 2345, 4999]) {
    const start = starts[packets] as number
    for (const cut of [1, 15, 16, 20]) {
      const path = write(bytes)
      truncateSync(path, start + cut)
      const { packets: got, error } = await readAll(path)
      t.equal(got.length, packets)
      t.match(error, { code: 'ERR_FILE_TRUNCATED', offset: start })
      t.ok(error instanceof CaptureError && error.message.startsWith(path))
    }
    const damaged = Buffer.from(bytes)
    damaged.writeUInt32LE(0xfffffff0, start + 8)
    const { packets: got, error } = await readAll(write(damaged))
    t.strictSame(texts(got), hexes(made.slice(0, packets)))
    t.match(error, { code: 'ERR_FILE_DAMAGED', offset: start, message: /claims 4294967280 bytes/ })
  }
  const { packets, error, file } = await readAll(write(bytes.subarray(0, starts[10])))
  t.equal(error, undefined, 'cut between packets it is whole')
  t.equal(packets.length, 10)
  t.equal((await read(file)).packets.length, 0, 'a loop after the end ends')

  const again = await openFile(write(bytes.subarray(0, -1)))
  t.equal((await read(again)).error?.code, 'ERR_FILE_TRUNCATED')
  t.equal((await read(again)).error?.code, 'ERR_FILE_TRUNCATED', 'a loop after the error throws it again')
})

t.test('a file that is not a savefile is refused', async (t) => {
  const rejects = async (bytes: Uint8Array, error: Record<string, unknown>) => {
    for (const source of [write(bytes), Readable.from([bytes])]) {
      t.match(await openFile(source).catch((error) => error), error)
    }
  }
  await rejects(Buffer.alloc(0), { code: 'ERR_FILE_TRUNCATED', offset: 0, message: /the file is empty$/ })
  await rejects(Buffer.from('hello'), { code: 'ERR_FILE_FORMAT', message: /begins with 68 65 6c 6c 6f$/ })
  await rejects(pcap([]).subarray(0, 20), { code: 'ERR_FILE_TRUNCATED', offset: 0 })
  const later = pcap([])
  later.writeUInt16LE(3, 4)
  await rejects(later, { code: 'ERR_FILE_FORMAT', offset: 4, message: /version 3\.4/ })
  await t.rejects(openFile(join(folder, 'none')), { code: 'ERR_SYSTEM', errno: 2, syscall: 'open' })
  await t.rejects(openFile(folder), { code: 'ERR_SYSTEM', errno: 21 })
  for (const source of [undefined, 7, null, {}, Buffer.alloc(3)]) {
    await t.rejects(openFile(source as unknown as string), { code: 'ERR_OPTION', message: /^source must be a path/ })
  }
  await t.rejects(openFile('a\0b'), { code: 'ERR_OPTION' })
})

t.test('wrong options are refused', async (t) => {
  const path = write(pcap([]))
  for (const [options, message] of [
    [{ filtre: 'x' }, /^options\.filtre is not an option; known are filter,/],
    [{ filter: 5 }, /^filter must be a pcap-filter expression; got the number 5/],
    [{ snapshotLength: 0 }, /^snapshotLength must be a whole number from 1 to 262144 bytes/],
    [{ chunk: { size: 4096 } }, /^chunk\.size must be a whole number from 524288 to 4194304 bytes/],
    [{ chunk: { size: 524289 } }, /^chunk\.size must be a multiple of 4096/],
    [{ memory: 1 << 20 }, /^memory must be a whole number from 2097152/],
    [{ keep: { blocks: 'custom' } }, /^keep\.blocks must be a list/],
    [{ keep: { blocks: new Array(1) } }, /^keep\.blocks\[0\] must be 'nameResolution' or .*; got undefined/],
    [{ keep: { blocks: ['nothing'] } }, /^keep\.blocks\[0\] must be 'nameResolution' or/],
    [{ comments: 1 }, /^comments must be a boolean/],
    [{ signal: {} }, /^signal must be an AbortSignal/],
  ] as const) {
    await t.rejects(openFile(path, options as unknown as SavefileOptions), { code: 'ERR_OPTION', message })
  }
  await t.rejects(openFile(path, { filter: 'port and' }), { code: 'ERR_FILTER_SYNTAX' })
  await t.rejects(openFile(path, { interfaces: { include: '(' } }), { code: 'ERR_PATTERN' })
})

t.test('a filter is compiled for the link type of each interface', async (t) => {
  const ethernet = ethernetPackets()
  const raw = rawPackets()
  for (const [packets, linkType] of [
    [ethernet, 1],
    [raw, 101],
  ] as const) {
    const path = write(savefile(packets, linkType))
    for (const filter of ['udp port 53', 'ip6 or vlan', 'less 60', '']) {
      // tcpdump cannot compile some filters for raw IP; the library must reject the same ones.
      const witness = spawnSync('tcpdump', ['-r', path, '-w', '-', filter], { maxBuffer: 1 << 28 })
      const file = await openFile(path, { filter })
      const warnings: string[] = []
      file.on('warning', ({ message }) => warnings.push(message))
      const { packets: got } = await read(file)
      await new Promise(setImmediate)
      if (witness.status !== 0) {
        t.equal(got.length, 0, filter)
        t.match(warnings, [/^the filter cannot be applied to packets of link type 101/])
        continue
      }
      t.strictSame(warnings, [])
      const numbers = got.map(({ timestamp }) => Number(timestamp / 1_000_000_000n))
      const expected: number[] = []
      for (let at = 24; at < witness.stdout.length; at += 16 + witness.stdout.readUInt32LE(at + 8)) {
        expected.push(witness.stdout.readUInt32LE(at))
      }
      t.strictSame(numbers, expected, `${filter} on ${linkType}`)
      t.match(file.stats(), { packetsRead: packets.length, filtered: packets.length - got.length, packets: got.length })
    }
  }
  const mixed = new Pcapng().section().interface(1).interface(101)
  for (const { bytes } of ethernet) mixed.packet(0, { time: 0n, data: bytes })
  for (const { bytes } of raw) mixed.packet(1, { time: 0n, data: bytes })
  const count = async (filter: string) => (await readAll(write(mixed.done()), { filter })).packets.length
  const both = await count('udp port 53')
  const alone = async (packets: typeof raw, linkType: number) =>
    (await readAll(write(savefile(packets, linkType)), { filter: 'udp port 53' })).packets.length
  t.ok(both > 0)
  t.equal(both, (await alone(ethernet, 1)) + (await alone(raw, 101)))
})

t.test('only packets of selected interfaces are delivered', async (t) => {
  const file = new Pcapng().section()
  const names = ['eth0', 'eth1', 'veth5', 'wlan0']
  for (const name of names) file.interface(1, [[2, name]])
  for (let i = 0; i < 40; i++) file.packet(i % 4, { time: 0n, data: Buffer.from([i]) })
  file
    .section()
    .interface(1, [[2, 'eth9']])
    .packet(0, { time: 0n, data: Buffer.from([99]) })
  const path = write(file.done())
  const count = async (interfaces: SavefileOptions['interfaces']) => {
    const { packets, file } = await readAll(path, { interfaces })
    t.equal(file.stats().unselected, 41 - packets.length)
    return [...new Set(packets.map((packet) => packet.interface.name))].join(' ')
  }
  t.equal(await count('eth1'), 'eth1')
  t.equal(await count(['wlan0', 'eth9']), 'wlan0 eth9')
  t.equal(await count({ include: '^eth' }), 'eth0 eth1 eth9')
  t.equal(await count({ include: /eth/, exclude: '^veth' }), 'eth0 eth1 eth9')
  t.equal(await count({ include: (iface) => iface.index >= 3 }), 'wlan0 eth9')
  t.equal(await count({}), 'eth0 eth1 veth5 wlan0 eth9')

  const none = await readAll(path, { interfaces: 'eth7' })
  t.match(none.error, {
    code: 'ERR_NO_INTERFACE',
    interface: 'eth7',
    message: /the file has eth0, eth1, veth5, wlan0, eth9$/,
  })
  t.match((await readAll(path, { interfaces: '^eth' })).error, {
    code: 'ERR_NO_INTERFACE',
    message: /eth9; a name is taken as it is: for a pattern write { include: "\^eth" }$/,
  })
  t.equal(none.packets.length, 0)
  const partly = await openFile(path, { interfaces: ['eth0', 'eth7'] })
  const warnings: CaptureError[] = []
  const seen: string[] = []
  partly.on('warning', (warning) => warnings.push(warning))
  partly.on('interface', (iface, selected) => seen.push(`${iface.name} ${selected}`))
  t.equal((await read(partly)).packets.length, 10)
  await new Promise(setImmediate)
  t.match(warnings, [{ code: 'ERR_NO_INTERFACE', message: /no interface has the name eth7/ }])
  t.strictSame(seen, ['eth0 true', 'eth1 false', 'veth5 false', 'wlan0 false', 'eth9 false'])

  const broken = await readAll(path, {
    interfaces: {
      include: (iface) => {
        if (iface.name === 'eth9') throw new Error('no')
        return true
      },
    },
  })
  t.match(broken.error, { code: 'ERR_PATTERN' })
  await t.rejects(openFile(write(pcap(numberedPackets(3))), { interfaces: 'eth0' }), {
    code: 'ERR_NO_INTERFACE',
    message: /the file has one without a name/,
  })
  t.equal((await readAll(write(pcap(numberedPackets(3))), { interfaces: { exclude: 'eth' } })).packets.length, 3)
})

t.test('long packets are cut to the snapshot length', async (t) => {
  const lengths = [262144, 1, 65536, 8191, 8192, 8190, 262144]
  const made = lengths.map((length, number) => ({ time: BigInt(number), data: Buffer.alloc(length, number + 1) }))
  for (const size of [512 << 10, 4 << 20]) {
    const { packets } = await readAll(write(pcap(made)), { chunk: { size }, memory: 2 * size })
    t.strictSame(
      packets.map(({ capturedLength }) => capturedLength),
      lengths,
    )
    t.ok(packets.every(({ data }, i) => Buffer.compare(data, made[i]?.data as Buffer) === 0))
  }
  const cut = await readAll(write(pcap(made)), { snapshotLength: 100 })
  t.strictSame(
    cut.packets.map(({ data, originalLength }) => [data.length, originalLength]),
    lengths.map((length) => [Math.min(length, 100), length]),
  )
  const large = [{ time: 0n, data: Buffer.alloc(3_000_000, 7) }]
  const huge = write(pcap(large, { snapshotLength: 0 }))
  t.equal((await readAll(huge, { chunk: { size: 4 << 20 } })).packets[0]?.capturedLength, 3_000_000)
  t.match((await readAll(huge)).error, { code: 'ERR_FILE_DAMAGED', offset: 24 })
})

t.test('the reader is never further ahead than its memory allows', async (t) => {
  const piece = pcap(numberedPackets(1000)).subarray(24)
  let brought = 0
  let ended = false
  async function* endless() {
    try {
      yield pcap([])
      for (;;) {
        brought += piece.length
        yield piece
      }
    } finally {
      ended = true
    }
  }
  const file = await openFile(endless(), { memory: 2 << 20 })
  await waitUntil(() => brought > (2 << 20) - piece.length, 'both chunks to be full')
  // That nothing more is read can only be seen over time.
  await waitUntilStable(() => brought, 'the reader')
  // Two chunks, plus what is buffered between the stream and them.
  t.ok(brought < (2 << 20) + (1 << 20) + 2 * piece.length, `${brought} bytes`)
  let packets = 0
  for await (const chunk of file) {
    packets += chunk.packetCount
    if (packets > 100_000) break
  }
  t.ok(brought > packets * 300)
  await file.close()
  t.equal(ended, true)
})

t.test('progress and stats advance, an abort and close() end the reading', async (t) => {
  const path = write(pcap(numberedPackets(60_000)))
  const size = readFileSync(path).length
  const file = await openFile(path)
  const heard: number[] = []
  file.on('progress', ({ bytesDone }) => heard.push(bytesDone))
  let done = 24
  let count = 0
  for await (const chunk of file) {
    done += chunk.byteLength + 16 * chunk.packetCount
    count += chunk.packetCount
    t.match(file.stats(), { bytesDone: done, size, packets: count })
  }
  t.equal(heard.at(-1), size)
  t.match(file.stats(), { bytesDone: size, bytesRead: size, bytesUnpacked: size, packets: 60_000, packetsRead: 60_000 })

  const reason = new Error('enough')
  const aborted = AbortSignal.abort(reason)
  await t.rejects(openFile(path, { signal: aborted }), reason)
  const controller = new AbortController()
  const stopped = await openFile(path, { signal: controller.signal })
  let seen = 0
  await t.rejects(async () => {
    for await (const chunk of stopped) {
      seen += chunk.packetCount
      controller.abort(reason)
    }
  }, reason)
  t.ok(seen > 0 && seen < 60_000)
  const quiet = new AbortController()
  const opening = openFile(new Readable({ read() {} }), { signal: quiet.signal })
  setImmediate(() => quiet.abort(reason))
  await t.rejects(opening, reason, 'aborted while it opens')

  const twice = await openFile(path)
  for await (const chunk of twice) {
    t.ok(chunk.packetCount > 0)
    break
  }
  const rest = await read(twice)
  t.ok(rest.packets.length > 0 && rest.packets.length < 60_000, 'another loop goes on')
  await Promise.all([twice.close(), twice.close()])
  {
    await using used = await openFile(path)
    t.equal((await used.packets().next()).value?.capturedLength, 20)
  }
})

t.test('a process ends although it has a file open', async (t) => {
  const path = write(pcap(numberedPackets(60_000)))
  const run = (body: string) => {
    const script = `import { openFile } from 'ringtap'; const file = await openFile(${JSON.stringify(path)}); ${body}`
    return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 60_000 })
  }
  t.match(run(''), { status: 0, stderr: '' })
  t.match(run('for await (const chunk of file) { console.log(chunk.packetCount > 0); break }'), {
    status: 0,
    stdout: 'true\n',
  })
  t.match(run('let n = 0; for await (const chunk of file) n += chunk.packetCount; console.log(n)'), {
    status: 0,
    stdout: '60000\n',
  })
})

t.test('reading files leaks no descriptor, thread or memory', async (t) => {
  const path = write(gzipSync(pcap(numberedPackets(60_000))))
  const once = async () => {
    const file = await openFile(path, { filter: 'less 100' })
    for await (const chunk of file) if (chunk.packetCount > 0) break
    await file.close()
    await openFile(join(folder, 'none')).catch(() => {})
    await openFile(createReadStream(path)).then((file) => file.close())
  }
  for (let i = 0; i < 5; i++) await once()
  const before = await settle()
  for (let i = 0; i < 50; i++) await once()
  const after = await settle()
  t.strictSame([after.descriptors, after.threads], [before.descriptors, before.threads])
})

t.test('a listener that throws does not end the reading', async (t) => {
  const path = write(
    new Pcapng()
      .section()
      .interface(1)
      .packet(0, { time: 1n, data: Buffer.alloc(60) })
      .done(),
  )
  const script = `
    import { openFile } from 'ringtap'
    const thrown = []
    process.on('uncaughtException', (error) => thrown.push(error.message))
    const file = await openFile(${JSON.stringify(path)})
    for (const name of ['interface', 'progress', 'close']) file.on(name, () => { throw new Error(name) })
    let packets = 0
    for await (const chunk of file) packets += chunk.packetCount
    await file.close()
    await new Promise((resolve) => setImmediate(resolve))
    console.log(JSON.stringify({ packets, thrown: [...new Set(thrown)].sort() }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), { packets: 1, thrown: ['close', 'interface', 'progress'] })
})

t.test('a listener for an event that does not exist is refused', async (t) => {
  const file = await openFile(write(pcap([])))
  for (const name of ['packet', 'data', 'end']) {
    t.throws(() => file.on(name as 'close', () => {}), {
      code: 'ERR_OPTION',
      message: new RegExp(
        `^Savefile has no event '${name}'; there are interface, progress, warning, close\\. Packets are`,
      ),
    })
  }
  t.equal((await read(file)).packets.length, 0)
})
