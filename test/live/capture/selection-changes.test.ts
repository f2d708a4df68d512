// What a selection does when its interfaces are renamed, removed, made again or moved.
import { type InterfaceSelection, listInterfaces } from 'ringtap'
import { range } from '../../helpers/range.js'
import { drainRing } from '../support/backlog.js'
import { addNamespace } from '../support/held-namespace.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, addVeths, del, down, ip, link, moveTo, rename, up } from '../support/network.js'
import { numbersOn, Running } from '../support/running.js'
import { send, sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { block, sleep, waitUntil } from '../support/wait.js'

addVeths(2, 'eth', 'far')

for (const { table, skip } of tables) {
  const ring = { table }
  t.test(`renaming to a selected name and back takes effect at once under traffic, ${table}`, { skip }, async (t) => {
    addVeth('cold0', 'away0')
    await using running = await Running.open({ interfaces: { include: '^hot', hotplug: true }, ring })
    t.same(running.names, [], 'nothing selected: waits for the first match')
    sendSync({ interface: 'cold0', count: 100 })
    rename('cold0', 'hot0')
    await running.event('renamed hot0 selected')
    t.same(running.names, ['hot0'])
    sendSync({ interface: 'hot0', count: 100, start: 100 })
    rename('hot0', 'hot1')
    await running.event('renamed hot1 selected')
    sendSync({ interface: 'hot1', count: 100, start: 200 })
    rename('hot1', 'cold1')
    await running.event('renamed cold1')
    t.same(running.names, [])
    sendSync({ interface: 'cold1', count: 100, start: 300 })
    rename('cold1', 'hot2')
    await running.event('renamed hot2 selected')
    sendSync({ interface: 'hot2', count: 100, start: 400 })
    const packets = await running.stop()
    t.same(numbersOn(packets, 'hot0'), range(100, 200))
    t.same(numbersOn(packets, 'hot1'), range(200, 300), 'under the name of their time')
    t.same(numbersOn(packets, 'hot2'), range(400, 500))
    t.equal(packets.length, 300, 'and nothing else')
    t.same(imbalances(running.capture.stats()), [])
    del('hot2')
  })

  t.test(`a blocked program gets the packets from before and after a rename, ${table}`, { skip }, async (t) => {
    addVeth('cold0', 'away0')
    await using running = await Running.open({ interfaces: { include: '^hot', hotplug: true }, ring })
    let next = 0
    const sends = (name: string) => {
      sendSync({ interface: name, count: 100, start: next })
      next += 100
    }
    // The event loop does not run until all of this is done.
    sends('cold0')
    rename('cold0', 'hot0')
    block(50)
    sends('hot0')
    rename('hot0', 'hot1')
    sends('hot1')
    const packets = await running.stop()
    const numbers = packets.map(({ number }) => number as number)
    t.same(numbers, range(100, 300), 'every packet from the rename on, none from before it')
    t.same(imbalances(running.capture.stats()), [])
    del('hot1')
  })

  t.test(`no packet is lost while the name changes repeatedly, ${table}`, { skip }, async (t) => {
    addVeth('hot0', 'away0')
    await using running = await Running.open({ interfaces: { include: '^hot', hotplug: true }, ring })
    const sending = send({ interface: 'away0', count: 5000, rate: 10_000 })
    let renames = 0
    const done = sending.then(() => true)
    // Every 5 ms, so that there are packets under each name.
    while (!(await Promise.race([done, sleep(5).then(() => false)]))) {
      rename(`hot${renames}`, `hot${renames + 1}`)
      renames++
    }
    const packets = await running.stop()
    t.same(
      packets.map(({ number }) => number),
      range(0, 5000),
      `each once, across ${renames} names that are all selected`,
    )
    t.ok(
      packets.every((packet) => /^hot\d+$/.test(packet.interface)),
      'under one of them',
    )
    t.same(imbalances(running.capture.stats()), [])
    del(`hot${renames}`)
  })

  t.test(`an interface that goes down, up and away gives an event each time, ${table}`, { skip }, async (t) => {
    addVeth('hot0', 'away0')
    await using running = await Running.open({ interfaces: { include: ['^hot', 'eth0'], hotplug: true }, ring })
    sendSync({ interface: 'hot0', count: 10 })
    down('hot0')
    await running.event('down hot0 selected')
    t.same(running.names, ['eth0', 'hot0'], 'a selected interface that is down is selected')
    sendSync({ interface: 'eth0', count: 10 })
    up('hot0')
    await running.event('up hot0 selected')
    sendSync({ interface: 'hot0', count: 10, start: 10 })
    const first = link('hot0').ifindex
    del('hot0')
    await running.event('removed hot0')
    t.same(running.names, ['eth0'])
    sendSync({ interface: 'eth0', count: 10, start: 10 })
    // A different device with the same name.
    addVeth('hot0', 'away0')
    sendSync({ interface: 'hot0', count: 10, start: 20 })
    await running.event('added hot0 selected')
    const again = running.capture.interfaces.find(({ name }) => name === 'hot0')
    t.not(again?.index, first)
    const packets = await running.stop()
    t.same(numbersOn(packets, 'hot0'), range(0, 30))
    t.same(numbersOn(packets, 'eth0'), range(0, 20), 'the others are not disturbed')
    t.same(
      [
        ...new Set(
          packets.filter(({ number }) => (number as number) < 20 && (number as number) >= 10).map(({ index }) => index),
        ),
      ].sort(),
      [link('eth0').ifindex, first].sort(),
    )
    const ledger = running.capture.stats().interfaces.filter(({ name }) => name === 'hot0')
    t.same(
      ledger.map(({ present, delivered }) => ({ present, delivered })),
      [
        { present: true, delivered: 10 },
        { present: false, delivered: 20 },
      ],
      'two lines in the ledger, for two devices',
    )
    t.not(ledger[0]?.generation, ledger[1]?.generation)
    t.same(imbalances(running.capture.stats()), [])
    const ofHot = running.emitted.filter((text) => text.includes('hot0') && !text.startsWith('changed'))
    t.same(
      ofHot.filter((text) => !/^(up|down)/.test(text)),
      ['removed hot0', 'added hot0 selected'],
      'the events in their order',
    )
    del('hot0')
  })

  t.test(`a capture continues after its last interface is removed, ${table}`, { skip }, async (t) => {
    addVeth('hot0', 'away0')
    for (const [interfaces, later] of [
      ['hot0', true],
      [{ include: '^hot', hotplug: true }, true],
      [{ include: '^hot' }, false],
    ] as [InterfaceSelection, boolean][]) {
      await using running = await Running.open({ interfaces, ring })
      const warnings: Error[] = []
      running.capture.on('warning', (warning) => warnings.push(warning))
      sendSync({ interface: 'hot0', count: 10 })
      del('hot0')
      await running.event('removed hot0')
      t.same(running.names, [])
      addVeth('hot0', 'away0')
      sendSync({ interface: 'hot0', count: 10, start: 10 })
      const packets = await running.stop()
      t.same(
        numbersOn(packets, 'hot0'),
        range(0, later ? 20 : 10),
        later ? 'a new one of that name' : 'without hotplug',
      )
      const over = { code: 'ERR_NO_INTERFACE', interface: 'hot0', message: /hot0 was removed.*hotplug is off/ }
      t.equal(warnings.length, later ? 0 : 1, 'a warning if nothing can come any more')
      if (!later) t.match(warnings[0], over)
      t.same(imbalances(running.capture.stats()), [])
    }
    del('hot0')
  })

  t.test(`an index that is used again belongs to a new device, ${table}`, { skip }, async (t) => {
    await using running = await Running.open({ interfaces: { include: '^hot', hotplug: true }, ring })
    const make = (name: string) => {
      ip('link', 'add', 'name', name, 'index', '7000', 'type', 'veth', 'peer', 'name', 'away0')
      up(['away0', name])
    }
    // All of this in one turn of the event loop.
    make('hot0')
    sendSync({ interface: 'hot0', count: 10 })
    drainRing(running.capture)
    del('hot0')
    make('cold0')
    sendSync({ interface: 'cold0', count: 10, start: 10 })
    drainRing(running.capture)
    del('cold0')
    make('hot1')
    sendSync({ interface: 'hot1', count: 10, start: 20 })
    const packets = await running.stop()
    t.same(
      packets.map(({ interface: name, index, number }) => `${name} ${index} ${number}`),
      [...range(0, 10).map((n) => `hot0 7000 ${n}`), ...range(20, 30).map((n) => `hot1 7000 ${n}`)],
    )
    const stats = running.capture.stats()
    t.same(imbalances(stats), [])
    t.equal(stats.interfaces.filter(({ index }) => index === 7000).length, 3)
    del('hot1')
  })

  t.test(`an interface moved to another namespace and back is captured again, ${table}`, { skip }, async (t) => {
    const other = await addNamespace()
    addVeth('hot0', 'away0')
    await using running = await Running.open({ interfaces: { include: '^hot', hotplug: true }, ring })
    sendSync({ interface: 'hot0', count: 10 })
    moveTo(other.pid, 'hot0')
    await running.event('removed hot0')
    moveTo(process.pid, 'hot0', { namespace: other.pid })
    up('hot0')
    sendSync({ interface: 'hot0', count: 10, start: 10 })
    await running.event('added hot0 selected')
    const packets = await running.stop()
    t.same(numbersOn(packets, 'hot0'), range(0, 20))
    t.same(imbalances(running.capture.stats()), [])
    del('hot0')
    await other.close()
  })

  t.test(
    `packets are delivered although the interface moved away again before they were taken, ${table}`,
    { skip },
    async (t) => {
      const other = await addNamespace()
      addVeth('hot0', 'away0')
      const options = { interfaces: { include: '^hot', hotplug: true }, ring, chunk: { maxDelay: 2000 } }
      await using running = await Running.open(options)
      sendSync({ interface: 'hot0', count: 10 })
      moveTo(other.pid, 'hot0')
      moveTo(process.pid, 'hot0', { namespace: other.pid })
      await running.event('added hot0 selected')
      moveTo(other.pid, 'hot0')
      await waitUntil(() => running.capture.interfaces.length === 0, 'the second removal to be known')
      const packets = await running.stop()
      t.same(numbersOn(packets, 'hot0'), range(0, 10))
      t.same(imbalances(running.capture.stats()), [])
      await other.close()
      await waitUntil(() => listInterfaces().every(({ name }) => name !== 'away0'), 'the pair to go with its namespace')
    },
  )
}

t.test('the events report what happened, in order', async (t) => {
  await using running = await Running.open({ interfaces: { include: '^hot', hotplug: true } })
  ip('link', 'add', 'name', 'hot0', 'type', 'veth', 'peer', 'name', 'away0')
  await running.event('added hot0 selected')
  up('hot0')
  await running.event('up hot0 selected')
  rename('hot0', 'cold0')
  await running.event('renamed cold0')
  ip('link', 'set', 'dev', 'cold0', 'mtu', '1400')
  await waitUntil(() => running.events.some(({ interface: iface }) => iface.mtu === 1400), 'the change of the MTU')
  down('cold0')
  await running.event('down cold0')
  del('cold0')
  await running.event('removed cold0')
  const kinds = running.events.filter(({ interface: iface }) => /^(hot|cold)0$/.test(iface.name))
  t.same(
    kinds.filter(({ type }) => type !== 'changed').map(({ type }) => type),
    ['added', 'up', 'renamed', 'down', 'removed'],
  )
  const renamed = kinds.find(({ type }) => type === 'renamed')
  t.equal(renamed?.previous?.name, 'hot0')
  t.equal(renamed?.interface.name, 'cold0')
  t.equal(new Set(kinds.map(({ interface: iface }) => `${iface.index} ${iface.generation}`)).size, 1, 'one device')
  t.ok(Object.isFrozen(renamed))
})
