// What becomes of a file that is given up.
import { readdirSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { openFile, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)
const packet = Packet.from(Buffer.alloc(60, 7))

t.test('a file that is discarded leaves nothing', async (t) => {
  for (const compress of [false, 'gzip'] as const) {
    const writer = await SavefileWriter.open(folder.file('given-up.pcapng'), { compress })
    await writer.write(packet)
    await writer.flush()
    t.equal(readdirSync(folder.path).length, 1)
    // What is being written is waited for.
    const writing = writer.write(Array.from({ length: 20_000 }, () => packet)).catch(() => undefined)
    await writer.discard()
    await writing
    t.same(readdirSync(folder.path), [])
    await writer.discard()
    await t.rejects(writer.close(), { code: 'ERR_CLOSED', message: 'the savefile was discarded' })
    await t.rejects(writer.write(packet), { code: 'ERR_CLOSED' })
  }
})

t.test('a stream is destroyed', async (t) => {
  const stream = new PassThrough()
  const writer = new SavefileWriter(stream)
  await writer.write(packet)
  await writer.discard()
  t.ok(stream.destroyed)
  await t.rejects(writer.close(), { code: 'ERR_CLOSED' })
})

t.test('a file that is complete stays', async (t) => {
  const path = folder.file('whole.pcapng')
  const writer = await SavefileWriter.open(path)
  await writer.write(packet)
  await writer.close()
  await writer.discard()
  let packets = 0
  for await (const chunk of await openFile(path)) packets += chunk.packetCount
  t.equal(packets, 1)
})
