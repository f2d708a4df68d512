import { Capture, inject } from 'ringtap'
import { range } from '../../helpers/range.js'
import { drainBacklog } from '../support/backlog.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, link } from '../support/network.js'
import { descriptors, holdings, settle } from '../support/process.js'
import { expectedFrame, sequenceOf } from '../support/send.js'
import { patience } from '../support/wait.js'
import { backends } from '../support/ways.js'

t.setTimeout(300_000 * patience)
addVeth('eth0', 'far0')
const count = 300

for (const backend of backends) {
  t.test(`${count} captures at once each see every packet, ${backend}`, async (t) => {
    const open = () => Capture.open({ interfaces: 'eth0', backend, promiscuous: true, ring: { memory: 1 << 20 } })
    await (await open()).close() // allocates what Node keeps for the life of the process
    const before = await settle()
    const files = descriptors().sort()

    const captures = await Promise.all(range(0, count).map(open))
    t.teardown(() => Promise.all(captures.map((capture) => capture.close())))
    t.ok(holdings().threads >= before.threads + count, 'each has its thread')
    await inject(
      'eth0',
      range(0, 3).map((number) => expectedFrame(number)),
    )
    drainBacklog()
    const seen = await Promise.all(
      captures.map(async (capture) => {
        await capture.stop()
        const numbers: (number | undefined)[] = []
        for await (const packet of capture.packets()) numbers.push(sequenceOf(packet.data))
        return numbers.join()
      }),
    )
    t.same([...new Set(seen)], ['0,1,2'], 'every one has every packet, once')
    t.same([...new Set(captures.flatMap((capture) => imbalances(capture.stats())))], [])
    await Promise.all(captures.map((capture) => capture.close()))

    const after = await settle()
    t.same(descriptors().sort(), files, 'no descriptor is left')
    t.same(
      [after.threads, after.rings, after.ringBytes, link('eth0').promiscuity],
      [before.threads, before.rings, before.ringBytes, 0],
      'nor a thread, a ring or a membership',
    )
  })
}
