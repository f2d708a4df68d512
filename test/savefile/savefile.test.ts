// Reading savefiles, which are built here byte by byte.
import { type CaptureError, type Chunk, openFile } from 'ringtap'
import t from 'tap'
import { everything } from '../helpers/full-savefile.js'
import { hexes, read, readAll, texts } from '../helpers/read-savefile.js'
import { numberedPackets, Pcapng, pcap } from '../helpers/savefiles.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)

t.test('pcap files of every magic number are read', async (t) => {
  const made = numberedPackets(100)
  for (const bigEndian of [false, true]) {
    for (const nanoseconds of [false, true]) {
      const unit = nanoseconds ? 1000n : 1n
      const times = made.map((packet) => ({ ...packet, time: packet.time * unit, originalLength: 1500 }))
      const { packets, error, file } = await readAll(
        folder.write(pcap(times, { bigEndian, nanoseconds, linkType: 113 })),
      )
      t.equal(error, undefined)
      t.strictSame(texts(packets), hexes(made))
      t.strictSame(
        packets.map(({ timestamp }) => timestamp),
        made.map(({ time }) => time * 1000n),
      )
      t.ok(packets.every(({ originalLength, linkType }) => originalLength === 1500 && linkType === 113))
      t.ok(
        packets.every(({ direction, kind, vlan, comments }) => !direction && !kind && !vlan && comments.length === 0),
      )
      t.equal(file.format, 'pcap')
      t.match(file.sections, [{ number: 0, version: '2.4', byteOrder: bigEndian ? 'big' : 'little', comments: [] }])
      t.match(file.interfaces, [
        { index: 0, name: '', linkType: 113, snapshotLength: 262144, timestampResolution: nanoseconds ? 1e-9 : 1e-6 },
      ])
      t.equal(packets[0]?.interface.name, '')
    }
  }
})

t.test('pcapng sections, interfaces, options and all kinds of packet blocks are read', async (t) => {
  for (const bigEndian of [false, true]) {
    const { packets, error, file } = await readAll(folder.write(everything(bigEndian)))
    t.equal(error, undefined)
    t.equal(file.format, 'pcapng')
    const [byteOrder, other] = bigEndian ? ['big', 'little'] : ['little', 'big']
    t.match(file.sections, [
      {
        byteOrder,
        version: '1.0',
        hardware: 'a box',
        operatingSystem: 'Linux 6',
        application: 'a test',
        comments: ['all of it'],
      },
      { byteOrder: other, number: 1, comments: ['appended'], hardware: undefined },
    ])
    t.match(file.interfaces, [
      {
        index: 0,
        id: 0,
        generation: 0,
        name: 'eth0',
        description: 'the first',
        comments: ['one', 'two'],
        linkType: 1,
        hardwareType: 1,
        snapshotLength: 65535,
        address: '02:00:00:00:00:01',
        addresses: [
          { family: 4, address: '192.0.2.7', prefixLength: 24 },
          { family: 6, address: '2001:db8::1', prefixLength: 64 },
        ],
        speed: 10_000_000_000n,
        timestampResolution: 1e-9,
        timestampOffset: -10n,
        filter: 'not port 22',
        operatingSystem: 'that Linux',
        hardware: 'a card',
        frameCheckSequence: 4,
      },
      { index: 1, id: 1, name: 'tun0', linkType: 101, timestampResolution: 0.5, speed: undefined, filter: undefined },
      { index: 2, id: 0, generation: 1, name: 'any', linkType: 113, section: { number: 1 } },
    ])
    t.equal(Buffer.from(file.interfaces[0]?.options.at(-1)?.value ?? []).toString(), 'unknown')
    t.strictSame(
      packets.map((packet) => [
        packet.interface.name,
        packet.linkType,
        packet.timestamp,
        packet.capturedLength,
        packet.originalLength,
        packet.direction,
        packet.kind,
        packet.comments,
      ]),
      [
        ['eth0', 1, 1_699_999_990_000_000_011n, 5, 5, 'in', 'multicast', ['good morning', 'ü']],
        ['tun0', 101, 2_500_000_000n, 40, 1500, 'out', 'outgoing', []],
        ['eth0', 1, 0n, 6, 6, undefined, undefined, []],
        ['any', 113, 3_000_000_000n, 5, 5, undefined, undefined, []],
      ],
    )
    t.strictSame(
      texts(packets),
      hexes([
        { data: Buffer.from('hello') },
        { data: Buffer.alloc(40, 0x45) },
        { data: Buffer.from('simple') },
        { data: Buffer.from('later') },
      ]),
    )
    t.strictSame(file.blocks, [])
    t.match(file.stats(), { packets: 4, packetsRead: 4, bytes: 56, skippedBlocks: 6, unselected: 0, filtered: 0 })
  }
})

