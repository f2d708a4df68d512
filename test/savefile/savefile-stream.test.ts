// Savefiles from streams, and compressed, damaged and truncated ones.
import { execFileSync, spawnSync } from 'node:child_process'
import { createReadStream, existsSync, truncateSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { CaptureError, openFile, type Savefile } from 'ringtap'
import t from 'tap'
import { everything } from '../helpers/full-savefile.js'
import { hexes, type Read, read, readAll, texts } from '../helpers/read-savefile.js'
import { numberedPackets, Pcapng, pcap } from '../helpers/savefiles.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)

t.test('a stream gives the same packets as a file', async (t) => {
  const bytes = Buffer.concat([
    everything(true),
    new Pcapng()
      .section()
      .interface(1, [[2, 'last']])
      .done(),
  ])
  const path = folder.write(bytes)
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
  same(await readAll(folder.write(gzipSync(bytes))).then((read) => ({ ...read, file: expected.file })), 'gzip')
  const pipe = folder.file('pipe')
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

t.test('close() waits for the end of an iterable, but not for what it has not brought', async (t) => {
  const bytes = pcap(numberedPackets(100))
  const ended: string[] = []
  async function* ending() {
    try {
      yield bytes
      for (;;) yield bytes.subarray(24)
    } finally {
      await new Promise((resolve) => setTimeout(resolve, 50))
      ended.push('ending')
    }
  }
  await (await openFile(ending(), { memory: 2 << 20 })).close()
  t.strictSame(ended, ['ending'])

  async function* silent() {
    yield bytes
    await new Promise(() => {})
  }
  await (await openFile(silent())).close()

  // What is not bytes ends the reading at once, and the source with it.
  async function* wrong() {
    try {
      yield bytes
      yield 'text' as unknown as Uint8Array
    } finally {
      await new Promise((resolve) => setTimeout(resolve, 50))
      ended.push('wrong')
    }
  }
  t.match((await readAll(wrong())).error, { code: 'ERR_OPTION' })
  t.strictSame(ended, ['ending', 'wrong'])

  // A source that has ended is not returned from.
  const over = { next: async () => ({ done: true, value: undefined }), return: () => new Promise(() => {}) }
  const empty = { [Symbol.asyncIterator]: () => over } as unknown as AsyncIterable<Uint8Array>
  await t.rejects(openFile(empty))

  // One that closes the file itself.
  let opened: Savefile | undefined
  const closing = {
    next: async () => ({ done: false, value: bytes }),
    return() {
      void opened?.close()
      ended.push('closing')
    },
  }
  opened = await openFile({ [Symbol.asyncIterator]: () => closing } as unknown as AsyncIterable<Uint8Array>)
  await opened.close()
  t.strictSame(ended, ['ending', 'wrong', 'closing'])

  // Iterators that are not generators may answer as they like.
  for (const answer of [() => undefined, () => Promise.reject(new Error('refused'))]) {
    const iterator = { next: async () => ({ done: false, value: bytes }), return: answer }
    const source = { [Symbol.asyncIterator]: () => iterator } as unknown as AsyncIterable<Uint8Array>
    await (await openFile(source, { memory: 2 << 20 })).close()
  }
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
    const path = folder.write(content)
    const { packets, error, file } = await readAll(path)
    t.equal(error, undefined, name)
    t.strictSame(texts(packets), hexes(made), name)
    t.match(file.stats(), { size: content.length, bytesRead: content.length, bytesUnpacked: bytes.length }, name)
    t.equal((await readAll(createReadStream(path))).packets.length, made.length, `${name}, as a stream`)
  }
  t.equal((await readAll(folder.write(gzipSync(''))).catch((error) => error)).code, 'ERR_FILE_TRUNCATED')
  await t.rejects(openFile(folder.write(gzipSync('not a savefile'))), { code: 'ERR_FILE_FORMAT', offset: 0 })
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
      const { packets, error } = await readAll(folder.write(Buffer.concat([first, rest])))
      t.equal(packets.length, 12_345, `${name}, ${what}`)
      t.match(error, { code, offset: at + 5 }, `${name}, ${what}`)
    }
    // Truncated within a member or frame: the packets are those in the output of zlib or zstd itself up to there.
    const { packets, error } = await readAll(folder.write(pack(bytes).subarray(0, -9)))
    t.equal(error?.code, 'ERR_FILE_TRUNCATED', name)
    t.strictSame(texts(packets), hexes(made.slice(0, packets.length)), name)
    t.ok(packets.length > 10_000, `${packets.length} packets`)
  }
  const whole = gzipSync(bytes)
  const checksum = Buffer.from(whole)
  checksum[whole.length - 6] = (checksum[whole.length - 6] as number) ^ 1
  const wrong = await readAll(folder.write(checksum))
  t.equal(wrong.packets.length, 20_000)
  t.match(wrong.error, { code: 'ERR_FILE_DAMAGED', offset: bytes.length, message: /the gzip data are damaged/ })
  const more = await readAll(folder.write(Buffer.concat([whole, Buffer.from('more')])))
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
      const path = folder.write(bytes)
      truncateSync(path, start + cut)
      const { packets: got, error } = await readAll(path)
      t.equal(got.length, packets)
      t.match(error, { code: 'ERR_FILE_TRUNCATED', offset: start })
      t.ok(error instanceof CaptureError && error.message.startsWith(path))
    }
    const damaged = Buffer.from(bytes)
    damaged.writeUInt32LE(0xfffffff0, start + 8)
    const { packets: got, error } = await readAll(folder.write(damaged))
    t.strictSame(texts(got), hexes(made.slice(0, packets)))
    t.match(error, { code: 'ERR_FILE_DAMAGED', offset: start, message: /claims 4294967280 bytes/ })
  }
  const { packets, error, file } = await readAll(folder.write(bytes.subarray(0, starts[10])))
  t.equal(error, undefined, 'cut between packets it is whole')
  t.equal(packets.length, 10)
  t.equal((await read(file)).packets.length, 0, 'a loop after the end ends')

  const again = await openFile(folder.write(bytes.subarray(0, -1)))
  t.equal((await read(again)).error?.code, 'ERR_FILE_TRUNCATED')
  t.equal((await read(again)).error?.code, 'ERR_FILE_TRUNCATED', 'a loop after the error throws it again')
})
