// The bytes of streams and of packets made of fragments are those that the sender sent, and those that tshark reads.
import { randomBytes, randomInt } from 'node:crypto'
import { Defragmenter, frame, Packet, SavefileWriter, type TcpEnd, TcpReassembler } from 'ringtap'
import { test } from 'tap'
import { tcpScene } from '../helpers/tcp-scene.js'
import { TestFolder } from '../helpers/test-folder.js'
import { run } from '../helpers/wireshark.js'

async function write(file: string, packets: readonly Packet[]): Promise<void> {
  const writer = await SavefileWriter.open(file)
  for (const one of packets) await writer.write(one)
  await writer.close()
}

/** What tshark reads of a stream: the originator's bytes, and the responder's, which it indents. */
function followed(file: string, stream: number): [string, string] {
  const text = run('tshark', ['-n', '-q', '-r', file, '-z', `follow,tcp,raw,${stream}`]).toString()
  const lines = text.split('\n').filter((line) => /^\t?[0-9a-f]+$/.test(line))
  const of = (indented: boolean) => lines.filter((line) => line.startsWith('\t') === indented)
  return [of(false).join(''), of(true).join('').replaceAll('\t', '')]
}

test('streams of lost, late and repeated segments', async (t) => {
  const { conversations, packets } = tcpScene(12)
  const file = new TestFolder(t).fresh()
  await write(file, packets)
  const streams: { port: number; parts: Record<TcpEnd, Uint8Array[]>; cause?: string }[] = []
  const reassembler = new TcpReassembler({
    onStream: (stream) => {
      const one: (typeof streams)[number] = { port: stream.sourcePort, parts: { originator: [], responder: [] } }
      streams.push(one)
      stream.onData = (data, end) => one.parts[end].push(Uint8Array.from(data))
      stream.onGap = (length) => t.fail(`a gap of ${length} bytes`)
      stream.onEnd = (cause) => {
        one.cause = cause
      }
    },
  })
  for (const one of packets) reassembler.add(one)
  t.equal(streams.length, conversations.length)
  streams.forEach(({ port, parts, cause }, i) => {
    const { sent } = conversations.find(({ client }) => client.port === port) as (typeof conversations)[number]
    const ours = [parts.originator, parts.responder].map((list) => Buffer.concat(list).toString('hex'))
    t.ok(ours[0] === Buffer.from(sent[0]).toString('hex'), `what the originator of ${port} has sent`)
    t.ok(ours[1] === Buffer.from(sent[1]).toString('hex'), `what the responder of ${port} has sent`)
    t.equal(cause, 'closed')
    // Streams are numbered in the order of their first packets by tshark, too.
    const theirs = followed(file, i)
    t.ok(ours[0] === theirs[0] && ours[1] === theirs[1], `what tshark reads of ${port}`)
  })
  t.match(reassembler.stats(), { streams: 0, memory: 0, ignored: 0 })
})

/** Fragments of a UDP datagram, in an order at random, some of them twice. */
function fragments(identification: number, six: boolean, data: Uint8Array): Packet[] {
  const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
  const list: Packet[] = []
  for (let offset = 0; offset < data.length; ) {
    const length = Math.min(8 * (1 + randomInt(100)), data.length - offset)
    const more = offset + length < data.length
    const field = new Uint8Array(6)
    const view = new DataView(field.buffer)
    view.setUint16(0, offset | (more ? 1 : 0))
    view.setUint32(2, identification)
    const network = six
      ? {
          ipv6: {
            source: 'fd00::1',
            destination: 'fd00::2',
            extensions: [{ type: 44, content: field }],
            nextHeader: 17,
          },
        }
      : {
          ipv4: {
            ...{ source: '10.0.0.1', destination: '10.0.0.2', protocol: 17 },
            ...{ identification, fragmentOffset: offset, moreFragments: more },
          },
        }
    list.push(Packet.from(frame({ ethernet, ...network, payload: data.subarray(offset, offset + length) })))
    offset += length
  }
  for (let i = list.length - 1; i > 0; i--) {
    const j = randomInt(i + 1)
    ;[list[i], list[j]] = [list[j] as Packet, list[i] as Packet]
  }
  // Not behind the last one: that would begin another packet.
  if (list.length > 2) list.splice(1, 0, list[0] as Packet)
  return list
}

test('packets that are put together have the bytes that tshark puts together', async (t) => {
  const file = new TestFolder(t).fresh()
  const sent: Uint8Array[] = []
  const packets: Packet[] = []
  for (let i = 0; i < 40; i++) {
    const data = randomBytes(100 + randomInt(5000))
    // UDP: neither a port nor a checksum that tshark reads more into.
    data.set([0x9c, 0x40, 0x9c, 0x41, data.length >> 8, data.length & 0xff, 0, 0])
    sent.push(data)
    packets.push(...fragments(i + 1, i % 2 === 1, data))
  }
  await write(file, packets)
  const names = ['ip.reassembled.data', 'ipv6.reassembled.data']
  const args = ['-n', '-r', file, '-T', 'fields', '-E', 'separator=|', ...names.flatMap((name) => ['-e', name])]
  const theirs = run('tshark', args)
    .toString()
    .split('\n')
    .map((line) => line.replaceAll(/[|:]/g, ''))
    .filter((line) => line !== '')
  const defragmenter = new Defragmenter()
  const ours: string[] = []
  for (const one of packets) {
    const whole = defragmenter.add(one)
    if (!whole || whole === one) continue
    const { data } = whole
    ours.push(Buffer.from(data.subarray(data[12] === 0x86 ? 54 : 34)).toString('hex'))
  }
  const divided = sent.map((data) => Buffer.from(data).toString('hex'))
  t.equal(ours.length, defragmenter.stats().packets)
  t.same(ours, theirs)
  t.same(
    ours,
    divided.filter((one) => ours.includes(one)),
  )
  t.ok(ours.length > 25)
})
