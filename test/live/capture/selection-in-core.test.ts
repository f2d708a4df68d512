import { Capture, type InterfaceRules } from 'ringtap'
import { range } from '../../helpers/range.js'
import { type Seen, seen } from '../support/collect.js'
import t from '../support/live.js'
import { addVeth, addVeths, del, down, ip, rename, up } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { block, patience, waitUntil } from '../support/wait.js'

addVeths(2, 'eth', 'far')

/** Excludes nothing, but requires the decision to be made in JavaScript. */
const never = () => false

const rules: InterfaceRules[] = [
  {},
  { loopback: true },
  { include: '^(eth|hot)' },
  { include: ['^eth', '[[:digit:]]$'], exclude: ['^far', 'hot1'] },
  { include: '^lo$', exclude: '^far', loopback: true },
  { exclude: ['^(eth|far|cold)'] },
]

const listOf = (patterns: InterfaceRules['include']) => (Array.isArray(patterns) ? patterns : [patterns ?? []].flat())

for (const { table, skip } of tables) {
  for (const one of rules) {
    t.test(
      `the core and JavaScript select the same interfaces: ${JSON.stringify(one)}, ${table}`,
      { skip },
      async (t) => {
        const open = (interfaces: InterfaceRules) =>
          Capture.open({ interfaces: { ...interfaces, hotplug: true }, ring: { table } })
        await using byCore = await open(one)
        await using byJavaScript = await open({ ...one, exclude: [...listOf(one.exclude), never] })
        const captures = [byCore, byJavaScript].map((capture) => {
          const told: string[] = []
          const packets: Seen[] = []
          capture.on('interface', ({ type, interface: { name }, selected }) => told.push(`${type} ${name} ${selected}`))
          const reading = (async () => {
            for await (const chunk of capture) for (const packet of chunk) packets.push(seen(packet))
          })()
          return { capture, told, packets, reading, atStart: capture.interfaces.map(({ name }) => name) }
        })
        addVeth('hot0', 'hot1')
        ip('link', 'property', 'add', 'dev', 'hot0', 'altname', 'eth9')
        sendSync({ interface: ['hot0', 'eth0'], count: 20 })
        down('hot0')
        rename('hot0', 'cold0')
        up('cold0')
        rename('cold0', 'eth5')
        for (const { told } of captures)
          await waitUntil(() => told.some((text) => text.startsWith('renamed eth5')), 'eth5')
        sendSync({ interface: ['eth5', 'eth1'], count: 20, start: 20 })
        del('eth5')
        for (const { told } of captures) {
          await waitUntil(() => told.some((text) => text.startsWith('removed eth5')), 'the end of eth5')
        }
        const results = []
        for (const { capture, told, packets, reading, atStart } of captures) {
          const atEnd = capture.interfaces.map(({ name }) => name)
          await capture.stop()
          await reading
          // The packets of hot0 before its last rename are left out: their selection depends on when the rename was read.
          const sent = packets.filter(
            ({ number = -1, interface: name }) => number >= (/^(hot|cold)/.test(name) ? 20 : 0),
          )
          const of = (list: readonly Seen[]) => list.map((p) => `${p.interface} ${p.direction} ${p.number}`).sort()
          results.push({ atStart, told, atEnd, packets: of(sent) })
        }
        t.same(results[0], results[1])
        t.ok(results[0]?.told.some((text) => text.startsWith('added hot0')))
      },
    )
  }
}

t.test('a verdict made in the core does not wait for JavaScript', async (t) => {
  await using byCore = await Capture.open({ interfaces: { include: '^hot', hotplug: true } })
  await using byJavaScript = await Capture.open({ interfaces: { include: /^hot/, hotplug: true } })
  addVeth('hot0', 'away0')
  // The event loop does not run here, so any selection seen now was decided by the core.
  const selected = (capture: Capture) => capture.stats().interfaces.some((one) => one.name === 'hot0' && one.selected)
  const end = performance.now() + 20_000 * patience
  while (!selected(byCore) && performance.now() < end) block(5)
  t.equal(selected(byCore), true)
  t.equal(selected(byJavaScript), false)
  sendSync({ interface: 'hot0', count: 20 })
  for (const capture of [byCore, byJavaScript]) {
    const reading = (async () => {
      const numbers: (number | undefined)[] = []
      for await (const chunk of capture) for (const packet of chunk) numbers.push(seen(packet).number)
      return numbers
    })()
    await waitUntil(() => capture.stats().delivered === 20, 'the packets')
    await capture.stop()
    t.same(await reading, range(0, 20))
  }
  del('hot0')
})
