import { randomBytes, randomInt } from 'node:crypto'
import {
  CaptureError,
  frame,
  Packet,
  parseTlsClientHello,
  type TcpEnd,
  type TcpFlag,
  TcpReassembler,
  type TcpReassemblerOptions,
  type TcpStream,
  type TcpStreamEnd,
} from 'ringtap'
import { test } from 'tap'
import { hex } from '../helpers/hex.js'

const start = 1_700_000_000_000_000_000n
const client = { ip: '10.0.0.1', port: 50000 }
const server = { ip: '10.0.0.2', port: 443 }

interface Segment {
  end: 0 | 1
  flags?: TcpFlag[]
  sequence: number
  acknowledgment?: number
  data?: Uint8Array
  at?: number
  port?: number
  checksum?: number
  captured?: number
}

/** Sequence numbers at which both ends begin: one wraps soon. */
const first = [0xffffff00, 5000] as const

function packet({ end, flags = ['ACK'], sequence, acknowledgment = 0, data, at = 0, ...more }: Segment): Packet {
  const port = more.port ?? client.port
  const [from, to] = end === 0 ? [{ ...client, port }, server] : [server, { ...client, port }]
  const bytes = frame({
    ipv4: { source: from.ip, destination: to.ip },
    tcp: {
      sourcePort: from.port,
      destinationPort: to.port,
      flags,
      sequence: sequence >>> 0,
      acknowledgment: acknowledgment >>> 0,
      ...(more.checksum !== undefined && { checksum: more.checksum }),
    },
    ...(data && { payload: data }),
  })
  const kept = more.captured === undefined ? bytes : bytes.subarray(0, more.captured)
  return Packet.from(kept, {
    timestamp: start + BigInt(Math.round(at * 1e6)),
    linkType: 101,
    originalLength: bytes.length,
  })
}

const syn: Segment = { end: 0, flags: ['SYN'], sequence: first[0] }
const synAck: Segment = { end: 1, flags: ['SYN', 'ACK'], sequence: first[1], acknowledgment: first[0] + 1 }
const handshake = (at = 0): Segment[] => [
  { ...syn, at },
  { ...synAck, at },
  { end: 0, sequence: first[0] + 1, acknowledgment: first[1] + 1, at },
]
/** Data of an end, `offset` bytes behind its first. */
const part = (end: 0 | 1, offset: number, data: Uint8Array, more: Partial<Segment> = {}): Segment => ({
  end,
  sequence: first[end] + 1 + offset,
  data,
  ...more,
})
const ack = (end: 0 | 1, offset: number, more: Partial<Segment> = {}): Segment => ({
  end,
  sequence: first[end] + 1,
  acknowledgment: first[end === 0 ? 1 : 0] + 1 + offset,
  ...more,
})
const fin = (end: 0 | 1, offset: number, acknowledged = 0): Segment => ({
  end,
  flags: ['FIN', 'ACK'],
  sequence: first[end] + 1 + offset,
  acknowledgment: first[end === 0 ? 1 : 0] + 1 + acknowledged,
})

/** What came of a connection: bytes, gaps as `<N>`, by end. */
interface Read {
  stream: TcpStream
  originator: string
  responder: string
  cause: TcpStreamEnd | undefined
}

function read(segments: readonly Segment[], options: Partial<TcpReassemblerOptions> = {}, end = true) {
  const streams: Read[] = []
  const reassembler = new TcpReassembler({
    ...options,
    onStream: (stream) => {
      const one: Read = { stream, originator: '', responder: '', cause: undefined }
      streams.push(one)
      stream.onData = (data, from: TcpEnd) => {
        one[from] += Buffer.from(data).toString('latin1')
      }
      stream.onGap = (length, from: TcpEnd) => {
        one[from] += `<${length}>`
      }
      stream.onEnd = (cause) => {
        one.cause = cause
      }
    },
  })
  for (const segment of segments) reassembler.add(packet(segment))
  if (end) reassembler.end()
  return { streams, stats: reassembler.stats(), reassembler }
}

function readOne(segments: readonly Segment[], options: Partial<TcpReassemblerOptions> = {}): Read {
  const { streams } = read(segments, options)
  if (streams.length !== 1) throw new Error(`${streams.length} streams`)
  return streams[0] as Read
}

const text = (characters: string) => Buffer.from(characters, 'latin1')

