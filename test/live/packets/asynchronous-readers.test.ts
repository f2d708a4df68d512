// Views handed to asynchronous functions: after the release of its chunk such a view shows its own bytes or zeros.
import { writeFileSync } from 'node:fs'
import { Capture, type Chunk, Dissector, openFile } from 'ringtap'
import { foreignBytes, LateSockets, Readers } from '../../helpers/asynchronous-readers.js'
import { range } from '../../helpers/range.js'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { sendInStepsSync } from '../support/in-steps.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { collectGarbage, holdings } from '../support/process.js'
import { send, sequenceOf } from '../support/send.js'
import { patience, waitUntil } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')
const folder = new TestFolder(t)

const KiB = 1024
const MiB = 1024 * KiB
const count = 4000
const size = 400

/** Packets of which no two have the same word at the same place; no byte is zero. */
const path = folder.file('many.pcap')
const contents = range(0, count).map((number) => {
  const data = Buffer.alloc(size)
  for (let at = 0; at < size; at += 4) data.writeUInt32LE(((number * 2654435761 + at) | 0x01010101) >>> 0, at)
  return data
})
writeFileSync(path, pcap(contents.map((data, i) => ({ time: BigInt(i), data }))))

interface Source {
  chunks: AsyncIterable<Chunk>
  /** Resolves when the source is closed. */
  close: () => Promise<void>
}

const small = { memory: 4 * MiB, blockSize: 256 * KiB }

/** Opens a capture; `count` packets are sent once the iteration has begun: before, a recording alone would get them. */
async function live(options: object, record = false): Promise<Source> {
  const capture = await Capture.open({ interfaces: 'eth0', ring: small, ...options })
  if (record) await capture.record({ path: folder.fresh() })
  let sending: Promise<unknown> | undefined
  async function* chunks(): AsyncGenerator<Chunk> {
    const iterator = capture[Symbol.asyncIterator]()
    let next = iterator.next()
    sending = send({ interface: 'eth0', count, size, rate: 20_000 }).then(() => capture.stop())
    for (;;) {
      const { value, done } = await next
      if (done) return
      yield value
      next = iterator.next()
    }
  }
  return {
    chunks: chunks(),
    close: async () => {
      await sending
      await capture.close()
    },
  }
}

async function file(options: object): Promise<Source> {
  const opened = await openFile(path, { chunk: { size: 512 * KiB, ...options }, memory: MiB })
  return { chunks: opened, close: () => opened.close() }
}

/** Copies of the chunks, released like them. */
async function* retained(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
  for await (const chunk of chunks) {
    const copy = chunk.retain()
    yield copy
    copy.release()
  }
}

const sources: Record<string, () => Promise<Source>> = {
  'a file': () => file({}),
  'a file, with copies': () => file({ copy: true }),
  'a file, retained chunks': async () => {
    const { chunks, close } = await file({})
    return { chunks: retained(chunks), close }
  },
  'a ring': () => live({}),
  // A chunk after 20 ms, a fifth of a block: once a program has taken views, such blocks are lent as copies.
  'a ring with little in each block': () => live({ ring: { blockSize: MiB }, chunk: { maxDelay: 20 } }),
  'a ring, with copies': () => live({ chunk: { copy: true } }),
  'a ring that is recorded': () => live({}, true),
  pcap: () => live({ backend: 'pcap', ring: { memory: 4 * MiB } }),
}

