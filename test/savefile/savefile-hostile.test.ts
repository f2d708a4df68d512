// Files that declare more data than they hold, or hold more than fits into memory. Their packets are delivered, memory
// use stays within a few chunks, and each fault is reported as a typed error with its offset.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, createWriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { type CaptureError, openFile, type SavefileOptions } from 'ringtap'
import t from 'tap'
import { numberedPackets, Pcapng, pcap } from '../helpers/savefiles.js'

const folder = t.testdir()
t.setTimeout(240_000)
let files = 0
const name = () => join(folder, `${files++}`)
function save(bytes: Uint8Array): string {
  const path = name()
  writeFileSync(path, bytes)
  return path
}
/** Writes gzip data of any size without holding it in memory. */
async function packed(pieces: Iterable<Uint8Array>): Promise<string> {
  const path = name()
  await pipeline(Readable.from(pieces), createGzip({ level: 1 }), createWriteStream(path))
  return path
}
const MiB = 1 << 20
const packet = (number: number) => ({ time: BigInt(number), data: Buffer.from([number & 0xff]) })

interface Outcome {
  packets: number
  /** Interface names of the first and the last packet. */
  names: string[]
  remembered: number
  code: string
  offset: number
  /** Growth of the peak resident memory, in MiB. */
  grown: number
}

/** Runs this code on a file in a separate process, and returns the result. */
function outcome(body: string): Outcome {
  const script = `
    import { readFileSync } from 'node:fs'
    import { convertFiles, openFile } from 'ringtap'
    const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024
    const read = async (path, options) => {
      const told = { packets: 0, names: [], remembered: 0 }
      const file = await openFile(path, options)
      try {
        for await (const chunk of file) {
          told.packets += chunk.packetCount
          for (const one of chunk) told.names[told.names.length === 0 ? 0 : 1] = one.interface.name
        }
      } catch (error) {
        if (error.code === undefined) throw error
        told.code = error.code
        told.offset = error.offset
      }
      told.remembered = file.interfaces.length
      return told
    }
    const before = peak()
    const told = await (async () => { ${body} })()
    console.log(JSON.stringify({ ...told, grown: Math.round(peak() - before) }))`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}
const read = (path: string, options: object = {}) =>
  outcome(`return await read(${JSON.stringify(path)}, ${JSON.stringify(options)})`)

t.test('a very large number of sections is read in bounded memory', async (t) => {
  // A packet, then sections with 400 MiB of descriptions, then a packet.
  const option = Buffer.alloc(60_000, 'x')
  const many = new Pcapng()
    .section([[1, option]])
    .interface(1, [[2, 'middle'], ...Array.from({ length: 3 }, () => [3, option] as const)])
    .done()
  const first = new Pcapng()
    .section()
    .interface(1, [[2, 'first']])
    .packet(0, packet(0))
    .done()
  const last = new Pcapng(true)
    .section()
    .interface(1, [[2, 'last']])
    .packet(0, packet(1))
    .done()
  const path = await packed(
    (function* () {
      yield first
      for (let i = 0; i < 1700; i++) yield many
      yield last
    })(),
  )
  const told = read(path)
  t.match(told, { packets: 2, names: ['first', 'last'] })
  t.ok(told.remembered > 0 && told.remembered < 200, `${told.remembered} interfaces are remembered`)
  // Includes garbage that has not been collected yet.
  t.ok(told.grown < 250, `${told.grown} MiB`)

  const output = name()
  const converted = outcome(`
    await convertFiles(${JSON.stringify(path)}, ${JSON.stringify(output)}, { interfaces: { exclude: 'middle' } })
    return await read(${JSON.stringify(output)})`)
  t.match(converted, { packets: 2, names: ['first', 'last'], remembered: 2 })
  t.ok(converted.grown < 150, `${converted.grown} MiB`)
})

t.test('a very large number of small sections with few packets is read in bounded memory', async (t) => {
  const empty = Buffer.concat(Array.from({ length: 200 }, () => new Pcapng().section().interface(1).done()))
  const some = (number: number) =>
    new Pcapng()
      .section()
      .interface(1, [[2, `if${number}`]])
      .packet(0, packet(number))
      .done()
  const path = await packed(
    (function* () {
      for (let i = 0; i < 150; i++) {
        yield some(i)
        yield empty
      }
    })(),
  )
  const names: string[] = []
  let numbers = 0
  await using file = await openFile(path)
  for await (const chunk of file) {
    for (const one of chunk) names.push(`${one.interface.name} ${one.data[0]}`)
    numbers = Math.max(numbers, file.interfaces.length)
  }
  t.strictSame(
    names,
    Array.from({ length: 150 }, (_, i) => `if${i} ${i}`),
    'each packet is of its own interface',
  )
  t.ok(numbers < 12_000, `${numbers} are remembered`)
})

