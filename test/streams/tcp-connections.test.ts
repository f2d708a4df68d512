// When connections end, and that the memory kept for them is bounded.
import type { TcpStreamEnd } from 'ringtap'
import { test } from 'tap'
import { ack, fin, first, handshake, part, type Segment, syn, synAck, text } from '../helpers/tcp-segments.js'
import { follow, read } from '../helpers/tcp-streams.js'

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