for (const [source, open] of Object.entries(sources)) {
  t.test(`${source}: asynchronous functions see no byte of another packet`, async (t) => {
    const readers = new Readers(folder.fresh('bytes'))
    const ways = Object.entries(readers.ways)
    const results: { way: string; foreign: Promise<number> }[] = []
    const { chunks, close } = await open()
    t.teardown(close)
    let wrong = 0
    let seen = 0
    for await (const chunk of chunks) {
      for (const packet of chunk) {
        const view = packet.data
        const own = Uint8Array.from(view)
        // What an earlier packet's function writes must not get here.
        if (source.startsWith('a file') ? Buffer.compare(own, contents[seen] as Buffer) : sequenceOf(own) !== seen)
          wrong++
        const [way, use] = ways[seen % ways.length] as (typeof ways)[number]
        results.push({ way, foreign: use(view).then((bytes) => (bytes ? foreignBytes(own, bytes) : 0)) })
        seen++
      }
    }
    await close()
    const foreign: Record<string, number> = {}
    for (const { way, foreign: bytes } of results) foreign[way] = (foreign[way] ?? 0) + (await bytes)
    readers.close()
    t.equal(seen, count)
    t.equal(wrong, 0, 'packets are as they came')
    t.same(foreign, Object.fromEntries(ways.map(([way]) => [way, 0])), 'no byte of another packet was read')
  })

  t.test(`${source}: nor in the payload of a dissector, if no other view was taken`, async (t) => {
    const readers = new Readers(folder.fresh('bytes'))
    const ways = Object.entries(readers.ways)
    const dissector = new Dissector()
    const results: Promise<number>[] = []
    const { chunks, close } = await open()
    t.teardown(close)
    for await (const chunk of chunks) {
      chunk.forEach((packet) => {
        dissector.dissect(packet)
        const view = dissector.payload
        const own = Uint8Array.from(view)
        const [, use] = ways[results.length % ways.length] as (typeof ways)[number]
        results.push(use(view).then((bytes) => (bytes ? foreignBytes(own, bytes) : 0)))
      })
    }
    await close()
    const foreign = (await Promise.all(results)).reduce((all, bytes) => all + bytes, 0)
    readers.close()
    t.equal(results.length, count)
    t.equal(foreign, 0, 'no byte of another packet was read')
  })

  t.test(`${source}: a chunk written to a socket that is read later shows nothing of another chunk`, async (t) => {
    const sockets = await LateSockets.open(folder.fresh('socket'))
    const { chunks, close } = await open()
    t.teardown(close)
    const results: Promise<number>[] = []
    for await (const chunk of chunks) {
      const [packet] = chunk
      const view = new Uint8Array((packet as { data: Uint8Array }).data.buffer)
      const own = Uint8Array.from(view)
      const write = await sockets.connection()
      results.push(write(view).then((bytes) => foreignBytes(own, bytes)))
    }
    await close()
    sockets.readAll()
    const foreign = (await Promise.all(results)).reduce((all, bytes) => all + bytes, 0)
    sockets.close()
    t.ok(results.length > 2, `${results.length} chunks`)
    t.equal(foreign, 0, 'nothing of another chunk arrived')
  })
}

t.test('asynchronous functions see no byte of another packet in evicted chunks either', async (t) => {
  const readers = new Readers(folder.fresh('bytes'))
  const ways = Object.entries(readers.ways)
  await using capture = await Capture.open({ interfaces: 'eth0', ring: { ...small, maxStall: 300 } })
  const results: Promise<number>[] = []
  const numbers: (number | undefined)[] = []
  let sent = 0
  const fill = () => {
    // More than the ring holds.
    sendInStepsSync(capture, { interface: 'eth0', count: 12_000, start: sent, size }, 1000)
    sent += 12_000
  }
  fill()
  for await (const chunk of capture) {
    if (sent === 12_000) fill()
    for (const packet of chunk) {
      const own = Uint8Array.from(packet.data)
      const [, use] = ways[numbers.length % ways.length] as (typeof ways)[number]
      numbers.push(sequenceOf(own))
      results.push(use(packet.data).then((bytes) => (bytes ? foreignBytes(own, bytes) : 0)))
    }
    if (numbers.length === sent) break
  }
  t.ok(capture.stats().evicted > 0)
  await capture.close()
  const foreign = (await Promise.all(results)).reduce((all, bytes) => all + bytes, 0)
  readers.close()
  t.same(numbers, range(0, sent))
  t.equal(foreign, 0)
})

t.test('the addresses of released chunks are freed with their views, and hold no ring', async (t) => {
  const before = holdings()
  await using capture = await Capture.open({ interfaces: 'eth0', ring: small })
  let views: Uint8Array[] = []
  let seen = 0
  for (let start = 0; start < 60_000; start += 6000) {
    const sending = send({ interface: 'eth0', count: 6000, start, size, rate: 30_000 })
    for await (const chunk of capture) {
      for (const packet of chunk) {
        if (seen++ % 100 === 0) views.push(packet.data)
      }
      if (seen === start + 6000) break
    }
    await sending
  }
  t.equal(seen, 60_000)
  // The current mapping, and the one for the headers. More only while a chunk is lent.
  t.ok(holdings().ringBytes <= 2 * small.memory, `${holdings().ringBytes} bytes of ring are mapped`)
  await capture.close()
  t.equal(holdings().rings, 0, 'no view holds a ring')
  t.ok(views.every(({ length }) => length === 0))
  views = []
  await collectGarbage()
  await waitUntil(() => holdings().mappings < before.mappings + 100, 'the mappings to go', 20_000, holdings)
})
