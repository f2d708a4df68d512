import { once } from 'node:events'
import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { Capture, CaptureError, Chunk, Packet } from 'ringtap'
import t from '../support/live.js'
import { addVeth, link } from '../support/network.js'
import { oneChunk } from '../support/one-chunk.js'
import { expectedFrame, sequenceOf } from '../support/send.js'
import { backends } from '../support/ways.js'

addVeth('eth0', 'far0')

const size = 100

for (const { backend, copy } of backends.flatMap((backend) => [false, true].map((copy) => ({ backend, copy })))) {
  t.test(`the properties of a chunk agree with its packets, ${backend}, chunk.copy ${copy}`, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', backend, chunk: { copy } })
    const before = BigInt(Date.now()) * 1_000_000n
    const chunk = await oneChunk(capture, 50, { size })
    const after = BigInt(Date.now() + 1) * 1_000_000n
    t.ok(chunk instanceof Chunk)
    t.equal(chunk.packetCount, 50)
    t.equal(chunk.byteLength, 50 * 100)
    t.equal(chunk.released, false)

    const packets = [...chunk]
    t.equal(packets.length, 50)
    t.equal(chunk.firstTimestamp, packets[0]?.timestamp)
    t.equal(chunk.lastTimestamp, packets.at(-1)?.timestamp)
    t.ok(chunk.firstTimestamp >= before && chunk.firstTimestamp <= after, 'nanoseconds since the epoch')

    const again = [...chunk]
    t.same(
      again.map(({ data }) => sequenceOf(data)),
      packets.map(({ data }) => sequenceOf(data)),
      'iterates as often as one likes',
    )
    t.equal(new Set([...packets, ...again]).size, 100, 'an object for each packet')
    const half: number[] = []
    for (const packet of chunk) {
      half.push(sequenceOf(packet.data) as number)
      if (half.length === 25) break
    }
    t.equal(chunk.released, false, 'leaving the loop releases nothing')
    const iterator = chunk[Symbol.iterator]()
    iterator.next()
    t.equal([...iterator].length, 49, 'an iterator goes on where it is')
    t.same(iterator.next(), { done: true, value: undefined })
    const visited: number[] = []
    chunk.forEach((packet, index) => {
      t.equal(sequenceOf(packet.data), index)
      visited.push(index)
    })
    t.equal(visited.length, 50)
    t.throws(() => chunk.forEach(5 as unknown as () => void), {
      code: 'ERR_OPTION',
      message: /visit must be a function/,
    })

    const retained = chunk.retain()
    {
      using disposed = chunk
      t.equal(disposed.released, false)
    }
    t.equal(chunk.released, true, 'Symbol.dispose')
    t.equal(packets[0]?.data.length, 0)
    t.equal(chunk.packetCount, 50, 'what it says of itself stays')
    t.ok(retained instanceof Chunk)
    t.equal(retained.packetCount, 50)
    t.equal(retained.byteLength, 5000)
    t.equal(retained.firstTimestamp, chunk.firstTimestamp)
    t.equal(retained.lastTimestamp, chunk.lastTimestamp)
    t.same(
      [...retained].map(({ data }) =>
        Buffer.from(data).equals(expectedFrame(sequenceOf(data) as number, { size: 100 })),
      ),
      Array.from({ length: 50 }, () => true),
    )
  })
}

t.test('the properties of a packet agree with what was sent', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const chunk = await oneChunk(capture, 2, { size })
  const [packet, other] = [...chunk] as [Packet, Packet]
  t.ok(packet instanceof Packet)
  t.ok(packet.data instanceof Uint8Array)
  t.ok(Buffer.from(packet.data).equals(expectedFrame(0, { size: 100 })))
  t.equal(packet.data.length, packet.capturedLength)
  t.equal(packet.capturedLength, 100)
  t.equal(packet.originalLength, 100)
  t.type(packet.timestamp, 'bigint')
  t.equal(packet.direction, 'out')
  t.equal(packet.kind, 'outgoing')
  t.equal(packet.linkType, 1)
  t.equal(packet.vlan, undefined)
  t.type(packet.checksumPending, 'boolean')
  t.type(packet.checksumVerified, 'boolean')
  t.equal(packet.interface, other.interface, 'one object for the interface')
  t.ok(Object.isFrozen(packet.interface))
  t.equal(packet.interface.index, link('eth0').ifindex)
  t.equal(packet.interface.kind, 'veth')
  t.equal(packet.interface.peerIndex, link('far0').ifindex)

  const text = inspect(packet)
  t.match(text, /^Packet eth0 out 100 bytes at \d{19}$/)
  t.match(inspect(other.copy()), /^Packet eth0 out 100 bytes/)
  const copy = packet.copy()
  chunk.release()
  t.equal(inspect(packet), 'Packet (released)')
  t.doesNotThrow(() => inspect({ chunk, packet }, { depth: 5 }))
  for (const name of [
    'capturedLength',
    'originalLength',
    'direction',
    'kind',
    'linkType',
    'interface',
    'vlan',
  ] as const) {
    t.throws(() => packet[name], { code: 'ERR_RELEASED' })
  }
  t.equal(copy.direction, 'out')
  t.equal(copy.interface.name, 'eth0')
  t.ok(Buffer.from(copy.data).equals(expectedFrame(0, { size: 100 })), 'a copy is whole')
  t.ok(copy.copy() instanceof Packet, 'and can be copied')
  await using cut = await Capture.open({ interfaces: 'eth0', snapshotLength: 60 })
  const short = await oneChunk(cut, 1, { size })
  t.match(inspect([...short][0]), /^Packet eth0 out 60 of 100 bytes at/)
  await cut.close()
})

