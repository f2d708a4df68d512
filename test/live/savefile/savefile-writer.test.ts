import { createWriteStream, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { PassThrough, Writable } from 'node:stream'
import { Capture, type Chunk, type Packet, SavefileWriter, type SavefileWriterOptions } from 'ringtap'
import { range } from '../../helpers/range.js'
import { parsePcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { bytesOf, describe, dissect, numbersIn, statisticsIn } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { addVeth, rename } from '../support/network.js'
import { expectedFrame, sendSync, sequenceOf } from '../support/send.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { patience, waitUntil, waitUntilStable, within } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')

const folder = new TestFolder(t)

/** The chunks captured during `traffic`, retained. */
async function chunksDuring(interfaces: string | string[], traffic: () => unknown): Promise<Chunk[]> {
  await using capture = await Capture.open({ interfaces })
  await traffic()
  await capture.stop()
  const chunks: Chunk[] = []
  for await (const chunk of capture) chunks.push(chunk.retain())
  await capture.close()
  return chunks
}

t.test('chunks, packets and copies are written, live and retained', async (t) => {
  const path = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'far0' })
  const writer = await SavefileWriter.open(path, { comment: 'for the test', application: 'a test', filter: 'udp' })
  t.notOk(existsSync(path), 'hidden until it is complete')
  const kept: Chunk[] = []
  const copies: Packet[] = []
  const times: bigint[] = []
  sendSync({ interface: 'eth0', count: 1000, vlan: 77, size: 90 })
  await capture.stop()
  for await (const chunk of capture) {
    const written = writer.write(chunk)
    kept.push(chunk.retain())
    for (const packet of chunk) {
      copies.push(packet.copy())
      times.push(packet.timestamp)
    }
    chunk.release()
    await written
  }
  await capture.close()
  t.equal(copies.length, 1000)
  for (const chunk of kept) await writer.write(chunk)
  await writer.write(copies)
  await writer.write(copies[3] as Packet, { comment: ['the third', 'once more'] })
  await writer.write(new Set(copies.slice(0, 2)), { comment: 'ä → б' })
  const { stats } = writer
  t.same([stats.packets, stats.packetBytes], [3003, 3003 * 90])
  const ended = await writer.close()
  t.equal(await writer.close(), ended)
  t.equal(ended.bytes, statSync(path).size)
  t.same([ended.firstTimestamp, ended.lastTimestamp], [times[0], times.at(-1)])
  await t.rejects(writer.write(copies), { code: 'ERR_CLOSED' })

  const numbers = [...range(0, 1000), ...range(0, 1000), ...range(0, 1000), 3, 0, 1]
  const data = bytesOf(path)
  t.same(
    data.map((bytes) => sequenceOf(bytes)),
    numbers,
  )
  t.ok(
    data.every((bytes, i) => Buffer.compare(bytes, expectedFrame(numbers[i] as number, { vlan: 77, size: 90 })) === 0),
    'with the tag that the kernel had taken out',
  )
  const read = dissect(path)
  t.same(
    read.map(({ timestamp }) => timestamp),
    numbers.map((number) => times[number]),
  )
  t.same([...new Set(read.map((packet) => `${packet.interface} ${packet.direction} ${packet.vlan}`))], ['far0 in 77'])
  t.same(
    read.slice(-4).map(({ comment }) => comment),
    ['', 'the third|once more', 'ä → б', 'ä → б'],
  )
  t.equal(statSync(path).mode & 0o777, 0o600, 'for the owner alone')
  const { text, packets } = describe(path)
  t.equal(packets, 3003)
  for (const said of ['for the test', 'a test', 'Name = far0', 'Filter string = udp']) t.match(text, said, said)
  t.equal(statisticsIn(path)[0]?.delivered, 3003)
})

t.test('each interface is described once, and again after a rename', async (t) => {
  const path = folder.fresh()
  const before = await chunksDuring(['eth0', 'far0'], () => sendSync({ interface: 'eth0', count: 5 }))
  rename('far0', 'away0')
  const after = await chunksDuring(['eth0', 'away0'], () => sendSync({ interface: 'eth0', count: 5, start: 5 }))
  rename('away0', 'far0')
  await using writer = await SavefileWriter.open(path)
  for (const chunk of [...before, ...after]) await writer.write(chunk)
  await writer.close()
  const names = dissect(path).map((packet) => `${packet.interface} ${packet.direction}`)
  const each = (name: string, of: number) => Array(of).fill(name) as string[]
  t.same(names.sort(), [...each('away0 in', 5), ...each('eth0 out', 10), ...each('far0 in', 5)].sort())
  t.match(describe(path).text, /Number of interfaces in file: 3/)
})

