import { Capture } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { captureDuring } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { Running } from '../support/running.js'
import { expectedFrame, send, sendSync, sequenceOf } from '../support/send.js'
import { waitUntil } from '../support/wait.js'
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

for (const { way, options, skip } of ways) {
  t.test(
    `setSnapshotLength() under traffic: every packet once, cut to one of the lengths, ${way}`,
    { skip },
    async (t) => {
      const lengths = [200, 60, 100, 70, 200]
      await using running = await Running.open({
        interfaces: 'eth0',
        filter: 'udp port 9',
        snapshotLength: 200,
        direction: 'out',
        ...options,
      })
      let [sent, sending] = [0, true]
      const traffic = (async () => {
        for (; sending; sent += 200) await send({ interface: 'eth0', count: 200, size: 150, start: sent })
      })()
      for (const length of lengths) {
        await running.capture.setSnapshotLength(length)
        // What is sent from now on has this length; what was sent before may still be on its way.
        const captured = Math.min(length, 150)
        await waitUntil(() => running.packets.at(-1)?.capturedLength === captured, `packets of ${captured} bytes`)
      }
      sending = false
      await traffic
      await running.capture.setSnapshotLength(64)
      sendSync({ interface: 'eth0', count: 10, size: 150, start: sent })
      const packets = await running.stop()
      t.same(
        packets.map(({ data }) => sequenceOf(data)),
        Array.from({ length: sent + 10 }, (_, number) => number),
        'each packet, in order',
      )
      t.ok(
        packets.every(
          ({ data, capturedLength }) =>
            capturedLength === data.length && [150, 60, 100, 70, 64].includes(capturedLength),
        ),
      )
      t.ok(packets.every(({ originalLength }) => originalLength === 150))
      // The order of the lengths is that of the changes.
      const runs = packets
        .map(({ capturedLength }) => capturedLength)
        .filter((length, index, all) => length !== all[index - 1])
      t.same(runs, [150, 60, 100, 70, 150, 64])
      const stats = running.capture.stats()
      t.equal(stats.truncated, packets.filter(({ capturedLength }) => capturedLength < 150).length)
      t.same(imbalances(stats), [])
    },
  )
}

for (const { way, options, skip } of ways.filter(({ options }) => !options.backend)) {
  t.test(
    `setSnapshotLength() applies to interfaces that appear later, and stays with a new filter, ${way}`,
    { skip },
    async (t) => {
      await using running = await Running.open({ interfaces: { include: '^late', hotplug: true }, ...options })
      await running.capture.setSnapshotLength(50)
      await running.capture.setFilter('udp')
      addVeth('late0', 'late1')
      sendSync({ interface: 'late0', count: 20, size: 300 })
      del('late0')
      const packets = await running.stop()
      t.equal(packets.length, 40)
      t.ok(packets.every(({ capturedLength }) => capturedLength === 50))
    },
  )
}

t.test('setSnapshotLength() refuses what it cannot do, and the old length stays', async (t) => {
  const running = await Running.open({ interfaces: 'eth0', snapshotLength: 100 })
  const { capture } = running
  for (const bytes of [0, -1, 1.5, 262145, Number.NaN, '60', undefined] as number[]) {
    await t.rejects(capture.setSnapshotLength(bytes), {
      code: 'ERR_OPTION',
      message: /snapshotLength.* from 1 to 262144 bytes/,
    })
  }
  sendSync({ interface: 'eth0', count: 1, size: 300 })
  t.same(
    (await running.stop()).map(({ capturedLength }) => capturedLength),
    [100],
  )
  await capture.close()
  await t.rejects(capture.setSnapshotLength(60), { code: 'ERR_CLOSED' })

  await using pcap = await Capture.open({ interfaces: 'eth0', snapshotLength: 100, backend: 'pcap' })
  await t.rejects(pcap.setSnapshotLength(101), { code: 'ERR_OPTION', message: /from 1 to 100 bytes/ })
})