test('what both ends have sent is handed over in order', (t) => {
  const one = readOne([
    ...handshake(),
    part(0, 0, text('GET ')),
    part(0, 4, text('/')),
    part(1, 0, text('200')),
    fin(0, 5, 3),
    fin(1, 3, 6),
    ack(0, 4),
  ])
  t.match(one, { originator: 'GET /', responder: '200', cause: 'closed' })
  t.match(one.stream, { sourceIp: '10.0.0.1', sourcePort: 50000, destinationPort: 443, midstream: false })
  t.match(one.stream.originator, { bytes: 5, gaps: 0, retransmittedBytes: 0, conflicts: 0 })
  t.end()
})

test('segments that come late, twice, or in other pieces make the same bytes', (t) => {
  const sent = randomBytes(40_000)
  for (let round = 0; round < 20; round++) {
    const pieces: Segment[] = []
    for (let at = 0; at < sent.length; ) {
      const length = 1 + randomInt(3000)
      pieces.push(part(0, at, sent.subarray(at, at + length)))
      at += length
    }
    for (let i = 0; i < 20; i++) {
      const at = randomInt(sent.length)
      pieces.splice(randomInt(pieces.length), 0, part(0, at, sent.subarray(at, at + 1 + randomInt(5000))))
    }
    // Each segment may be late by a few places.
    for (let i = pieces.length - 1; i > 0; i--) {
      const j = Math.max(0, i - randomInt(6))
      ;[pieces[i], pieces[j]] = [pieces[j] as Segment, pieces[i] as Segment]
    }
    const one = readOne([...handshake(), ...pieces])
    t.ok(one.originator === sent.toString('latin1'), `round ${round}`)
    t.match(one.stream.originator, { gaps: 0, conflicts: 0 })
  }
  t.end()
})

test('data of which the first bytes come last are not handed over before', (t) => {
  const { streams, reassembler } = read([...handshake(), part(0, 5, text('world'))], {}, false)
  t.equal(streams[0]?.originator, '')
  t.ok(reassembler.stats().memory > 5)
  reassembler.add(packet(part(0, 0, text('hello'))))
  t.equal(streams[0]?.originator, 'helloworld')
  t.equal(reassembler.stats().memory, 0)
  t.end()
})

test('what is missing is a gap: at the end, when it was acknowledged, and when there is no room to wait', (t) => {
  const late = [...handshake(), part(0, 0, text('ab')), part(0, 10, text('yz'))]
  t.match(readOne(late), { originator: 'ab<8>yz', cause: 'ended' })
  t.match(readOne([...late, ack(1, 12, { at: 5 }), part(0, 2, text('cdefghij'), { at: 50 })]), {
    originator: 'abcdefghijyz',
  })
  const acknowledged = read([...late, ack(1, 12, { at: 5 }), ack(1, 12, { at: 200 })], {}, false)
  t.equal(acknowledged.streams[0]?.originator, 'ab<8>yz')
  acknowledged.reassembler.add(packet(part(0, 12, text('!'), { at: 201 })))
  t.equal(acknowledged.streams[0]?.originator, 'ab<8>yz!')
  const nothing = [...handshake(), ack(1, 100, { at: 1 }), ack(1, 100, { at: 150 })]
  t.match(readOne(nothing), { originator: '<100>' }, 'nothing of it was captured')
  const many = [...handshake()]
  for (let i = 0; i < 10; i++) many.push(part(0, 10 + 1000 * i, Buffer.alloc(1000, 97 + i)))
  const full = read(many, { maxBuffered: 4096 }, false)
  t.equal(full.streams[0]?.originator.slice(0, 5), '<10>a')
  t.equal(full.streams[0]?.originator.length, 10_004)
  t.match(full.streams[0]?.stream.originator, { gaps: 1, gapBytes: 10, bytes: 10_000 })
  t.end()
})

