import { Capture } from 'ringtap'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeths } from '../support/network.js'
import { holdings, settle } from '../support/process.js'
import { labelOf, send, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

const pairs = addVeths(125, 'eth', 'far')
const near = pairs.map(({ name }) => name)
const all = [...near, ...pairs.map(({ peer }) => peer)]
const MiB = 1 << 20

for (const { table, skip } of tables) {
  for (const exclude of [undefined, '[13579]$']) {
    t.test(`every packet of 250 interfaces is captured, ${table}, exclude ${exclude}`, { skip }, async (t) => {
      const before = await settle()
      await using capture = await Capture.open({
        interfaces: { ...(exclude && { exclude }), hotplug: true },
        ring: { table },
      })
      const wanted = all.filter((name) => !exclude || !/[13579]$/.test(name))
      t.equal(capture.interfaces.length, wanted.length)

      const during = holdings()
      t.equal(during.rings, 1, 'one ring')
      t.equal(during.ringBytes, 64 * MiB, 'of the usual size, however many interfaces')
      t.equal(capture.stats().ring.memory, 64 * MiB)
      t.equal(during.threads - before.threads, 1, 'one thread')

      const frames = 40
      const counts = new Map(wanted.map((name) => [name, new Uint8Array(frames)]))
      let wrong = 0
      let got = 0
      const reading = (async () => {
        for await (const chunk of capture) {
          chunk.forEach((packet) => {
            const { name } = packet.interface
            const i = Number(name.slice(3))
            const nth = ((sequenceOf(packet.data) ?? -1) - i) / near.length
            const seen = counts.get(name)
            if (seen?.[nth] !== 0 || labelOf(packet.data) !== i) wrong++
            else seen[nth] = 1
            if ((packet.direction === 'out') !== name.startsWith('eth')) wrong++
            got++
          })
        }
      })()
      await send({ interface: near, count: near.length * frames, rate: 20_000 })
      await waitUntil(
        () => got >= wanted.length * frames,
        'all packets',
        20_000,
        () => ({ got, stats: { ...capture.stats(), interfaces: [] } }),
      )
      await capture.stop()
      await reading
      t.equal(got, wanted.length * frames)
      t.equal(wrong, 0, 'each once, on its interface, its way')
      t.ok(
        [...counts.values()].every((seen) => seen.every((times) => times === 1)),
        'every one',
      )
      const stats = capture.stats()
      t.same(imbalances(stats), [])
      t.equal(stats.received, got, 'nothing else reached the ring')
      t.equal(stats.interfaces.filter(({ selected }) => selected).length, wanted.length)
      for (const { selected, name, delivered } of stats.interfaces) {
        if (delivered !== (selected ? frames : 0)) t.fail(`${delivered} of ${name} in the ledger`)
      }
      await capture.close()
      const after = await settle()
      t.equal(after.rings, 0)
      t.equal(after.threads, before.threads)
    })
  }
}

t.test('several rings share the memory and the packets', async (t) => {
  const before = await settle()
  await using capture = await Capture.open({ ring: { count: 2 } })
  const { ring } = capture.stats()
  t.equal(ring.count, 2)
  t.equal(ring.memory, 64 * MiB)
  t.equal(holdings().ringBytes, 64 * MiB)
  t.equal(holdings().threads - before.threads, 2, 'a thread each')
  const seen = new Set<string>()
  let got = 0
  const reading = (async () => {
    for await (const packet of capture.packets()) {
      seen.add(`${packet.interface.name} ${sequenceOf(packet.data)}`)
      got++
    }
  })()
  await send({ interface: near, count: 5000, flows: 50, rate: 20_000 })
  await capture.stop()
  await reading
  t.equal(got, 10_000)
  t.equal(seen.size, 10_000, 'each once')
  t.same(imbalances(capture.stats()), [])
  await capture.close()
})