t.test('a section has 65536 interfaces at most', async (t) => {
  const file = new Pcapng().section()
  for (let i = 0; i < 65_536; i++) file.interface(1)
  file.packet(65_535, packet(0))
  const good = file.done()
  t.match(read(save(good)), { packets: 1, remembered: 65_536 })
  const told = read(save(file.interface(1).done()))
  t.match(told, { packets: 1, code: 'ERR_FILE_DAMAGED', offset: good.length })
})

t.test('decompression bombs are read in bounded memory', async (t) => {
  // A single block that declares a length of 2 GiB, of which 300 MiB follow.
  const length = 2 ** 31
  const zeros = Buffer.alloc(MiB)
  const block = new Pcapng().bytes().u32(0x1234, length).done()
  const pieces = function* () {
    yield new Pcapng().section().interface(1).packet(0, packet(0)).done()
    yield block
    for (let i = 0; i < 300; i++) yield zeros
  }
  const gzip = await packed(pieces())
  const plain = join(folder, 'bomb')
  writeFileSync(plain, Buffer.concat([...pieces()]))
  execFileSync('zstd', ['-q', '-1', plain])
  for (const path of [gzip, `${plain}.zst`, plain]) {
    const told = read(path, { keep: { blocks: ['other'] } })
    // The packet precedes the block, which is truncated.
    t.match(told, { packets: 1, code: 'ERR_FILE_TRUNCATED', offset: 28 + 20 + 36 })
    t.ok(told.grown < 100, `${told.grown} MiB`)
  }
  // Data that is not a savefile has no packets.
  const nothing = await packed([zeros])
  await t.rejects(openFile(nothing), { code: 'ERR_FILE_FORMAT', offset: 0 })
})

t.test('false lengths are reported with their offset', async (t) => {
  const start = new Pcapng().section().interface(1).packet(0, packet(0)).done()
  const bytes = () => new Pcapng().bytes()
  const cases: [string, Buffer, string, number][] = [
    ['a packet block', bytes().u32(6, 0xffff_fff0, 0).done(), 'ERR_FILE_DAMAGED', start.length],
    ['no multiple of four', bytes().u32(6, 33, 0).done(), 'ERR_FILE_DAMAGED', start.length],
    ['less than an envelope', bytes().u32(0x1234, 8, 0).done(), 'ERR_FILE_DAMAGED', start.length],
    [
      'a block to pass over',
      bytes().u32(0x1234, 0xffff_fff0).raw(Buffer.alloc(50)).done(),
      'ERR_FILE_TRUNCATED',
      start.length,
    ],
    ['the second length', bytes().u32(0x1234, 16, 0, 20).done(), 'ERR_FILE_DAMAGED', start.length],
    [
      'the same, passed over',
      bytes()
        .u32(0x1234, 4 * MiB)
        .raw(Buffer.alloc(4 * MiB - 12))
        .u32(5)
        .done(),
      'ERR_FILE_DAMAGED',
      start.length,
    ],
    ['bytes of a packet', bytes().u32(6, 36, 0, 0, 0, 0xffff_fff0, 9, 0, 36).done(), 'ERR_FILE_DAMAGED', start.length],
    ['an interface', bytes().u32(6, 36, 7, 0, 0, 4, 4, 0, 36).done(), 'ERR_FILE_DAMAGED', start.length],
  ]
  for (const [what, more, code, offset] of cases) {
    t.match(read(save(Buffer.concat([start, more]))), { packets: 1, code, offset }, what)
  }
  const good = pcap(numberedPackets(3))
  for (const claimed of [0xffff_ffff, 0x8000_0000, 262_145]) {
    const bad = new Pcapng().bytes().u32(0, 0, claimed, claimed).raw(Buffer.alloc(100)).done()
    t.match(read(save(Buffer.concat([good, bad]))), { packets: 3, code: 'ERR_FILE_DAMAGED', offset: good.length })
  }
})

