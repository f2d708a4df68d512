// What a flow reports of a TCP connection: state, history, round trip, retransmissions.
import { test } from 'tap'
import { Connection, web } from '../helpers/flow-packets.js'
import { theFlow } from '../helpers/flows.js'

test('states and histories of connections are those of Zeek', (t) => {
  const of = (build: (connection: Connection) => Connection) => {
    const { state, history } = theFlow(build(new Connection()).packets)
    return [state, history]
  }
  t.same(
    of((c) => c.handshake().send(0, ['PSH', 'ACK'], 100).send(1, ['ACK'], 200).send(0, ['ACK']).close()),
    ['SF', 'ShADdFf'],
  )
  t.same(
    of((c) => c.send(0, ['SYN'])),
    ['S0', 'S'],
  )
  t.same(
    of((c) => c.send(0, ['SYN']).send(1, ['RST', 'ACK'])),
    ['REJ', 'Sr'],
  )
  t.same(
    of((c) => c.handshake()),
    ['S1', 'ShA'],
  )
  t.same(
    of((c) => c.handshake().send(0, ['FIN', 'ACK'])),
    ['S2', 'ShAF'],
  )
  t.same(
    of((c) => c.handshake().send(1, ['FIN', 'ACK'])),
    ['S3', 'ShAf'],
  )
  t.same(
    of((c) => c.handshake().send(0, ['RST'])),
    ['RSTO', 'ShAR'],
  )
  t.same(
    of((c) => c.handshake().send(1, ['ACK'], 5).send(1, ['RST'])),
    ['RSTR', 'ShAdr'],
  )
  t.same(
    of((c) => c.send(0, ['SYN']).send(0, ['RST'])),
    ['RSTOS0', 'SR'],
  )
  t.same(
    of((c) => c.send(0, ['SYN']).send(0, ['FIN'])),
    ['SH', 'SF'],
  )
  t.same(
    of((c) => c.send(1, ['SYN', 'ACK']).send(1, ['RST'])),
    ['RSTRH', '^hr'],
  )
  t.same(
    of((c) => c.send(1, ['SYN', 'ACK']).send(1, ['FIN'])),
    ['SHR', '^hf'],
  )
  t.same(
    of((c) => c.send(0, ['ACK'], 10).send(1, ['ACK'])),
    ['OTH', 'Da'],
  )
  t.same(
    of((c) => c.send(0, ['SYN', 'FIN'])),
    ['S0', 'Q'],
  )
  t.end()
})

test('a connection whose SYN was missed has the right originator all the same', (t) => {
  const flow = theFlow(new Connection().send(1, ['SYN', 'ACK']).send(0, ['ACK']).packets)
  t.match(flow, { sourceIp: web.source, destinationPort: 443, history: '^hA' })
  t.match(flow, { originator: { packets: 1 }, responder: { packets: 1 } })
  t.end()
})

test('the handshake gives the round trip of each side, unless something of it was sent twice', (t) => {
  const { handshake } = theFlow(new Connection().handshake().packets)
  t.match({ ...handshake }, { responder: Number, originator: Number, total: Number })
  t.ok(Math.abs((handshake?.responder ?? 0) - 10) < 0.001)
  t.ok(Math.abs((handshake?.total ?? 0) - 20) < 0.001)
  const again = new Connection().send(0, ['SYN'])
  again.send(0, ['SYN'], 0, { skip: -1 }).send(1, ['SYN', 'ACK']).send(0, ['ACK'])
  t.equal(theFlow(again.packets).handshake, undefined)
  t.equal(theFlow(new Connection().send(0, ['ACK']).packets).handshake, undefined)
  t.end()
})

test('what was sent again, came late, or is missing is counted', (t) => {
  const data = () => new Connection().handshake().send(0, ['ACK'], 100)
  const originator = (connection: Connection) => theFlow(connection.packets).originator
  t.match(originator(data().send(0, ['ACK'], 100, { skip: -100 })), { retransmissions: 1, outOfOrder: 0, gaps: 0 })
  t.match(originator(data().send(0, ['ACK'], 50, { skip: -100 })), { retransmissions: 1 })
  t.match(originator(data().send(0, ['ACK'], 100, { skip: 300 })), { gaps: 1, gapBytes: 300, retransmissions: 0 })
  const late = data().send(0, ['ACK'], 100, { skip: 300 }).send(0, ['ACK'], 100, { skip: -400 })
  t.match(originator(late), { gaps: 1, gapBytes: 200, outOfOrder: 1, retransmissions: 0 })
  late.send(0, ['ACK'], 200)
  t.match(originator(late), { gapBytes: 0, outOfOrder: 2, retransmissions: 0 })
  late.send(0, ['ACK'], 50, { skip: -200 })
  t.match(originator(late), { outOfOrder: 2, retransmissions: 1 })
  t.match(originator(data().send(0, ['ACK'], 1, { skip: -1 })), { retransmissions: 0, gaps: 0 }, 'a keep-alive probe')
  t.match(originator(data().send(0, ['ACK'])), { retransmissions: 0, gaps: 0 }, 'an acknowledgment')
  const wrapped = theFlow(
    new Connection(web, 0, [0, 0xffffffff]).handshake().send(1, ['ACK'], 10).send(1, ['ACK'], 10).packets,
  )
  t.match(wrapped.responder, { retransmissions: 0, gaps: 0, payloadBytes: 20 }, 'sequence numbers that wrap')
  t.equal(
    theFlow(data().send(0, ['ACK'], 100, { skip: -100 }).send(1, ['ACK'], 0, { window: 0 }).packets).history,
    'ShADTaw',
  )
  t.end()
})
