// SavefileWriter with `compress`, unpacked by gzip(1) and zstd(1).
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { CaptureError, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { readAll } from '../helpers/read-savefile.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)
const bytes = Buffer.alloc(1000, 'compressible ')
const packet = (i: number) => Packet.from(bytes, { timestamp: BigInt(i), interface: 'eth0' })
const ways = [
  ['gzip', '.gz', ['gzip', '-dc']],
  ['zstd', '.zst', ['zstd', '-dc']],
] as const

function unpacked([program, ...args]: readonly [string, ...string[]], input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args, { input, maxBuffer: 1 << 26 })
  t.equal(status, 0, stderr.toString())
  return stdout
}

for (const [compress, ending, tool] of ways) {
  t.test(`${compress}: what a file or a stream unpacks to is what is written without`, async (t) => {
    const plain = folder.fresh()
    const named = `${folder.fresh()}${ending}`
    const bare = folder.fresh()
    const stream = new PassThrough()
    const pieces: Buffer[] = []
    stream.on('data', (piece) => pieces.push(piece))
    const writers = [
      await SavefileWriter.open(plain),
      await SavefileWriter.open(named, { compress }),
      await SavefileWriter.open(bare, { compress }),
      new SavefileWriter(stream, { compress }),
    ]
    for (const writer of writers) {
      for (let i = 0; i < 3000; i++) await writer.write(packet(i))
      await writer.flush()
      for (let i = 3000; i < 3010; i++) await writer.write(packet(i))
      const counts = await writer.close()
      t.match(counts, { packets: 3010, bytes: readFileSync(plain).length }, 'counts are those without compression')
    }
    t.notOk(existsSync(bare), 'the end is appended')
    const expected = readFileSync(plain)
    for (const content of [readFileSync(named), readFileSync(bare + ending), Buffer.concat(pieces)]) {
      t.ok(content.length < expected.length / 10, `${content.length} of ${expected.length} bytes`)
      t.ok(unpacked(tool, content).equals(expected))
    }
    t.equal((await readAll(named)).packets.length, 3010)
  })
}

t.test('what is flushed can be unpacked while the file is written', async (t) => {
  const stream = new PassThrough()
  const pieces: Buffer[] = []
  stream.on('data', (piece) => pieces.push(piece))
  const writer = new SavefileWriter(stream, { compress: 'gzip' })
  await writer.write(packet(1))
  await writer.flush()
  t.ok(unpacked(['gzip', '-dc'], Buffer.concat(pieces)).includes(bytes))
  await writer.close()
})

t.test('paths and values that are refused', async (t) => {
  const path = folder.fresh()
  for (const [wrong, options, message] of [
    [`${path}.gz`, { compress: 'zstd' }, 'compress contradicts path, which ends with .gz'],
    [`${path}.gz`, {}, 'path ends with .gz, and what is written is not compressed'],
    [`${path}.gz`, { compress: false }, 'path ends with .gz, and what is written is not compressed'],
    [`${path}.gz.gz`, { compress: 'gzip' }, 'path ends with .gz, and what is written is not compressed'],
    [`${path}.bz2`, { compress: 'gzip' }, 'path ends with .bz2, and what is written is not compressed'],
    [path, { compress: 'lz4' }, /^compress must be 'gzip' or 'zstd'; got the string "lz4"$/],
  ] as const)
    await t.rejects(SavefileWriter.open(wrong, options as object), { code: 'ERR_OPTION', message })
  t.throws(() => new SavefileWriter(new PassThrough(), { compress: true } as object), CaptureError)
})
