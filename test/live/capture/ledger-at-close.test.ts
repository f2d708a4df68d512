/** The ledger of a capture that is closed while packets wait: none is missing from it. */
import { Capture, type CaptureOptions, type CaptureStats } from 'ringtap'
import { drainBacklog } from '../support/backlog.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')

/** What the terms of the ledger other than `received` sum up to. */
function accounted(stats: CaptureStats): number {
  const { delivered, queued, unselected, malformed } = stats
  return delivered + queued + unselected + malformed + stats.droppedByRing + stats.droppedByOverflow
}

/** Late enough that no block is handed over before the capture closes, unless it is full. */
const late = { chunk: { maxDelay: 10_000 } }

const ways: [string, CaptureOptions, string | false][] = [
  ...tables.map(({ table, skip }): [string, CaptureOptions, string | false] => [table, { ring: { table } }, skip]),
  ['several rings', { ring: { count: 2 } }, false],
  ['libpcap', { backend: 'pcap' }, false],
]

for (const [way, options, skip] of ways) {
  t.test(`${way}: what was still in the ring is queued`, { skip }, async (t) => {
    const capture = await Capture.open({ interfaces: 'eth0', ...late, ...options })
    sendSync({ interface: 'eth0', count: 777 })
    drainBacklog()
    await capture.close()
    const stats = capture.stats()
    t.match(stats, { received: 777, delivered: 0, queued: 777, droppedByRing: 0, droppedByOverflow: 0 })
    const [eth0] = stats.interfaces.filter(({ name }) => name === 'eth0')
    if (stats.ring.table === 'ebpf') t.match(eth0, { received: 777, delivered: 0, queued: 777, dropped: 0 })
    t.equal(capture.stats().received, 777, 'it stays so')
  })
}

t.test('what was taken and what waited', async (t) => {
  const capture = await Capture.open({ interfaces: 'eth0' })
  sendSync({ interface: 'eth0', count: 1000 })
  let taken = 0
  for await (const chunk of capture) {
    taken += chunk.packetCount
    break
  }
  sendSync({ interface: 'eth0', count: 500, start: 1000 })
  drainBacklog()
  await waitUntil(() => capture.stats().queued > 0, 'packets to wait')
  const stopping = capture.stop()
  await capture.close()
  const stats = capture.stats()
  t.match(stats, { received: 1500, delivered: taken, queued: 1500 - taken })
  t.same(await stopping, stats, 'a stop under way resolves to the same')
})

t.test('with losses', async (t) => {
  const ring = { memory: 2 ** 20, blockSize: 2 ** 18 }
  const capture = await Capture.open({ interfaces: 'eth0', ring, overflow: { memory: 0 } })
  sendSync({ interface: 'eth0', count: 10_000, size: 1000 })
  drainBacklog()
  await capture.close()
  const stats = capture.stats()
  t.ok(stats.droppedByRing > 0)
  t.equal(stats.received, 10_000)
  t.equal(accounted(stats), 10_000)
})