t.test('a pcap file has one link type', { skip: tunAvailable() ? false : 'no access to /dev/net/tun' }, async (t) => {
  const tun = await openTun('tun0')
  const chunks = await chunksDuring(['eth0', 'tun0'], async () => {
    sendSync({ interface: 'eth0', count: 5 })
    await tun.write({ count: 5 })
  })
  await tun.close()
  for (const linkType of [1, 101]) {
    const path = folder.fresh('pcap')
    const writer = await SavefileWriter.open(path, { format: 'pcap' })
    for (const chunk of chunks) await writer.write([...chunk].filter((packet) => packet.linkType === linkType))
    for (const chunk of chunks) {
      const other = [...chunk].filter((packet) => packet.linkType !== linkType)
      if (other.length > 0) await t.rejects(writer.write(other), { code: 'ERR_OPTION', message: /one link type/ })
    }
    const { packets } = await writer.close()
    t.equal(packets, 5)
    const file = parsePcap(readFileSync(path))
    t.equal(file.linkType, linkType)
    t.same(numbersIn(path), range(0, 5), 'what was before the error is there, and no more')
  }
  const wrong = await SavefileWriter.open(folder.fresh('pcap'), { format: 'pcap' })
  await t.rejects(wrong.write(chunks[0] as Chunk, { comment: 'x' }), { code: 'ERR_OPTION' })
  await wrong.close()
})

t.test('a writer can write into a stream', async (t) => {
  const chunks = await chunksDuring('eth0', () => sendSync({ interface: 'eth0', count: 4000, size: 1000 }))
  const path = folder.fresh()
  const stream = createWriteStream(path)
  const writer = new SavefileWriter(stream)
  for (const chunk of chunks) await writer.write(chunk)
  await writer.close()
  t.same(numbersIn(path), range(0, 4000))

  const slow = new PassThrough({ highWaterMark: 1000 })
  const held = new SavefileWriter(slow)
  let turns = 0
  const writing = (async () => {
    for (const chunk of chunks) {
      await held.write(chunk)
      turns++
    }
  })()
  await waitUntil(() => slow.writableNeedDrain, 'the stream to be full')
  // That nothing goes on can only be seen over time.
  await waitUntilStable(() => turns, 'the writer')
  t.ok(turns < chunks.length, 'a reader that does not read holds the writer up')
  slow.resume()
  await writing
  await held.close()

  const failing = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('gone'), { code: 'EPIPE', errno: -32, syscall: 'write' }))
    },
  })
  const broken = new SavefileWriter(failing)
  await broken.write(chunks[0] as Chunk)
  await t.rejects(broken.flush(), { code: 'ERR_SYSTEM', errno: 32, message: 'gone' })
  await t.rejects(broken.write(chunks[0] as Chunk), { code: 'ERR_SYSTEM' })
  await t.rejects(broken.close(), { code: 'ERR_SYSTEM' })

  const closed = new PassThrough({ highWaterMark: 1000 })
  const stuck = new SavefileWriter(closed)
  for (const chunk of chunks) void stuck.write(chunk).catch(() => {})
  await waitUntil(() => closed.writableNeedDrain, 'the stream to be full')
  closed.destroy()
  await t.rejects(within(stuck.flush(), 'the writer to end'), { code: 'ERR_SYSTEM', message: /was closed before/ })
})

t.test('wrong arguments are refused', async (t) => {
  const path = folder.fresh()
  const wrong: [unknown, RegExp][] = [
    [{ format: 'x' }, /format must be/],
    [{ formt: 'pcap' }, /formt is not an option/],
    [{ filter: 1 }, /filter must be/],
    [{ comment: [1] }, /comment must be/],
    [{ application: 1 }, /application must be/],
    [{ precision: 'microseconds' }, /precision must be/],
  ]
  for (const [options, message] of wrong) {
    await t.rejects(SavefileWriter.open(path, options as SavefileWriterOptions), { code: 'ERR_OPTION', message })
  }
  t.same(folder.hidden(), [], 'and nothing is left of it')
  await t.rejects(SavefileWriter.open(''), { code: 'ERR_OPTION' })
  await t.rejects(SavefileWriter.open(folder.file('no', 'file')), { code: 'ERR_SYSTEM', syscall: 'open', errno: 2 })
  writeFileSync(path, 'mine')
  await t.rejects(SavefileWriter.open(path), { code: 'ERR_SYSTEM', errno: 17 })
  t.equal(readFileSync(path, 'latin1'), 'mine', 'what was there still is')
  t.throws(() => new SavefileWriter(undefined as never), { code: 'ERR_OPTION' })

  const contested = folder.fresh()
  const [one, two] = [await SavefileWriter.open(contested), await SavefileWriter.open(contested)]
  await two.close()
  const inode = statSync(contested).ino
  await t.rejects(one.close(), { code: 'ERR_SYSTEM', errno: 17, syscall: 'link', message: /is there already/ })
  t.equal(statSync(contested).ino, inode, 'what has come to be there in the meantime is left alone, too')

  const writer = await SavefileWriter.open(folder.fresh())
  for (const packets of [undefined, 'x', 7, [7], {}]) {
    await t.rejects(writer.write(packets as never), { code: 'ERR_OPTION', message: /packets must be/ })
  }
  const [chunk] = await chunksDuring('eth0', () => sendSync({ interface: 'eth0', count: 3 }))
  const [packet] = chunk as Chunk
  chunk?.release()
  await t.rejects(writer.write(chunk as Chunk), { code: 'ERR_RELEASED' })
  await t.rejects(writer.write(packet as Packet), { code: 'ERR_RELEASED' })
  t.equal((await writer.close()).packets, 0)
})
