import { randomBytes, randomInt } from 'node:crypto'
import { CaptureError, type Packet, parseTlsClientHello, TcpReassembler, type TcpReassemblerOptions } from 'ringtap'
import { test } from 'tap'
import { hex } from '../helpers/hex.js'
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
import { type Read, read, readOne } from '../helpers/tcp-streams.js'

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
  for (const wrong of [5, undefined, new Uint8Array(0), packet(syn).data]) {
    t.throws(() => reassembler.add(wrong as unknown as Packet), { code: 'ERR_OPTION', option: 'packet' })
  }
  t.equal(reassembler.stats().segments, 0)
  t.throws(() => reassembler.add(packet(syn)), /^no$/)
  reassembler.end()
  t.throws(() => reassembler.add(packet(syn)), { code: 'ERR_CLOSED' })
  t.equal(hex(new Uint8Array(0)), '')
  t.end()
})
