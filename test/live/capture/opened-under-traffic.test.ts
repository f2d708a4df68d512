// A capture that is opened while packets are arriving delivers what its filter accepts, from the first packet on.
import { Capture } from 'ringtap'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send } from '../support/send.js'
import { tables } from '../support/tables.js'

/** Opened one after another while frames arrive. */
const captures = 5

addVeth('eth0', 'far0')

for (const { table, skip } of tables) {
  for (const rings of [{ count: 1 }, { count: 2 }, { perInterface: 1 }]) {
    const form = `${table}, ${JSON.stringify(rings)}`
    t.test(`nothing passes before the filter and the interfaces are known, ${form}`, { skip }, async (t) => {
      let passed = 0
      let opening = true
      const sent = (async () => {
        while (opening) await send({ interface: 'eth0', count: 500_000, port: 9, mayDrop: true })
      })()
      try {
        for (let i = 0; i < captures; i++) {
          const capture = await Capture.open({
            interfaces: 'eth0',
            filter: 'udp dst port 7',
            ring: { memory: 1 << 22, blockSize: 1 << 18, table, ...rings },
            chunk: { maxDelay: 5 },
          })
          const stats = await capture.stop()
          passed += stats.received
          t.same(imbalances(stats), [])
          await capture.close()
        }
      } finally {
        opening = false
        await sent
      }
      t.equal(passed, 0, 'no packet passed')
    })
  }
}
