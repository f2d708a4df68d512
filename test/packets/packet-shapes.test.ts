import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'
import {
  Capture,
  Chunk,
  FlightRecorder,
  Injector,
  openFile,
  Packet,
  Recording,
  Savefile,
  SavefileWriter,
} from 'ringtap'
import t from 'tap'

const dir = path.join(tmpdir(), `ringtap-shapes-${process.pid}`)
t.teardown(() => rmSync(dir, { force: true }))

/** Two packets with distinguishable bytes: 60 times 0xa1, and 70 times 0xb2. */
function file(): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b23c4d, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(65_535, 16)
  header.writeUInt32LE(1, 20)
  const record = (seconds: number, length: number, byte: number) => {
    const part = Buffer.alloc(16 + length, byte)
    part.writeUInt32LE(seconds, 0)
    part.writeUInt32LE(7, 4)
    part.writeUInt32LE(length, 8)
    part.writeUInt32LE(length + 5, 12)
    return part
  }
  return Buffer.concat([header, record(1_000_000_000, 60, 0xa1), record(1_000_000_001, 70, 0xb2)])
}

async function withChunk(use: (chunk: Chunk) => void): Promise<void> {
  writeFileSync(dir, file())
  for await (const chunk of await openFile(dir)) use(chunk)
}

t.test('the JSON of a packet contains the bytes of that packet, once', async (t) => {
  await withChunk((chunk) => {
    const [first, second] = [...chunk] as [Packet, Packet]
    t.strictSame(JSON.parse(JSON.stringify(first)), {
      timestamp: '1000000000000000007',
      interface: { index: first.interface.index, name: first.interface.name },
      linkType: 1,
      capturedLength: 60,
      originalLength: 65,
      checksumVerified: false,
      checksumPending: false,
      data: Buffer.alloc(60, 0xa1).toString('base64'),
    })
    // As loggers serialise a packet.
    const text = JSON.stringify({ second }, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    t.ok(text.includes(Buffer.alloc(69, 0xb2).toString('base64')))
    t.notOk(text.includes(Buffer.alloc(30, 0xa1).toString('base64')))
    t.ok(text.length < 500, text)
    t.strictSame(JSON.parse(JSON.stringify(chunk)), {
      packetCount: 2,
      byteLength: 130,
      firstTimestamp: '1000000000000000007',
      lastTimestamp: '1000000001000000007',
      released: false,
    })
    const copy = second.copy()
    chunk.release()
    t.equal(JSON.stringify(first), '{"released":true}')
    t.match(JSON.parse(JSON.stringify(chunk)), { packetCount: 2, released: true })
    t.equal(JSON.parse(JSON.stringify(copy)).data, Buffer.alloc(70, 0xb2).toString('base64'))
  })
})

t.test('a packet and a chunk expose none of the memory behind them', async (t) => {
  await withChunk((chunk) => {
    const [packet] = [...chunk] as [Packet]
    for (const one of [packet, chunk, packet.copy(), chunk.retain()] as object[]) {
      for (const value of Object.values({ ...one })) {
        t.notOk(typeof value === 'object' || typeof value === 'function', 'no object hides there')
      }
      t.ok(inspect(one).length < 120, inspect(one))
      t.ok(inspect({ one }, { depth: 9, showHidden: true }).length < 200)
    }
  })
})

t.test('structuredClone() of a packet throws an error that names the remedy', async (t) => {
  await withChunk((chunk) => {
    const [packet] = [...chunk] as [Packet]
    t.throws(() => structuredClone(packet), { name: 'DataCloneError', message: /packet\.copy\(\)\.data/ })
    const { port1, port2 } = new MessageChannel()
    t.throws(() => port1.postMessage({ packet }), { name: 'DataCloneError', message: /packet\.copy\(\)\.data/ })
    port1.close()
    port2.close()
    t.throws(() => structuredClone(chunk), { name: 'DataCloneError', message: /chunk\.retain\(\)/ })
    // A view keeps the whole chunk's memory alive; a copy has memory of its own.
    t.ok(packet.data.buffer.byteLength > 1000)
    t.ok(packet.copy().data.buffer.byteLength < 200)
    t.strictSame(structuredClone(packet.copy().data), new Uint8Array(60).fill(0xa1))
  })
})

t.test('bytes cannot be written to a savefile, and the error says what can', async (t) => {
  const writer = new SavefileWriter(new PassThrough())
  const message = /must be a chunk, a packet or an iterable of packets: the packet itself, not packet\.data/
  await withChunk((chunk) => {
    const [packet] = [...chunk] as [Packet]
    for (const bytes of [packet.data, Buffer.from('a'), [packet.data], new DataView(new ArrayBuffer(1))]) {
      t.rejects(writer.write(bytes as unknown as Packet), { code: 'ERR_OPTION', message })
    }
  })
  t.equal((await writer.close()).packets, 0)
})

t.test('constructing a class that only the library may construct throws', async (t) => {
  for (const [made, instead] of [
    [Packet, /^Packet has no public constructor: packets come from a capture or a savefile$/],
    [Chunk, /^Chunk has no public constructor/],
    [Savefile, /^Savefile has no public constructor: use openFile\(\)$/],
    [Recording, /^Recording has no public constructor: use capture\.record\(\)$/],
    [FlightRecorder, /^FlightRecorder has no public constructor: use capture\.flightRecorder\(\)$/],
    [Capture, /^Capture has no public constructor: use Capture\.open\(\)$/],
    [Injector, /^Injector has no public constructor: use Injector\.open\(\)$/],
  ] as [new () => unknown, RegExp][]) {
    t.throws(() => new made(), { code: 'ERR_OPTION', message: instead })
    t.throws(() => Reflect.construct(made, [{}, {}, {}, {}]), { code: 'ERR_OPTION', message: instead })
  }
  // @ts-expect-error private in the types, too
  t.throws(() => new Packet(), { code: 'ERR_OPTION' })
  // @ts-expect-error
  t.throws(() => new Chunk(), { code: 'ERR_OPTION' })
  // @ts-expect-error
  t.throws(() => new Savefile(), { code: 'ERR_OPTION' })
  // @ts-expect-error
  t.throws(() => new Recording(), { code: 'ERR_OPTION' })
})