t.test('the properties of a packet through libpcap agree with what was sent', async (t) => {
  const directions = [
    ['both', undefined, undefined, 'in or out'],
    ['out', 'out', 'outgoing', 'out'],
  ] as const
  for (const [direction, told, kind, text] of directions) {
    await using capture = await Capture.open({ interfaces: 'eth0', backend: 'pcap', direction, snapshotLength: 60 })
    const chunk = await oneChunk(capture, 2, { size })
    const [packet] = [...chunk] as [Packet, Packet]
    t.ok(Buffer.from(packet.data).equals(expectedFrame(0, { size: 100 }).subarray(0, 60)))
    t.equal(packet.capturedLength, 60)
    t.equal(packet.originalLength, 100)
    t.type(packet.timestamp, 'bigint')
    t.equal(packet.direction, told)
    t.equal(packet.kind, kind)
    t.equal(packet.linkType, 1)
    t.equal(packet.vlan, undefined)
    t.equal(packet.checksumPending, false)
    t.equal(packet.checksumVerified, false)
    t.equal(packet.interface.index, link('eth0').ifindex)
    t.match(inspect(packet), new RegExp(`^Packet eth0 ${text} 60 of 100 bytes at \\d{19}$`))
    const copy = packet.copy()
    chunk.release()
    t.throws(() => packet.direction, { code: 'ERR_RELEASED' })
    t.throws(() => packet.kind, { code: 'ERR_RELEASED' })
    t.equal(copy.direction, told)
  }
  await using incoming = await Capture.open({ interfaces: 'far0', backend: 'pcap', direction: 'in' })
  const [packet] = [...(await oneChunk(incoming, 1, { size }))]
  t.equal(packet?.direction, 'in')
  t.equal(packet?.kind, undefined, 'to whom is not known')
})

for (const backend of backends) {
  t.test(`the properties of a capture agree with its options, ${backend}`, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', backend })
    t.same(
      capture.interfaces.map(({ name }) => name),
      ['eth0'],
    )
    t.doesNotThrow(() => inspect(capture))
    t.doesNotThrow(() => inspect(capture.stats(), { depth: 5 }))
    t.doesNotThrow(() => JSON.stringify(capture.stats()), 'stats are numbers')
    let closed = 0
    capture.on('close', () => closed++)
    await capture[Symbol.asyncDispose]()
    await capture.close()
    t.equal(closed, 1, 'one event, after which it is over')
    t.same(capture.interfaces, [])
  })
}

t.test('import and require() give the same classes and native code', async (t) => {
  const cjs = createRequire(import.meta.url)('ringtap') as typeof import('ringtap')
  t.equal(cjs.CaptureError, CaptureError)
  t.equal(cjs.Capture, Capture)
  const from = async (open: typeof Capture.open) => {
    try {
      await (await open({ interfaces: 'nowhere0' })).close()
      throw new Error('it opened')
    } catch (error) {
      return error
    }
  }
  for (const error of [
    await from((options) => Capture.open(options)),
    await from((options) => cjs.Capture.open(options)),
  ]) {
    t.match(error, { code: 'ERR_NO_INTERFACE', name: 'CaptureError', interface: 'nowhere0' })
    t.ok(error instanceof CaptureError)
    t.ok(error instanceof cjs.CaptureError)
    t.ok(error instanceof Error)
  }
  t.notOk(new Error('x') instanceof CaptureError)

  await using one = await Capture.open({ interfaces: 'eth0' })
  await using two = await cjs.Capture.open({ interfaces: 'eth0' })
  for (const capture of [one, two]) {
    t.equal((await oneChunk(capture, 5)).packetCount, 5)
    await capture.close()
  }
})

t.test('a listener for an event that does not exist is refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const recording = await capture.record({ path: `${t.testdir()}/a.pcapng` })
  const listener = () => {}
  for (const name of ['packet', 'data', 'chunk', 'end', 'toString']) {
    for (const method of ['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] as const) {
      t.throws(() => capture[method](name as 'close', listener), {
        code: 'ERR_OPTION',
        option: 'eventName',
        message:
          `Capture has no event '${name}'; there are interface, loss, warning, error, close. ` +
          'Packets are never events: iterate, with "for await (const chunk of capture)"',
      })
    }
    await t.rejects(once(capture, name), { code: 'ERR_OPTION' })
  }
  t.throws(() => recording.on('packet' as 'file', listener), {
    code: 'ERR_OPTION',
    message: /^Recording has no event 'packet'; there are file, error, end\. Packets are never events/,
  })
  await recording.stop()

  const none = Symbol('none')
  const known = ['interface', 'loss', 'warning', 'error', 'close', 'newListener', 'removeListener', none] as const
  for (const name of known as unknown as 'close'[]) {
    t.equal(capture.on(name, listener), capture)
    t.equal(capture.listenerCount(name), 1)
    capture.off(name, listener)
  }
  const order: number[] = []
  capture.on('close', () => order.push(2))
  capture.prependOnceListener('close', () => order.push(1))
  const closed = once(capture, 'close')
  await capture.close()
  await closed
  t.same(order, [1, 2])
})
