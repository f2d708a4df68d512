import { writeFileSync } from 'node:fs'
import { Capture, openFile } from 'ringtap'
import { range } from '../../helpers/range.js'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { drainBacklog } from '../support/backlog.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { collectGarbage } from '../support/process.js'
import { send, sequenceOf } from '../support/send.js'
import { within } from '../support/wait.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

/** The numbers of the packets in a file. */
async function numbersIn(path: string): Promise<(number | undefined)[]> {
  const numbers: (number | undefined)[] = []
  for await (const chunk of await openFile(path)) for (const packet of chunk) numbers.push(sequenceOf(packet.data))
  return numbers
}

const count = 30_000

for (const backend of ['ring', 'pcap'] as const) {
  for (const [what, write] of [
    ['a packet', (data: Uint8Array) => data.fill(0)],
    ['the memory around it', (data: Uint8Array) => new Uint8Array(data.buffer).fill(0xff)],
  ] as const) {
    t.test(`${backend}: what a program writes into ${what} does not reach a recording`, async (t) => {
      const path = folder.fresh()
      await using capture = await Capture.open({ interfaces: 'eth0', backend })
      const recording = await capture.record({ path })
      let seen = 0
      const reading = (async () => {
        for await (const chunk of capture) {
          seen += chunk.packetCount
          const packets = [...chunk].map((packet) => packet.data)
          for (const data of packets) write(data)
        }
      })()
      await send({ interface: 'eth0', count, size: 200, rate: 60_000 })
      drainBacklog()
      const stats = await recording.stop()
      await capture.stop()
      await reading
      await capture.close()
      t.equal(seen, count)
      t.match(stats, { packets: count, dropped: 0 })
      t.same(await numbersIn(path), range(0, count))
    })
  }
}

/** Transfers the memory to another ArrayBuffer and detaches this one, as a program does that avoids copies. */
function move(buffer: ArrayBufferLike): ArrayBuffer {
  const { transfer } = buffer as { transfer?: () => ArrayBuffer }
  return transfer
    ? transfer.call(buffer)
    : structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] })
}

t.test('memory of a savefile that was moved to another ArrayBuffer lives as long as that', async (t) => {
  const path = folder.file('large.pcap')
  const packets = Array.from({ length: 3000 }, (_, i) => ({ time: BigInt(i), data: Buffer.alloc(1000, i) }))
  writeFileSync(path, pcap(packets))
  const file = await openFile(path, { chunk: { size: 512 * 1024 }, memory: 1024 * 1024 })
  const iterator = file[Symbol.asyncIterator]()
  let read = 0
  let held: { moved: ArrayBuffer; bytes: Buffer }[] = []
  /** Reads the next chunk and transfers its memory. */
  const take = async () => {
    const { value: chunk, done } = await iterator.next()
    if (done) return false
    read += chunk.packetCount
    const [packet] = chunk
    const bytes = Buffer.from(new Uint8Array(packet?.data.buffer as ArrayBuffer))
    held.push({ moved: move(packet?.data.buffer as ArrayBuffer), bytes })
    return true
  }
  const intact = () => held.every(({ moved, bytes }) => bytes.equals(new Uint8Array(moved)))
  // The file's memory limit allows two chunks.
  t.ok((await take()) && (await take()))
  const third = take()
  t.ok(intact())
  // A chunk's memory is released with the last ArrayBuffer that owns it.
  held = []
  await collectGarbage()
  t.ok(await within(third, 'a chunk that was given back'))
  for (let more = true; more; ) {
    await collectGarbage()
    t.ok(intact())
    more = await within(take(), 'a chunk that was given back')
    if (held.length > 1) held = held.slice(-1)
  }
  t.equal(read, 3000)
  await file.close()
  await collectGarbage()
  t.ok(intact(), 'after the file was closed')
})

t.test('memory of a ring that was moved to another ArrayBuffer lives as long as that', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0', ring: { memory: 4 << 20 } })
  const iterator = capture[Symbol.asyncIterator]()
  await send({ interface: 'eth0', count: 100, size: 500 })
  const { value } = await iterator.next()
  const [packet] = value ?? []
  const bytes = Buffer.from(new Uint8Array(packet?.data.buffer as ArrayBuffer))
  const moved = move(packet?.data.buffer as ArrayBuffer)
  const isIntact = () => bytes.equals(new Uint8Array(moved))
  // Enough to fill the ring several times.
  await send({ interface: 'eth0', count: 30_000, size: 1000, rate: 60_000 })
  t.ok(isIntact())
  await capture.close()
  await collectGarbage()
  t.ok(isIntact(), 'after the capture was closed')
})
