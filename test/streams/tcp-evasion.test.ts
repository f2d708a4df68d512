// Segments that are made to show a reassembler other bytes than the receiver gets.
import { randomInt } from 'node:crypto'
import { frame, Packet, type TcpFlag, TcpReassembler } from 'ringtap'
import { test } from 'tap'
import {
  ack,
  client,
  fin,
  first,
  handshake,
  packet,
  part,
  type Segment,
  server,
  start,
  syn,
  synAck,
  text,
} from '../helpers/tcp-segments.js'
import { follow, read, readOne } from '../helpers/tcp-streams.js'

test('of different bytes for one place the first seen count', (t) => {
  const conflicting = [...handshake(), part(0, 2, text('CDEF')), part(0, 2, text('xxEF')), part(0, 0, text('abyy'))]
  const one = readOne(conflicting)
  t.equal(one.originator, 'abCDEF')
  t.match(one.stream.originator, { conflicts: 2 })
  t.equal(readOne([...handshake(), part(0, 0, text('abcd')), part(0, 2, text('XXe'))]).originator, 'abcde')
  t.end()
})

test('segments that the receiver would refuse are ignored', (t) => {
  const bad = part(0, 0, text('evil'), { checksum: 1 })
  const good = part(0, 0, text('good'))
  const checked = read([...handshake(), bad, good], { verifyChecksums: true })
  t.equal(checked.streams[0]?.originator, 'good')
  t.equal(checked.stats.ignored, 1)
  t.equal(readOne([...handshake(), bad, good]).originator, 'evil', 'not checked by default')
  const far = read([...handshake(), part(0, -(2 ** 31) + 5, text('far')), part(0, 2 ** 30 + 9, text('far')), good])
  t.equal(far.streams[0]?.originator, 'good')
  t.equal(far.stats.ignored, 2)
  const reset: Segment = { end: 1, flags: ['RST'], sequence: first[1] + 1 }
  const forged = { ...reset, sequence: first[1] + 70_000 }
  t.match(readOne([...handshake(), forged, good, reset]), { originator: 'good', cause: 'reset' })
  const renewed = [...handshake(), { ...syn, sequence: 77 }, good]
  t.match(readOne(renewed), { originator: 'good', cause: 'ended' }, 'a SYN that nobody answers')
  t.end()
})

test('evasion: what a receiver would not take does not hide what it takes', (t) => {
  const good = part(0, 0, text('good'))
  const reset = (sequence: number, acknowledgment?: number): Segment => ({
    end: 1,
    sequence,
    ...(acknowledgment === undefined ? { flags: ['RST'] } : { flags: ['RST', 'ACK'], acknowledgment }),
  })
  const answer = part(1, 0, text('answer'), { acknowledgment: first[0] + 1 })
  const rest = [synAck, good, answer]
  const cases: [name: string, segments: Segment[], streams?: number][] = [
    [
      'a FIN before what was handed over',
      [...handshake(), part(0, 0, text('go')), fin(0, 0), part(0, 2, text('od')), answer],
    ],
    ['a RST before the SYN-ACK that acknowledges nothing', [syn, reset(77), ...rest]],
    ['a RST before the SYN-ACK that acknowledges another SYN', [syn, reset(77, first[0] + 9), ...rest]],
    [
      'data before the SYN-ACK that acknowledge another SYN',
      [syn, { ...answer, sequence: 77, acknowledgment: 5 }, ...rest],
    ],
    ['a SYN-ACK that acknowledges another SYN', [syn, { ...synAck, sequence: 77, acknowledgment: 5 }, ...rest]],
    [
      'a SYN that nobody answers, of a half-closed connection',
      [...handshake(), good, fin(0, 4), { ...syn, sequence: 77 }, answer],
    ],
    ['a RST outside of what was sent', [...handshake(), reset(first[1] + 70_000), good, answer]],
    ['a RST before what was handed over', [...handshake(), good, answer, reset(first[1] + 1)]],
    [
      'an acknowledgment of what was never sent',
      [...handshake(), ack(0, 1000, { at: 1 }), good, ack(0, 1000, { at: 900 }), { ...answer, at: 901 }],
    ],
    ['other bytes later', [...handshake(), good, part(0, 0, text('evil')), answer]],
  ]
  for (const [name, segments] of cases) {
    t.match(readOne(segments), { originator: 'good', responder: 'answer', cause: 'ended' }, name)
  }
  const second: Segment = { ...syn, sequence: 77 }
  const { streams } = read([
    syn,
    second,
    { ...synAck, acknowledgment: 78 },
    { ...good, sequence: 78, acknowledgment: first[1] + 1 },
  ])
  t.match(streams, [{ cause: 'reused' }, { originator: 'good' }], 'of two SYNs the one that was answered')
  t.end()
})

test('a wrong checksum of the IP header counts as one of TCP does', (t) => {
  const bytes = frame({
    ipv4: { source: client.ip, destination: server.ip, checksum: 1 },
    tcp: { sourcePort: client.port, destinationPort: server.port, flags: ['ACK'], sequence: (first[0] + 1) >>> 0 },
    payload: text('evil'),
  })
  let seen = ''
  const { reassembler, add } = follow(
    (stream) => {
      stream.onData = (data) => {
        seen += Buffer.from(data).toString('latin1')
      }
    },
    { verifyChecksums: true },
  )
  add(handshake())
  reassembler.add(Packet.from(bytes, { timestamp: start, linkType: 101 }))
  add([part(0, 0, text('good'))])
  t.equal(seen, 'good')
  t.end()
})

test('random segments never throw, and never make bytes that nobody sent', (t) => {
  const sent = Buffer.alloc(20_000)
  for (let i = 0; i < sent.length; i++) sent[i] = i % 251
  let handed = 0
  const reassembler = new TcpReassembler({
    maxMemory: 1 << 20,
    maxBuffered: 8192,
    onStream: (stream) => {
      stream.onData = (data) => {
        handed += data.length
      }
    },
  })
  const names: TcpFlag[] = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG']
  for (let i = 0; i < 50_000; i++) {
    const at = randomInt(sent.length)
    reassembler.add(
      packet({
        end: randomInt(2) as 0 | 1,
        flags: names.filter(() => randomInt(8) === 0),
        sequence: randomInt(20) === 0 ? randomInt(2 ** 32) : first[0] + at,
        acknowledgment: randomInt(4) === 0 ? randomInt(2 ** 32) : first[1] + randomInt(20_000),
        data: sent.subarray(at, at + randomInt(2000)),
        at: i,
        port: randomInt(50),
      }),
    )
    if (reassembler.stats().memory > 1 << 20) t.fail('more memory than allowed')
  }
  reassembler.end()
  t.ok(handed > 100_000, `${handed} bytes`)
  t.equal(reassembler.stats().memory, 0)
  t.end()
})
