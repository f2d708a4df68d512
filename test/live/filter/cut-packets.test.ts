// The kernel judges whole packets, and then cuts them. A filter that reads what is cut off holds for them all the same,
// also where packets are judged a second time in user space.
import { Capture, type Slice } from 'ringtap'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { send, sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')

/** The payload of the frames begins at 42, with "RINGTAP". */
const filter = 'ether[45] = 0x47'
const cuts: { cut: string; options: { slice?: Slice; snapshotLength?: number }; length: number }[] = [
  { cut: "slice 'l4'", options: { slice: 'l4' }, length: 42 },
  { cut: 'snapshot length 40', options: { snapshotLength: 40 }, length: 40 },
]

/** Counts the packets until the capture ends, and collects their lengths. */
async function count(capture: Capture, seen: { packets: number; lengths: Set<number> }): Promise<void> {
  for await (const chunk of capture) {
    seen.packets += chunk.packetCount
    chunk.forEach((packet) => void seen.lengths.add(packet.capturedLength))
  }
}

for (const { table, skip } of tables) {
  for (const { cut, options, length } of cuts) {
    t.test(`changes of the filter lose no cut packet, ${table}, ${cut}`, { skip }, async (t) => {
      await using capture = await Capture.open({ interfaces: 'eth0', filter, ring: { table }, ...options })
      const seen = { packets: 0, lengths: new Set<number>() }
      const reading = count(capture, seen)
      const sending = send({ interface: 'eth0', count: 6000, rate: 3000, size: 100 })
      await waitUntil(() => seen.packets > 0, 'the first packets')
      await capture.setHosts({ exclude: ['192.0.2.1'] })
      await capture.setConnections([])
      await capture.setFilter(`${filter} and udp`)
      await sending
      const stats = await capture.stop()
      await reading
      t.equal(seen.packets, 6000)
      t.same([...seen.lengths], [length])
      t.match(stats, { received: 6000, delivered: 6000 })
    })
  }
}

for (const { cut, options, length } of cuts) {
  for (const [what, expression, expected] of [
    ['accepted', filter, 50],
    ['refused', 'ether[45] = 0x48', 0],
  ] as const) {
    t.test(`packets of a new interface, ${what} by what is cut off, ${cut}`, async (t) => {
      await using capture = await Capture.open({
        interfaces: { include: '^hot', hotplug: true },
        filter: expression,
        ...options,
      })
      const seen = { packets: 0, lengths: new Set<number>() }
      const reading = count(capture, seen)
      addVeth('hot0', 'far1')
      sendSync({ interface: 'hot0', count: 50, size: 100 })
      const stats = await capture.stop()
      await reading
      del('hot0')
      t.equal(seen.packets, expected)
      t.same([...seen.lengths], expected === 0 ? [] : [length])
      t.match(stats, { received: expected, delivered: expected })
    })
  }
}
