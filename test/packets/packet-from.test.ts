import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openFile, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { range } from '../helpers/range.js'

const bytes = Uint8Array.from(range(0, 300), (i) => (i * 7 + 0x91) & 0xff)
const view = Buffer.from(bytes)

t.test('reads as a Buffer does, within the captured bytes', async (t) => {
  const packet = Packet.from(bytes)
  const methods = [
    ['readUInt8', 1],
    ['readUInt16BE', 2],
    ['readUInt16LE', 2],
    ['readUInt32BE', 4],
    ['readUInt32LE', 4],
  ] as const
  for (const [method, size] of methods) {
    for (const offset of range(0, bytes.length - size + 1)) {
      if (packet[method](offset) !== view[method](offset)) t.equal(packet[method](offset), view[method](offset))
    }
    t.equal(packet[method](bytes.length - size), view[method](bytes.length - size), `${method} of the last bytes`)
    for (const offset of [bytes.length - size + 1, bytes.length, -1, 1e9, 2 ** 32, 0.5, Number.NaN, Infinity]) {
      t.throws(() => packet[method](offset), { name: 'CaptureError', code: 'ERR_OUT_OF_RANGE' }, `${method}(${offset})`)
    }
    for (const offset of ['1', undefined, null, 1n]) {
      t.throws(() => packet[method](offset as unknown as number), { code: 'ERR_OPTION', option: 'offset' })
    }
  }
  t.throws(() => packet.readUInt16BE(299), {
    message: 'offset must be a whole number, with 2 bytes from there within the 300 that were captured; got 299',
  })
})

t.test('never reads a neighbour, nor a released chunk', async (t) => {
  const file = path.join(tmpdir(), `ringtap-neighbours-${process.pid}`)
  t.teardown(() => rmSync(file, { force: true }))
  const writer = await SavefileWriter.open(file)
  await writer.write(range(1, 40).map((length) => Packet.from(new Uint8Array(length).fill(length))))
  await writer.write(Packet.from(new Uint8Array(9000).fill(9)))
  await writer.close()
  const kept: Packet[] = []
  await using savefile = await openFile(file)
  for await (const chunk of savefile) {
    chunk.forEach((packet) => {
      const length = packet.capturedLength
      t.equal(packet.readUInt8(length - 1), length === 9000 ? 9 : length)
      t.throws(() => packet.readUInt8(length), { code: 'ERR_OUT_OF_RANGE' })
      t.throws(() => packet.readUInt32LE(length - 3), { code: 'ERR_OUT_OF_RANGE' })
    })
    kept.push(...chunk)
  }
  t.equal(kept.length, 40)
  for (const packet of kept) {
    t.throws(() => packet.readUInt8(0), { code: 'ERR_RELEASED' })
    t.throws(() => packet.readUInt32BE(1e6), { code: 'ERR_RELEASED' })
    t.throws(() => packet.timestampMs, { code: 'ERR_RELEASED' })
  }
})

t.test('milliseconds with fractions', async (t) => {
  for (const timestamp of [0n, 1n, 1_790_000_000_123_456_789n, 4_294_967_296_000_000_000n, 2n ** 64n - 1n]) {
    const { timestampMs } = Packet.from(bytes, { timestamp })
    const exact = Number(timestamp / 1_000_000n) + Number(timestamp % 1_000_000n) / 1e6
    t.ok(Math.abs(timestampMs - exact) <= 0.00025 * Math.max(1, exact / 1.79e12), `${timestamp}: ${timestampMs}`)
  }
  const now = Date.now()
  t.ok(Math.abs(Packet.from(bytes).timestampMs - now) < 60_000)
})

t.test('has the properties that are given, and copies the bytes', async (t) => {
  const own = Uint8Array.from(bytes)
  const packet = Packet.from(own, {
    timestamp: 1_790_000_000_123_456_789n,
    linkType: 276,
    interface: 'eth7',
    originalLength: 70_000,
    direction: 'out',
    vlan: { id: 5, priority: 3, dropEligible: true, protocol: 0x88a8 },
    checksumPending: true,
  })
  own.fill(0)
  const expected = {
    timestamp: '1790000000123456789',
    interface: { index: 0, name: 'eth7' },
    direction: 'out',
    kind: 'outgoing',
    linkType: 276,
    vlan: { id: 5, priority: 3, dropEligible: true, protocol: 0x88a8 },
    capturedLength: 300,
    originalLength: 70_000,
    checksumVerified: false,
    checksumPending: true,
    data: view.toString('base64'),
  }
  t.strictSame(packet.toJSON(), expected)
  t.strictSame(packet.copy().toJSON(), expected)
  const plain = Packet.from(new Uint8Array(0))
  t.match(plain, { capturedLength: 0, originalLength: 0, linkType: 1, direction: undefined, vlan: undefined })
  t.equal(plain.data.length, 0)
  const large = Packet.from(new Uint8Array(262_144).fill(3))
  t.equal(large.capturedLength, 262_144)
  t.equal(large.readUInt32BE(262_140), 0x03030303)
  const iface = { ...packet.interface, index: 9, linkType: 1, hardwareType: 1 }
  t.equal(Packet.from(bytes, { interface: iface }).interface, iface)
})

t.test('goes through a savefile', async (t) => {
  const file = path.join(tmpdir(), `ringtap-from-${process.pid}`)
  t.teardown(() => rmSync(file, { force: true }))
  const writer = await SavefileWriter.open(file)
  const made = [
    Packet.from(bytes, { timestamp: 5n, interface: 'a', originalLength: 400 }),
    Packet.from(bytes.subarray(7), { timestamp: 6n, interface: 'b', linkType: 101, direction: 'in' }),
  ]
  await writer.write(made)
  await writer.close()
  t.ok(readFileSync(file).length > 600)
  await using savefile = await openFile(file)
  const read: unknown[] = []
  for await (const packet of savefile.packets()) read.push(packet.toJSON())
  t.match(
    read,
    made.map((packet) => ({ ...packet.toJSON(), interface: { name: packet.interface.name } })),
  )
})

t.test('wrong arguments', async (t) => {
  const wrong: [unknown, unknown, string | undefined][] = [
    ['bytes', undefined, 'bytes'],
    [new Uint8Array(262_145), undefined, 'bytes'],
    [bytes, null, undefined],
    [bytes, { time: 1n }, 'time'],
    [bytes, { timestamp: 1 }, 'timestamp'],
    [bytes, { timestamp: -1n }, 'timestamp'],
    [bytes, { timestamp: 2n ** 64n }, 'timestamp'],
    [bytes, { linkType: 65_535 }, 'linkType'],
    [bytes, { interface: 7 }, 'interface'],
    [bytes, { interface: {} }, 'interface'],
    [bytes, { originalLength: 299 }, 'originalLength'],
    [bytes, { direction: 'up' }, 'direction'],
    [bytes, { vlan: { id: 4096 } }, 'vlan.id'],
    [bytes, { checksumPending: 1 }, 'checksumPending'],
  ]
  for (const [data, options, option] of wrong) {
    t.throws(() => Packet.from(data as Uint8Array, options as object), {
      name: 'CaptureError',
      code: 'ERR_OPTION',
      ...(option && { option }),
    })
  }
})
