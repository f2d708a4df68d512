// What the functions of a stream may do: ignore it, throw, end the reassembler.
import { TcpReassembler, type TcpStreamEnd } from 'ringtap'
import { test } from 'tap'
import { fin, first, handshake, packet, part, syn, text } from '../helpers/tcp-segments.js'
import { follow } from '../helpers/tcp-streams.js'

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
