import t from 'tap'
import { isOwnConnection } from '../../src/sensor/own-cut.js'

const own = { localAddress: '2001:db8::1', localPort: 40_000, remoteAddress: '2001:db8::2', remotePort: 443 }

t.test('a connection of its own is known by whichever end comes first, however it is written', (t) => {
  for (const source of ['2001:db8::1', '2001:DB8::1', '2001:0db8:0:0:0:0:0:1', '2001:db8::0:1']) {
    const ends = { source, sourcePort: 40_000, destination: '2001:DB8:0::2', destinationPort: 443 }
    t.ok(isOwnConnection([own], ends), source)
    const { source: destination, destination: back } = ends
    t.ok(isOwnConnection([own], { source: back, sourcePort: 443, destination, destinationPort: 40_000 }), source)
    t.notOk(isOwnConnection([own], { ...ends, sourcePort: 40_001 }))
    t.notOk(isOwnConnection([own], { ...ends, destination: source, destinationPort: 40_000 }))
  }
  const ipv4 = { localAddress: '192.0.2.1', localPort: 1, remoteAddress: '192.0.2.2', remotePort: 2 }
  const mapped = { source: '::FFFF:192.0.2.1', sourcePort: 1, destination: '::ffff:c000:202', destinationPort: 2 }
  t.ok(isOwnConnection([own, ipv4], mapped))
  const local = { ...own, localAddress: 'fe80::1%eth0', remoteAddress: 'fe80::2' }
  const cut = { source: 'FE80::1', sourcePort: 40_000, destination: 'fe80::2', destinationPort: 443 }
  t.ok(isOwnConnection([local], cut))
  t.end()
})
