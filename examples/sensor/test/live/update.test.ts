// An update that overlaps: the new sensor captures before the old one leaves.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { sensorName } from '../../src/demo/lab.js'
import { eachStored } from '../../src/demo/stored.js'
import { labFor, sumOf } from '../support/end-to-end.js'
import t from '../support/live.js'

t.test('no packet is missed, and what both saw is stored under both boots', async (t) => {
  const lab = await labFor(t, 2)
  await lab.startCollector()
  const [a, b] = lab.containers
  const old = await lab.startSensor()
  const flowing = lab.talk(a!, b!, 30_000, { rate: 5000 })
  await old.said(/^forwarding/)
  // With the same name and the same spool directory; it has resolved once it captures.
  const next = await lab.startSensor()
  // Both capture: these are seen by both, however long the start took.
  await lab.talk(b!, a!, 500)
  t.equal(await old.stop(), 0, old.log())
  await flowing
  await lab.talk(b!, a!, 1000)
  const sent = await lab.sent()
  t.equal(sent, 2 * lab.talked)
  t.equal(await next.stop(), 0, next.log())

  const seen = new Map<string, number>()
  const stored = await eachStored(lab.store, ({ interface: { name }, direction, data }) => {
    const key = `${name} ${direction} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt32BE(42)}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
  })
  t.equal(seen.size, sent, 'every packet is stored')
  for (const { final } of [old, next]) {
    t.equal(sumOf(final.lost), 0)
    t.equal(final.captured + final.recovered, final.stored + final.spooled)
    t.equal(final.spooled, 0)
  }
  t.equal(stored, old.final.stored + next.final.stored)
  const twice = [...seen.values()].filter((times) => times === 2).length
  t.ok(twice > 0, `${twice} packets were seen by both`)
  t.equal(stored, sent + twice)
  const boots = readdirSync(path.join(lab.store, sensorName)).filter((name) => /^[0-9a-f]{16}$/.test(name))
  t.equal(boots.length, 2, 'two boots')
})