test('time goes on without packets', (t) => {
  const base = Number(start / 1_000_000n)
  const late = [...handshake(), part(0, 0, text('ab')), part(0, 10, text('yz')), ack(1, 12, { at: 5 })]
  const { streams, reassembler } = read(late, { idleTimeout: 1000 }, false)
  const one = streams[0] as Read
  const times: [number | string, string, number][] = []
  one.stream.onData = (data, end, time) => times.push([Buffer.from(data).toString(), end, time - base])
  one.stream.onGap = (length, end, time) => times.push([length, end, time - base])
  reassembler.advance(base + 104)
  t.same(times, [], 'what is missing may still come')
  reassembler.advance(base + 1)
  reassembler.add(packet(part(0, 12, text('!'), { at: 104.5 })))
  t.same(times, [])
  reassembler.advance(base + 105)
  t.same(times, [
    [8, 'originator', 105],
    ['yz', 'originator', 105],
    ['!', 'originator', 105],
  ])
  reassembler.add(packet(part(0, 14, text('x'), { at: 106 })))
  reassembler.add(packet(part(0, 13, text('w'), { at: 107 })))
  t.same(times.slice(3), [
    ['w', 'originator', 107],
    ['x', 'originator', 107],
  ])
  t.equal(reassembler.stats().memory, 0)
  reassembler.advance(base + 1500)
  t.equal(one.cause, undefined)
  reassembler.advance(base + 2107)
  t.equal(one.cause, 'idle')
  t.equal(reassembler.stats().streams, 0)

  for (const wrong of [-1, Number.NaN, 2 ** 60, '5', 5n]) {
    t.throws(() => reassembler.advance(wrong as number), { code: 'ERR_OPTION', option: 'time' })
  }
  reassembler.end()
  t.throws(() => reassembler.advance(base + 3000), { code: 'ERR_CLOSED' })
  t.end()
})

test('a function of a stream cannot move the time on, and what it throws goes to the caller', (t) => {
  const base = Number(start / 1_000_000n)
  const late = [...handshake(), part(0, 10, text('yz')), ack(1, 12, { at: 5 })]
  const { streams, reassembler } = read(late, {}, false)
  const { stream } = streams[0] as Read
  stream.onGap = () => reassembler.advance(base + 500)
  t.throws(() => reassembler.advance(base + 200), { code: 'ERR_OPTION', option: 'time' })
  t.equal(streams[0]?.originator, '', 'what follows the gap comes with the next call')
  reassembler.advance(base + 201)
  t.equal(streams[0]?.originator, 'yz')
  t.equal(reassembler.stats().memory, 0)
  t.end()
})

test('bytes that were cut at the snapshot length are a gap', (t) => {
  const one = readOne([
    ...handshake(),
    part(0, 0, text('abcdefgh'), { captured: 43 }),
    part(0, 12, text('MNOP'), { captured: 41 }),
    part(0, 8, text('ijkl')),
    part(0, 16, text('q')),
  ])
  t.match(one, { originator: 'abc<5>ijklM<3>q' })
  t.match(one.stream.originator, { gapBytes: 8, gaps: 2, bytes: 9 })
  t.end()
})

test('connections are picked up in their middle, unless that is not wanted', (t) => {
  const middle = [part(1, 100, text('tail'), { acknowledgment: first[0] + 1 + 7 }), part(0, 7, text('next'))]
  const one = readOne(middle)
  t.match(one, { originator: 'tail', responder: 'next' })
  t.match(one.stream, { midstream: true, sourceIp: server.ip })
  t.equal(read(middle, { midstream: false }).streams.length, 0)
  t.match(readOne([synAck, part(0, 0, text('x'))]).stream, { sourceIp: client.ip, midstream: false })
  t.equal(readOne([{ ...syn, data: text('fast') }, synAck]).originator, 'fast', 'data with the SYN')
  t.end()
})

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

test('a connection ends once, for the right cause, and late packets do not begin another', (t) => {
  const closed = read([...handshake(), fin(0, 0), fin(1, 0, 1), ack(0, 1), fin(0, 0, 1)])
  t.equal(closed.streams.length, 1)
  t.equal(closed.streams[0]?.cause, 'closed')
  const reused = [...handshake(), { ...syn, sequence: 77 }, { ...synAck, sequence: 99, acknowledgment: 78 }]
  const two = read([...reused, { end: 0, sequence: 78, data: text('new'), acknowledgment: 100 }])
  t.same(
    two.streams.map(({ cause, responder, originator }) => [cause, originator, responder]),
    [
      ['reused', '', ''],
      ['ended', 'new', ''],
    ],
  )
  const again = read([...handshake(), fin(0, 0), fin(1, 0, 1), { ...syn, sequence: 1000 }])
  t.equal(again.streams.length, 2)
  const idle = read([...handshake(), { ...syn, port: 7, at: 400_000 }], {}, false)
  t.equal(idle.streams[0]?.cause, 'idle')
  const evicted = read(
    [
      { ...syn, port: 1 },
      { ...syn, port: 2 },
      { ...syn, port: 3 },
    ],
    { maxConnections: 2 },
    false,
  )
  t.same(
    evicted.streams.map(({ cause }) => cause),
    ['evicted', undefined, undefined],
  )
  t.end()
})

