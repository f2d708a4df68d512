import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { CaptureOptions } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { captureDuring, type Seen } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { stayOnOneProcessor } from '../support/one-processor.js'
import { sendSync } from '../support/send.js'
import { ways } from '../support/ways.js'
import { startTcpdump } from '../support/witness.js'

stayOnOneProcessor() // tcpdump and a capture see packets in the same order
addVeth('eth0', 'far0')

const summary = (packets: readonly Seen[], told = true) =>
  packets.map(({ interface: name, direction, number }) => `${name} ${told ? direction : '?'} ${number}`).sort()

/** Sends `count` datagrams over 127.0.0.1; the payload of each is its number as text. */
async function overLoopback(count: number): Promise<void> {
  const receiver = createSocket('udp4')
  receiver.bind(0, '127.0.0.1')
  await once(receiver, 'listening')
  const sender = createSocket('udp4')
  let arrived = 0
  const all = new Promise<void>((resolve) => receiver.on('message', () => ++arrived === count && resolve()))
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => sender.send(String(i), receiver.address().port, '127.0.0.1', resolve))
  }
  await all
  sender.close()
  receiver.close()
}

for (const { way, options: source, skip, directions } of ways) {
  for (const direction of ['both', 'in', 'out'] as const) {
    const told = directions || direction !== 'both'
    const as = (word: string) => (told ? word : '?')
    // Interfaces added later and, in eBPF mode, the user's filter are handled by different code paths.
    for (const late of source.backend ? [false] : [false, true]) {
      for (const filter of [undefined, 'udp'] as const) {
        const title = `direction ${direction}, ${way}, ${late ? 'hot-plugged' : 'present'}, filter ${filter}`
        t.test(title, { skip }, async (t) => {
          const options: CaptureOptions = {
            interfaces: late ? { include: '^(late|tale)', hotplug: true } : ['eth0', 'far0'],
            direction,
            filter,
            ...source,
          }
          const [a, b] = late ? ['late0', 'tale0'] : ['eth0', 'far0']
          const { packets, stats } = await captureDuring(options, () => {
            if (late) addVeth(a as string, b as string)
            sendSync({ interface: a as string, count: 50 })
            sendSync({ interface: b as string, count: 50, start: 50 })
          })
          if (late) del(a as string)
          const numbers = Array.from({ length: 100 }, (_, i) => i)
          t.same(
            summary(packets, told),
            [
              ...(direction === 'in' ? [] : numbers.map((i) => `${i < 50 ? a : b} ${as('out')} ${i}`)),
              ...(direction === 'out' ? [] : numbers.map((i) => `${i < 50 ? b : a} ${as('in')} ${i}`)),
            ].sort(),
          )
          t.same(imbalances(stats), [])
          t.equal(stats.received, packets.length)
        })
      }
    }

    t.test(`a loopback packet is delivered once, direction ${direction}, ${way}`, { skip }, async (t) => {
      for (const filter of [undefined, 'udp']) {
        const witness = await startTcpdump({ interface: 'lo' })
        const { packets, stats } = await captureDuring(
          { interfaces: { include: '^lo$', loopback: true }, direction, filter, ...source },
          () => overLoopback(200),
        )
        const seen = (await witness.stop()).map(({ data }) => hex(data))
        t.equal(seen.length, 200, 'tcpdump shows each once')
        t.same(
          packets.map(({ data }) => hex(data)),
          direction === 'out' ? [] : seen,
          direction === 'out' ? 'loopback has incoming packets only' : 'the same, in the same order',
        )
        t.same([...new Set(packets.map((packet) => packet.direction))], direction === 'out' ? [] : ['in'])
        t.same(imbalances(stats), [])
      }
    })
  }

  t.test(`loopback can be captured with other interfaces, ${way}`, { skip }, async (t) => {
    const { packets, stats } = await captureDuring({ interfaces: { loopback: true }, ...source }, async () => {
      await overLoopback(20)
      sendSync({ interface: 'eth0', count: 20 })
    })
    t.equal(packets.filter(({ interface: name }) => name === 'lo').length, 20)
    t.equal(packets.filter(({ interface: name }) => name === 'eth0').length, 20)
    t.equal(packets.filter(({ interface: name }) => name === 'far0').length, 20)
    t.same(imbalances(stats), [])
  })

  t.test(`loopback is captured only if asked for, ${way}`, { skip }, async (t) => {
    for (const interfaces of [undefined, { include: '' }, { hotplug: true }, { include: 'lo', hotplug: true }]) {
      const { packets, stats } = await captureDuring({ interfaces, ...source }, () => overLoopback(20))
      t.same(summary(packets), [], JSON.stringify(interfaces))
      t.equal(stats.interfaces.find(({ name }) => name === 'lo')?.selected, false)
    }
    const named = await captureDuring({ interfaces: 'lo', ...source }, () => overLoopback(20))
    t.equal(named.packets.length, 20, 'by name it is')
  })
}
