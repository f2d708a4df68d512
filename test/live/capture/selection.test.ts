import { Capture, explainSelection, type InterfaceSelection, listInterfaces } from 'ringtap'
import { range } from '../../helpers/range.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, addVeths, del, down, ip, rename, up } from '../support/network.js'
import { Running } from '../support/running.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'
import { backends } from '../support/ways.js'

addVeths(2, 'eth', 'far')

for (const { table, skip } of tables) {
  const ring = { table }
  t.test(`names select exactly those interfaces, ${table}`, { skip }, async (t) => {
    ip('link', 'property', 'add', 'dev', 'eth1', 'altname', 'uplink')
    for (const [interfaces, names] of [
      ['eth0', ['eth0']],
      [
        ['eth0', 'far1'],
        ['eth0', 'far1'],
      ],
      ['uplink', ['eth1']],
      [undefined, ['far0', 'eth0', 'far1', 'eth1']],
      [{ include: 'eth' }, ['eth0', 'eth1']],
      [{ include: 'eth', exclude: '1$' }, ['eth0']],
      [{ exclude: /^far/ }, ['eth0', 'eth1']],
      [{ include: (iface: { name: string }) => iface.name === 'far0' }, ['far0']],
    ] as [InterfaceSelection | undefined, string[]][]) {
      await using running = await Running.open({ interfaces, ring })
      t.same(running.names.sort(), [...names].sort())
      for (const iface of await listInterfaces()) {
        t.equal(
          explainSelection(iface, interfaces).selected,
          names.includes(iface.name),
          `explainSelection of ${iface.name}`,
        )
      }
      sendSync({ interface: ['eth0', 'eth1'], count: 20 })
      const packets = await running.stop()
      t.same(
        [...new Set(packets.map((packet) => packet.interface))].sort(),
        [...names].sort(),
        'their packets and no others',
      )
      t.equal(packets.length, 10 * names.length)
      t.same(imbalances(running.capture.stats()), [])
    }
    ip('link', 'property', 'del', 'dev', 'eth1', 'altname', 'uplink')
  })

  t.test(`without hotplug later interfaces are not captured, ${table}`, { skip }, async (t) => {
    await using running = await Running.open({ interfaces: { include: ['^eth0', '^hot'] }, ring })
    addVeth('hot0', 'away0')
    sendSync({ interface: 'hot0', count: 50 })
    sendSync({ interface: 'eth0', count: 50 })
    await running.event('added hot0')
    sendSync({ interface: 'hot0', count: 50 })
    // A renamed interface keeps its selection.
    down('eth0')
    rename('eth0', 'other0')
    up('other0')
    await running.event('renamed other0 selected')
    sendSync({ interface: 'other0', count: 50, start: 50 })
    rename('hot0', 'eth0')
    await running.event('renamed eth0')
    sendSync({ interface: 'eth0', count: 50, start: 5000 })
    const packets = await running.stop()
    t.same(
      packets.map(({ interface: name, number }) => `${name} ${number}`),
      [...range(0, 50).map((n) => `eth0 ${n}`), ...range(50, 100).map((n) => `other0 ${n}`)],
    )
    const stats = running.capture.stats()
    t.equal(stats.unselected, 0, 'they do not reach the ring')
    t.same(imbalances(stats), [])
    del('eth0')
    rename('other0', 'eth0')
  })

  t.test(`an excluded interface that floods from its start displaces no packet, ${table}`, { skip }, async (t) => {
    // With a RegExp, packets are accepted until JavaScript has decided.
    await using running = await Running.open({ interfaces: { exclude: /^(noisy|away)/, hotplug: true }, ring })
    addVeth('noisy0', 'away0')
    sendSync({ interface: 'noisy0', count: 5000 })
    await running.event('added noisy0')
    await waitUntil(() => running.capture.stats().unselected > 0, 'what was accepted before anybody knew of it')
    sendSync({ interface: 'noisy0', count: 5000, start: 5000 })
    sendSync({ interface: 'eth0', count: 100 })
    const packets = await running.stop()
    const stats = running.capture.stats()
    t.equal(packets.length, 200, 'none of them is delivered')
    t.same([...new Set(packets.map(({ interface: name }) => name))].sort(), ['eth0', 'far0'])
    t.equal(stats.unselected, stats.received - 200 - stats.droppedByRing - stats.droppedByOverflow)
    t.ok(stats.unselected <= 10_000, 'and later ones stay in the kernel')
    t.same(imbalances(stats), [])
    del('noisy0')
  })
}

t.test('selecting nothing is an error only without hotplug', async (t) => {
  await t.rejects(Capture.open({ interfaces: { include: '^hot' } }), { code: 'ERR_NO_INTERFACE' })
  await using running = await Running.open({ interfaces: { include: '^hot', hotplug: true } })
  t.same(running.names, [])
  addVeth('hot0', 'away0')
  sendSync({ interface: 'hot0', count: 10 })
  await waitUntil(() => running.packets.length === 10, 'the first match')
  del('hot0')
})

t.test('an interface for which a pattern function throws is not selected', async (t) => {
  await using running = await Running.open({
    interfaces: {
      include(iface) {
        if (iface.name === 'hot0') throw new Error('no idea')
        return iface.name === 'eth0'
      },
      hotplug: true,
    },
  })
  const errors: Error[] = []
  running.capture.on('error', (error) => errors.push(error))
  addVeth('hot0', 'away0')
  await running.event('added hot0')
  sendSync({ interface: ['hot0', 'eth0'], count: 20 })
  const packets = await running.stop()
  t.match(errors, [{ code: 'ERR_PATTERN', message: /no idea/ }])
  t.same([...new Set(packets.map(({ interface: name }) => name))], ['eth0'], 'its interface is not captured')
  del('hot0')
})

for (const backend of backends) {
  t.test(`a name that no interface has, and that means something else, ${backend}`, async (t) => {
    const refused = (interfaces: InterfaceSelection, message: RegExp) =>
      t.rejects(Capture.open({ backend, interfaces }), { code: 'ERR_NO_INTERFACE', message })
    await refused('^veth', /no interface has the name \^veth; .*; .* for a pattern write { include: "\^veth" }$/)
    await refused(['eth0', 'eth*'], /; .* for a pattern write { include: "\^eth" }$/)
    await refused('/^eth\\d/', /; .* for a pattern write { include: \/\^eth\\d\/ }$/)
    await refused('*', /; .* for a pattern write {}$/)
    await refused('eth0,eth1', /; for several interfaces write \["eth0","eth1"\]$/)
    await refused('eth9', /there are [^;]*$/)
    if (backend === 'ring') await refused('any', /; to capture on every one but loopback, leave `interfaces` out, .*/)

    // A name that looks like something else is still a name.
    ip('link', 'add', 'any', 'type', 'bridge')
    ip('link', 'set', 'any', 'up')
    if (backend === 'ring') {
      await using capture = await Capture.open({ backend, interfaces: 'any' })
      t.same(
        capture.interfaces.map(({ name }) => name),
        ['any'],
      )
    }
    del('any')
  })
}
