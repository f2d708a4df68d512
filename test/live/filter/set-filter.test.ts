import { Capture } from 'ringtap'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { replacedUnderTraffic } from '../support/replaced-under-traffic.js'
import { sendSync, sequenceOf } from '../support/send.js'
import { waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'

addVeth('eth0', 'far0')

for (const { way, options, skip } of ways) {
  t.test(`a filter replaced under traffic loses no packet and admits no wrong one, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', filter: 'udp', ...options })
    // Filters that accept the same packets, in many forms.
    const filters = [
      'udp port 7',
      'ip',
      'udp and not port 9',
      undefined,
      'greater 10',
      'udp dst port 7',
      'udp or vlan 5',
    ]
    const delivered = await replacedUnderTraffic(t, {
      capture,
      numberOf: sequenceOf,
      traffic: { port: 7 },
      harmless: filters.map((filter) => () => capture.setFilter(filter)),
      refuse: () => capture.setFilter('udp port 8'),
      sendAccepted: (start, count) => sendSync({ interface: 'eth0', count, port: 8, start }),
    })
    const stats = capture.stats()
    t.equal(stats.received, stats.delivered + stats.droppedByRing + stats.droppedByOverflow + stats.unselected)
    t.equal(stats.delivered, delivered)
  })

  t.test(`setFilter() can be awaited in the body of the loop, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', ...options })
    sendSync({ interface: 'eth0', count: 5, port: 7 })
    const seen: number[] = []
    let changed = false
    for await (const chunk of capture) {
      for (const packet of chunk) seen.push(sequenceOf(packet.data) as number)
      if (changed || seen.length < 5) continue
      changed = true
      sendSync({ interface: 'eth0', count: 100, port: 7, start: 100 })
      await waitUntil(() => capture.stats().queued === 100, 'them to wait in the queue')
      await capture.setFilter('udp port 8')
      sendSync({ interface: 'eth0', count: 5, port: 7, start: 200 })
      sendSync({ interface: 'eth0', count: 5, port: 8, start: 300 })
      void capture.stop()
    }
    t.same(seen, [0, 1, 2, 3, 4, 300, 301, 302, 303, 304])
    const stats = capture.stats()
    t.equal(stats.received, 10, 'what the new filter has refused is not counted as received')
    t.equal(stats.delivered, 10)
    if (way !== 'classic') t.equal(stats.interfaces.find(({ name }) => name === 'eth0')?.received, 10)
  })
}

t.test('a bad filter leaves the old one in force', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0', filter: 'udp port 8' })
  await t.rejects(capture.setFilter('port eighty'), { code: 'ERR_FILTER_SYNTAX', option: 'expression' })
  await t.rejects(Capture.open({ interfaces: 'eth0', filter: 'port eighty' }), {
    code: 'ERR_FILTER_SYNTAX',
    option: 'filter',
  })
  await t.rejects(capture.setFilter(8 as never), { code: 'ERR_OPTION' })
  sendSync({ interface: 'eth0', count: 5, port: 7 })
  sendSync({ interface: 'eth0', count: 5, port: 8 })
  t.equal((await capture.stop()).received, 5)
  await capture.close()
  await t.rejects(capture.setFilter('udp'), { code: 'ERR_CLOSED' })
})