t.test('a block larger than a chunk is kept if keep.memory allows, else a warning names it', async (t) => {
  const body = Buffer.concat([
    new Pcapng()
      .bytes()
      .u32(0x544c534b, 3 * MiB)
      .done(),
    Buffer.alloc(3 * MiB, 'k'),
  ])
  const path = save(new Pcapng().section().interface(1).block(10, body).packet(0, packet(0)).done())
  const blocksOf = async (options: SavefileOptions) => {
    const file = await openFile(path, options)
    const warnings: CaptureError[] = []
    file.on('warning', (warning) => warnings.push(warning))
    let packets = 0
    for await (const chunk of file) packets += chunk.packetCount
    await new Promise(setImmediate)
    t.equal(packets, 1)
    return { lengths: file.blocks.map(({ data }) => data?.length), warnings: warnings.map(({ message }) => message) }
  }
  const blocks = ['decryptionSecrets'] as const
  t.strictSame(await blocksOf({ keep: { blocks } }), { lengths: [3 * MiB], warnings: [] })
  t.match(await blocksOf({ keep: { blocks, memory: MiB } }), {
    lengths: [],
    warnings: [/^the block at byte 48, of type 10 and with 3145736 bytes, is not kept: there is no room for it/],
  })
})

t.test('warnings about link types without a filter are bounded', async (t) => {
  const file = new Pcapng().section()
  for (let linkType = 300; linkType < 1300; linkType++) file.interface(linkType)
  for (let id = 0; id < 1000; id++) file.packet(id, packet(id))
  const opened = await openFile(save(file.done()), { filter: 'udp' })
  const warnings: string[] = []
  opened.on('warning', ({ message }) => warnings.push(message))
  for await (const _ of opened);
  await new Promise(setImmediate)
  t.equal(opened.stats().filtered, 1000)
  t.equal(warnings.length, 21)
  t.match(warnings.at(-1), /further link types/)
})

t.test('FIFOs, pipes and devices can be read, folders and empty files are refused', async (t) => {
  const bytes = pcap(numberedPackets(5000))
  const fifo = name()
  execFileSync('mkfifo', [fifo])
  spawn('sh', ['-c', 'cat "$0" > "$1"', save(bytes), fifo], { stdio: 'ignore' })
  t.match(read(fifo), { packets: 5000 })

  const script = `
    import { openFile } from 'ringtap'
    let packets = 0
    for await (const chunk of await openFile('/dev/stdin')) packets += chunk.packetCount
    console.log(packets)`
  const args = ['--input-type=module', '-e', script]
  // A pipe made by a shell: Node gives a child a socket instead, which cannot be opened through /dev/stdin.
  const command = ['-c', 'cat "$0" | "$@"', save(gzipSync(bytes)), process.execPath, ...args]
  t.equal(execFileSync('sh', command, { encoding: 'utf8' }), '5000\n')

  await t.rejects(openFile(folder), { code: 'ERR_SYSTEM', errno: 21, message: `${folder}: EISDIR` })
  await t.rejects(openFile(save(Buffer.alloc(0))), { code: 'ERR_FILE_TRUNCATED', offset: 0 })
  await t.rejects(openFile('/dev/null'), { code: 'ERR_FILE_TRUNCATED', offset: 0 })
  await t.rejects(openFile('/dev/zero'), { code: 'ERR_FILE_FORMAT', offset: 0 })
  await t.rejects(openFile(save(bytes.subarray(0, 10))), { code: 'ERR_FILE_TRUNCATED', offset: 0 })
  await t.rejects(openFile(save(gzipSync(Buffer.alloc(0)))), { code: 'ERR_FILE_TRUNCATED', offset: 0 })
})

t.test('a file that grows while it is read is read to its new end', async (t) => {
  const packets = numberedPackets(60_000)
  const bytes = pcap(packets)
  const path = save(bytes.subarray(0, 20_000_000))
  await using file = await openFile(path)
  let seen = 0
  for await (const chunk of file) {
    if (seen === 0) appendFileSync(path, bytes.subarray(20_000_000))
    seen += chunk.packetCount
  }
  t.equal(seen, packets.length, 'what was there when the reading came to it')
  t.match(file.stats(), { bytesDone: bytes.length, size: 20_000_000 })
})
