import { Capture } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { captureDuring } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { expectedFrame, send, sendSync } from '../support/send.js'
import { ways } from '../support/ways.js'
import { startTcpdump } from '../support/witness.js'

addVeth('eth0', 'far0')

for (const { way, options, skip } of ways) {
  for (const filter of [undefined, 'udp port 9']) {
    t.test(`packets are cut to snapshotLength, ${way}, filter ${filter}`, { skip }, async (t) => {
      for (const snapshotLength of [1, 60, 100, 1000]) {
        const witness = await startTcpdump({ interface: 'eth0' })
        const { packets, stats } = await captureDuring(
          { interfaces: 'eth0', ...options, filter, snapshotLength },
          () => {
            for (const size of [60, 100, 101, 1514]) sendSync({ interface: 'eth0', count: 10, size })
          },
        )
        t.equal(packets.length, 40)
        t.same(
          packets.map(({ data }) => hex(data)),
          (await witness.stop()).map(({ data }) => hex(data.subarray(0, snapshotLength))),
          `the first ${snapshotLength} bytes of what tcpdump has`,
        )
        t.same(
          packets.map(({ capturedLength, originalLength }) => [capturedLength, originalLength]),
          [60, 100, 101, 1514].flatMap((size) =>
            Array.from({ length: 10 }, () => [Math.min(size, snapshotLength), size]),
          ),
          'the lengths',
        )
        const cut = packets.filter(({ capturedLength, originalLength }) => capturedLength < originalLength).length
        t.equal(stats.truncated, cut, 'truncated')
        t.equal(stats.interfaces.find(({ name }) => name === 'eth0')?.truncated, cut)
        t.same(imbalances(stats), [])
      }
    })
  }
}

for (const { way, options, skip } of ways.filter(({ options }) => !options.backend)) {
  t.test(`packets of an interface that appears later are cut too, ${way}`, { skip }, async (t) => {
    const { packets } = await captureDuring(
      { interfaces: { include: '^late', hotplug: true }, filter: 'udp', snapshotLength: 50, ...options },
      () => {
        // All of this before JavaScript processes the interface's event.
        addVeth('late0', 'late1')
        sendSync({ interface: 'late0', count: 20, size: 300 })
      },
    )
    del('late0')
    t.equal(packets.length, 40)
    for (const { capturedLength, originalLength, data } of packets)
      t.same([capturedLength, originalLength, data.length], [50, 300, 50])
  })
}

t.test('frames far above the usual MTU are delivered whole in the smallest blocks', async (t) => {
  addVeth('jumbo0', 'jumbo1', { mtu: 65_000 })
  const { packets, stats } = await captureDuring({ interfaces: 'jumbo0', ring: { memory: 1 << 20 } }, async () => {
    await send({ interface: 'jumbo0', count: 5, size: 65_000 })
  })
  t.same(
    packets.map(({ capturedLength, originalLength }) => [capturedLength, originalLength]),
    Array.from({ length: 5 }, () => [65_000, 65_000]),
  )
  t.equal(stats.truncated, 0)
  for (const { data, number } of packets) t.ok(Buffer.from(expectedFrame(number ?? -1, { size: 65_000 })).equals(data))
  await t.rejects(Capture.open({ ring: { blockSize: 65_536 } }), { code: 'ERR_OPTION' })
})