test('memory is bounded over all connections', (t) => {
  const segments: Segment[] = []
  for (let port = 1; port <= 100; port++) {
    segments.push({ ...syn, port }, part(0, 1, Buffer.alloc(4000), { port, at: port }))
  }
  const { streams, reassembler } = read(segments, { maxMemory: 65536 }, false)
  t.ok(reassembler.stats().memory <= 65536)
  t.ok(streams.filter(({ cause }) => cause === 'evicted').length >= 80)
  reassembler.end()
  t.equal(reassembler.stats().memory, 0)
  t.end()
})

test('a stream that is ignored hands over nothing more, holds nothing, and ends', (t) => {
  let bytes = 0
  let cause: TcpStreamEnd | undefined
  const reassembler = new TcpReassembler({
    onStream: (stream) => {
      stream.onData = (data) => {
        bytes += data.length
        stream.ignore()
      }
      stream.onEnd = (why) => {
        cause = why
      }
    },
  })
  const rest = [part(0, 0, text('abc')), part(0, 9, text('later')), part(1, 0, text('xyz'))]
  for (const one of [...handshake(), ...rest]) reassembler.add(packet(one))
  t.match(reassembler.stats(), { memory: 0 })
  for (const one of [fin(0, 14, 3), fin(1, 3, 15)]) reassembler.add(packet(one))
  t.equal(bytes, 3)
  t.equal(cause, 'closed')
  t.end()
})

test('the server name of a TLS hello that is spread over segments in disorder', (t) => {
  const name = 'sensor.example'
  const list = [...Buffer.from(name)]
  const entry = [0, 0, list.length, ...list]
  const sni = [0, 0, 0, entry.length + 2, 0, entry.length, ...entry]
  const body = [3, 3, ...new Array(32).fill(1), 0, 0, 2, 0x13, 1, 1, 0, 0, sni.length, ...sni]
  const hello = Uint8Array.from([22, 3, 1, 0, body.length + 4, 1, 0, 0, body.length, ...body])
  let sent = Buffer.alloc(0)
  let found: string | undefined
  const reassembler = new TcpReassembler({
    onStream: (stream) => {
      stream.onData = (data, end) => {
        if (end !== 'originator') return
        sent = Buffer.concat([sent, data])
        const result = parseTlsClientHello(sent)
        if (typeof result === 'object') found = result.serverName
        if (result !== 'incomplete') stream.ignore()
      }
    },
  })
  const pieces = [
    part(0, 40, hello.subarray(40)),
    part(0, 0, hello.subarray(0, 20)),
    part(0, 20, hello.subarray(20, 40)),
  ]
  for (const one of [...handshake(), ...pieces]) reassembler.add(packet(one))
  t.equal(found, name)
  t.end()
})

/** Streams of segments whose functions do what the test wants. */
function follow(set: (stream: TcpStream) => void, options: Partial<TcpReassemblerOptions> = {}) {
  const reassembler = new TcpReassembler({ ...options, onStream: set })
  return { reassembler, add: (segments: readonly Segment[]) => segments.map((one) => reassembler.add(packet(one))) }
}

test('a stream that is ignored in the midst of what was held keeps the memory counted right', (t) => {
  const { reassembler, add } = follow((stream) => {
    stream.onData = (data) => {
      if (data[0] === 98) stream.ignore()
    }
  })
  add([...handshake(), part(0, 10, text('cc')), part(0, 5, text('bbbbb')), part(0, 0, text('aaaaa'))])
  t.equal(reassembler.stats().memory, 0)
  t.end()
})

test('a long connection that is ignored is followed to its end', (t) => {
  let cause: TcpStreamEnd | undefined
  const { add } = follow((stream) => {
    stream.ignore()
    stream.onEnd = (why) => {
      cause = why
    }
  })
  add(handshake())
  for (let i = 1; i <= 5; i++) add([part(0, 2 ** 29 * i, text('abc'))])
  add([fin(0, 5 * 2 ** 29 + 3), fin(1, 0, 5 * 2 ** 29 + 4)])
  t.equal(cause, 'closed')
  t.end()
})

