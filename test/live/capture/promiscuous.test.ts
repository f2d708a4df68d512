import { Capture, type CaptureInterfaceEvent } from 'ringtap'
import t from '../support/live.js'
import { addNamespace, addVeth, addVeths, del, ip, link, rename } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { standStill } from '../support/stand-still.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

addVeths(3, 'eth', 'far')
const promiscuity = (name: string) => link(name).promiscuity
const flagged = (name: string) => link(name).flags.includes('PROMISC')

for (const { table, skip } of tables) {
  t.test(`each selected interface is promiscuous, also later ones, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: { include: ['^eth', '^hot'], exclude: 'eth2', hotplug: true },
      promiscuous: true,
      ring: { table },
    })
    const events: CaptureInterfaceEvent[] = []
    capture.on('interface', (event) => events.push(event))
    const heard = (type: string, name: string) =>
      waitUntil(
        () => events.some((event) => event.type === type && event.interface.name === name),
        `the event ${type} ${name}`,
      )
    t.equal(promiscuity('eth0'), 1)
    t.equal(promiscuity('eth1'), 1)
    t.equal(flagged('eth0'), false, 'a membership, not the flag that an administrator sets')
    t.equal(promiscuity('eth2'), 0, 'excluded')
    t.equal(promiscuity('far0'), 0, 'not included')

    addVeth('hot0', 'hop0')
    await heard('added', 'hot0')
    t.equal(promiscuity('hot0'), 1, 'plugged in')
    t.equal(promiscuity('hop0'), 0)

    rename('hot0', 'cold0')
    await heard('renamed', 'cold0')
    t.equal(promiscuity('cold0'), 0, 'renamed to one that is not selected')
    rename('cold0', 'hot1')
    await heard('renamed', 'hot1')
    t.equal(promiscuity('hot1'), 1, 'and back')
    rename('hot1', 'hot2')
    await heard('renamed', 'hot2')
    t.equal(promiscuity('hot2'), 1, 'from selected to selected: still once')

    del('hot2')
    await heard('removed', 'hot2')
    addVeth('hot2', 'hop0')
    await waitUntil(() => promiscuity('hot2') === 1, 'the one of the same name to be promiscuous')

    await capture.close()
    for (const name of ['eth0', 'eth1', 'hot2']) t.equal(promiscuity(name), 0, `${name} after close()`)
    del('hot2')
  })

  t.test(`each new device of an index that is used again is promiscuous, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: { include: '^hot', hotplug: true },
      promiscuous: true,
      ring: { table },
    })
    const warnings: Error[] = []
    capture.on('warning', (warning) => warnings.push(warning))
    const again = 'link add name hot0 index 9000 type veth peer name hop9'.split(' ')
    for (let i = 0; i < 5; i++) {
      // The event loop does not run between these calls.
      ip(...again)
      del('hot0')
      ip(...again)
      await waitUntil(() => promiscuity('hot0') === 1, `device ${i} of this index to be promiscuous`)
      del('hot0')
    }
    await capture.close()
    t.same(warnings, [])
  })
}

t.test('promiscuous is off by default', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  t.equal(promiscuity('eth0'), 0)
  await capture.close()
})

t.test('an interface stays promiscuous until the last of two captures ends', async (t) => {
  await using one = await Capture.open({ interfaces: 'eth0', promiscuous: true })
  await using two = await Capture.open({ interfaces: 'eth0', promiscuous: true })
  t.equal(promiscuity('eth0'), 2)
  await one.close()
  t.equal(promiscuity('eth0'), 1)
  await two.close()
  t.equal(promiscuity('eth0'), 0)
})

t.test('packets for other hosts have the kind other-host', async (t) => {
  await using capture = await Capture.open({ interfaces: 'far0', promiscuous: true })
  sendSync({ interface: 'eth0', count: 1 })
  sendSync({ interface: 'eth0', count: 1, destination: link('far0').address })
  sendSync({ interface: 'eth0', count: 1, destination: 'ff:ff:ff:ff:ff:ff' })
  sendSync({ interface: 'eth0', count: 1, destination: '01:00:5e:00:00:01' })
  sendSync({ interface: 'far0', count: 1 })
  await capture.stop()
  const kinds: string[] = []
  for await (const packet of capture.packets()) kinds.push(`${packet.direction} ${packet.kind}`)
  t.same(kinds, ['in other-host', 'in host', 'in broadcast', 'in multicast', 'out outgoing'])
})

t.test('an interface that was away while events were lost is promiscuous again', async (t) => {
  const other = await addNamespace()
  t.teardown(() => other.close())
  addVeth('hot0', 'hop0')
  const { ifindex, address } = link('hot0')
  await using capture = await Capture.open({ interfaces: { include: '^hot', hotplug: true }, promiscuous: true })
  t.equal(promiscuity('hot0'), 1)
  // The kernel drops a membership when a device leaves the namespace. The device is back, with its index, before the
  // library can read the events.
  standStill(
    `ip -batch "$1"; ip link set hot0 netns ${other.pid}; ` +
      `nsenter --net=${other.path} ip link set hot0 netns $PPID; ip link set hot0 up; ip -batch "$1"`,
    Array.from({ length: 10_000 }, (_, i) => `link set dev eth0 mtu ${1400 + (i % 2)}`),
  )
  t.match(link('hot0'), { ifindex, address }, 'the same device, as far as anyone can tell')
  await waitUntil(() => capture.stats().interfaceResyncs > 0, 'messages to be lost')
  await waitUntil(() => promiscuity('hot0') === 1, 'it to be promiscuous')
  rename('hot0', 'cold0')
  await waitUntil(() => promiscuity('cold0') === 0, 'it to be left when it is not selected any more')
  await waitUntil(() => capture.interfaces.length === 0, 'it to be deselected')
  rename('cold0', 'hot0')
  await waitUntil(() => promiscuity('hot0') === 1, 'and taken up again')
  await capture.close()
  t.equal(promiscuity('hot0'), 0)
  del('hot0')
})
