import { writeFileSync } from 'node:fs'
import { type Chunk, type EncodeOptions, openFile } from 'ringtap'
import t from 'tap'
import { pcap } from '../helpers/savefiles.js'
import { TestFolder } from '../helpers/test-folder.js'
import { unpack } from '../helpers/unpack.js'
import { dissect } from '../helpers/wireshark.js'

const folder = new TestFolder(t)
const start = 1_700_000_000_000_000_000n
const packets = Array.from({ length: 500 }, (_, i) => ({
  time: start + BigInt(i) * 1001n,
  data: Buffer.alloc(60 + (i % 40), i),
}))

/** Calls `use` with the only chunk of a file. */
async function withChunk(bytes: Uint8Array, use: (chunk: Chunk) => unknown): Promise<void> {
  await using file = await openFile(folder.write(bytes))
  let chunks = 0
  for await (const chunk of file) {
    t.equal(++chunks, 1)
    await use(chunk)
  }
}

/** The packets of encoded bytes, as tshark reads them. */
function read(bytes: Uint8Array, { compress, format = 'pcapng' }: EncodeOptions) {
  const path = folder.fresh(format)
  writeFileSync(path, compress ? unpack(bytes, compress) : bytes)
  return dissect(path).map(({ timestamp, capturedLength }) => ({ timestamp, capturedLength }))
}

const wanted = packets.map(({ time, data }) => ({ timestamp: time, capturedLength: data.length }))

for (const format of ['pcapng', 'pcap'] as const) {
  for (const compress of [false, 'gzip', 'zstd'] as const) {
    t.test(`a chunk is encoded as ${format}, compress ${compress}, and stays valid`, async (t) => {
      await withChunk(pcap(packets, { nanoseconds: true }), async (chunk) => {
        const bytes = await chunk.encode({ format, compress })
        t.ok(bytes instanceof Uint8Array)
        t.same(read(bytes, { format, compress }), wanted)
        if (compress) t.ok(bytes.length < chunk.byteLength / 2)
        t.equal([...chunk].length, 500)
      })
    })
  }
}

t.test('a chunk may be released while it is compressed, and a retained one is encoded too', async (t) => {
  let retained: Chunk | undefined
  await withChunk(pcap(packets, { nanoseconds: true }), async (chunk) => {
    retained = chunk.retain()
    const several = [chunk.encode({ compress: 'gzip' }), chunk.encode()]
    chunk.release()
    await t.rejects(chunk.encode(), { code: 'ERR_RELEASED' })
    const [gzip, plain] = await Promise.all(several)
    t.same(read(gzip as Uint8Array, { compress: 'gzip' }), wanted)
    t.same(read(plain as Uint8Array, {}), wanted)
  })
  t.same(read((await retained?.encode()) as Uint8Array, {}), wanted)
})

t.test('what cannot be encoded is refused', async (t) => {
  await withChunk(pcap(packets, { nanoseconds: true }), async (chunk) => {
    const wrong: [unknown, RegExp][] = [
      [null, /options must be/],
      [{ format: 'erf' }, /format must be/],
      [{ compress: 'xz' }, /compress must be 'gzip' or 'zstd'/],
      [{ level: 9 }, /level is not an option/],
    ]
    for (const [options, message] of wrong) {
      await t.rejects(chunk.encode(options as EncodeOptions), { code: 'ERR_OPTION', message })
    }
  })
})