test('what a function of a stream throws leaves the reassembler as it should be', (t) => {
  let failing = true
  let seen = ''
  const { reassembler, add } = follow((stream) => {
    stream.onData = (data) => {
      seen += Buffer.from(data).toString('latin1')
      if (failing) throw new Error('no')
    }
  })
  add([...handshake(), part(0, 2, text('cd')), part(0, 6, text('gh'))])
  t.throws(() => add([part(0, 0, text('ab'))]), /^no$/)
  t.throws(() => add([part(0, 4, text('ef'))]), /^no$/)
  failing = false
  add([part(0, 8, text('ij'))])
  t.equal(seen, 'abcdefghij')
  t.equal(reassembler.stats().memory, 0)
  failing = true
  add([part(0, 20, text('x'))])
  add([{ ...syn, port: 9 }, part(0, 20, text('y'), { port: 9 })])
  t.throws(() => reassembler.end(), /^no$/)
  t.same(reassembler.stats().streams, 0)
  t.equal(reassembler.stats().memory, 0)
  t.match(seen, /xy$/)
  t.end()
})

test('a function of a stream that fails at the eviction does not stop the eviction', (t) => {
  const { reassembler, add } = follow(
    (stream) => {
      stream.onData = () => {
        throw new Error('no')
      }
    },
    { maxMemory: 65536 },
  )
  let thrown = 0
  for (let port = 1; port <= 40; port++) {
    add([{ ...syn, port }])
    try {
      add([part(0, 1, Buffer.alloc(4000), { port, at: port })])
    } catch {
      thrown++
    }
  }
  t.ok(thrown > 20)
  t.ok(reassembler.stats().memory <= 65536)
  t.end()
})

test('a function of a stream may end the reassembler, and may not add to it', (t) => {
  const causes: TcpStreamEnd[] = []
  const { reassembler, add } = follow((stream) => {
    stream.onData = () => {
      t.throws(() => reassembler.add(packet(syn)), { code: 'ERR_OPTION' })
      reassembler.end()
    }
    stream.onEnd = (cause) => causes.push(cause)
  })
  add([{ ...syn, port: 7 }, ...handshake(), fin(1, 0, 0)])
  add([{ ...part(0, 0, text('a')), flags: ['FIN', 'ACK'], acknowledgment: first[1] + 2 }])
  t.same(causes.sort(), ['closed', 'ended'])
  t.equal(reassembler.stats().streams, 0)
  t.end()
})

test('a clock that is set back, or one wrong time, does not keep connections for ever', (t) => {
  const causes: TcpStreamEnd[] = []
  const { add } = follow((stream) => {
    stream.onEnd = (cause) => causes.push(cause)
  })
  const year = 31_536_000_000
  add([
    { ...syn, port: 1, at: year },
    { ...syn, port: 2, at: 0 },
  ])
  t.same(causes, [])
  add([{ ...syn, port: 3, at: 302_000 }])
  t.same(causes, ['idle', 'idle'])
  t.end()
})

test('connections that end at the same time are remembered in bounded memory', (t) => {
  const begun: number[] = []
  const { add } = follow((stream) => begun.push(stream.sourcePort), { maxConnections: 5 })
  for (let port = 1; port <= 20; port++) {
    add([
      { ...syn, port },
      { end: 0, port, flags: ['RST'], sequence: first[0] + 1 },
    ])
  }
  // The first has been forgotten, the last not.
  add([part(0, 0, text('late'), { port: 20 }), part(0, 0, text('late'), { port: 1 })])
  t.same(begun.slice(20), [1])
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

test('wrong arguments are typed errors, and what a function throws reaches the caller', (t) => {
  for (const options of [
    undefined,
    {},
    { onStream: 5 },
    { onStream: () => {}, maxMemory: 1 },
    { onStream() {}, x: 1 },
  ]) {
    t.throws(() => new TcpReassembler(options as unknown as TcpReassemblerOptions), CaptureError)
  }
  const reassembler = new TcpReassembler({
    onStream: () => {
      throw new Error('no')
    },
  })
  t.throws(() => reassembler.add(5 as unknown as Packet), CaptureError)
  t.throws(() => reassembler.add(packet(syn)), /^no$/)
  reassembler.end()
  t.throws(() => reassembler.add(packet(syn)), { code: 'ERR_CLOSED' })
  t.equal(hex(new Uint8Array(0)), '')
  t.end()
})