t.test('other pcapng blocks are kept if asked for', async (t) => {
  for (const bigEndian of [false, true]) {
    const blocks = ['nameResolution', 'interfaceStatistics', 'decryptionSecrets', 'custom', 'other'] as const
    const bytes = everything(bigEndian)
    const { packets, file } = await readAll(folder.write(bytes), { keep: { blocks } })
    t.equal(packets.length, 4)
    t.equal(file.stats().skippedBlocks, 0)
    t.match(file.blocks, [
      {
        kind: 'nameResolution',
        names: [
          { address: '10.0.0.1', names: ['a.b', 'c'] },
          { address: '2001:db8::2', names: ['d'] },
        ],
        options: [{ code: 1, value: Buffer.from('note') }],
      },
      { kind: 'decryptionSecrets', secretsType: 0x544c534b, data: Buffer.from('secret'), options: [] },
      { kind: 'custom', type: 0xbad, enterprise: 32473, data: Buffer.from('private\0') },
      { kind: 'custom', type: 0x40000bad, enterprise: 32474, data: Buffer.alloc(0) },
      { kind: 'interfaceStatistics', interfaceId: 1, options: [{ code: 4 }] },
      { kind: 'other', type: 0x1234, body: Buffer.alloc(16) },
    ])
    for (const { offset, type } of file.blocks) {
      t.equal(bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset), type, 'it is where it says')
    }
    const one = await readAll(folder.write(bytes), { keep: { blocks: ['custom'] } })
    t.strictSame(
      one.file.blocks.map(({ kind }) => kind),
      ['custom', 'custom'],
    )
    t.equal(one.file.stats().skippedBlocks, 4)
  }
  const many = new Pcapng().section()
  for (let i = 0; i < 100; i++) many.block(0xbad, Buffer.alloc(1000, i))
  const file = await openFile(folder.write(many.done()), { keep: { blocks: ['custom'], memory: 50_000 } })
  const warnings: CaptureError[] = []
  file.on('warning', (warning) => warnings.push(warning))
  await read(file)
  await new Promise(setImmediate)
  t.equal(file.blocks.length, 33, '1512 bytes each')
  t.match(warnings, [
    { code: 'ERR_OPTION', message: /^the block at byte 33424, of type 2989 and with 1000 bytes, is not kept/ },
  ])
})

t.test('copies of packets and retained chunks outlive the file', async (t) => {
  const file = await openFile(folder.write(everything(false)))
  const chunks: Chunk[] = []
  for await (const chunk of file) {
    chunks.push(chunk.retain())
    const last = [...chunk].at(-1)
    await Promise.resolve()
    t.equal(last?.data.length, 5)
  }
  await file.close()
  const packets = chunks.flatMap((chunk) => [...chunk])
  t.strictSame(
    packets.map((packet) => [packet.interface.name, packet.comments]),
    [
      ['eth0', ['good morning', 'ü']],
      ['tun0', []],
      ['eth0', []],
      ['any', []],
    ],
  )
  const copy = packets[0]?.copy().copy()
  t.strictSame(copy?.comments, ['good morning', 'ü'])
  t.equal(Buffer.from(copy?.data ?? []).toString(), 'hello')

  const plain = await readAll(folder.write(everything(false)), { comments: false })
  t.ok(plain.packets.every(({ comments }) => comments.length === 0))

  const held = await openFile(folder.write(pcap(numberedPackets(10))))
  const iterator = held[Symbol.asyncIterator]()
  const chunk = (await iterator.next()).value as Chunk
  const [packet] = chunk
  const data = packet?.data
  await held.close()
  t.equal(data?.length, 0)
  t.throws(() => packet?.timestamp, { code: 'ERR_RELEASED' })
})
