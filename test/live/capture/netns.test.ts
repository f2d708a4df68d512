import { renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { Capture, listInterfaces, watchInterfaces } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import { captureDuring } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addNamespace, addVeth, ip, ipIn, up } from '../support/network.js'
import { send, sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'
import { backends } from '../support/ways.js'

const one = await addNamespace()
const two = await addNamespace()
addVeth('eth0', 'inside1', { peerNamespace: one.pid })
addVeth('eth1', 'inside2', { peerNamespace: two.pid })
t.teardown(async () => {
  await one.close()
  await two.close()
})

t.test('another namespace can be listed and watched', async (t) => {
  t.same(
    listInterfaces({ netns: one.path }).map(({ name }) => name),
    ['lo', 'inside1'],
  )
  t.same(
    listInterfaces().map(({ name }) => name),
    ['lo', 'eth0', 'eth1'],
  )
  await using watcher = watchInterfaces({ netns: two.path })
  t.same(
    watcher.interfaces.map(({ name }) => name),
    ['lo', 'inside2'],
  )
  ip('link', 'add', 'here', 'type', 'bridge')
  ipIn(two.pid, 'link', 'add', 'there', 'type', 'bridge')
  const { value } = await watcher[Symbol.asyncIterator]().next()
  t.match(value, { type: 'added', interface: { name: 'there' } }, 'and nothing of this one')
  ip('link', 'del', 'here')
})

for (const backend of backends) {
  t.test(`one process can capture in several namespaces, hot-plug included, ${backend}`, async (t) => {
    const interfaces = { include: '.', hotplug: true }
    const captures = [
      await Capture.open({ backend, netns: one.path, interfaces }),
      await Capture.open({ backend, netns: two.path, interfaces, filter: 'udp or vlan 5' }),
      await Capture.open({ backend, interfaces }),
    ] as const
    t.teardown(() => Promise.all(captures.map((capture) => capture.close())))
    ipIn(two.pid, 'link', 'add', 'hot', 'type', 'veth', 'peer', 'name', 'hotpeer')
    up(['hotpeer', 'hot'], { namespace: two.pid })
    if (backend === 'pcap') await waitUntil(() => captures[1].stats().ring.count === 3, 'a handle on each')
    await send({ interface: 'hot', count: 30, namespace: two.pid })
    sendSync({ interface: 'eth0', count: 10 })
    sendSync({ interface: 'eth1', count: 20 })
    await Promise.all(captures.map((capture) => capture.stop()))
    const counts = captures.map(async (capture) => {
      const count: Record<string, number> = {}
      for await (const chunk of capture) {
        for (const packet of chunk) count[packet.interface.name] = (count[packet.interface.name] ?? 0) + 1
      }
      await capture.close()
      return count
    })
    t.same(await Promise.all(counts), [{ inside1: 10 }, { inside2: 20, hot: 30, hotpeer: 30 }, { eth0: 10, eth1: 20 }])
    ipIn(two.pid, 'link', 'del', 'hot')
  })
}

t.test('a path that is not a namespace is refused', async (t) => {
  await t.rejects(Capture.open({ netns: '/run/netns/none-such' }), {
    code: 'ERR_OPTION',
    syscall: 'open',
    option: 'netns',
  })
  await t.rejects(Capture.open({ netns: '/etc/passwd' }), {
    code: 'ERR_OPTION',
    message: /not a network namespace/,
    option: 'netns',
  })
  t.throws(() => listInterfaces({ netns: '/etc/passwd' }), { code: 'ERR_OPTION' })
  t.throws(() => watchInterfaces({ netns: '/run/netns/none-such' }), { code: 'ERR_OPTION' })
  await t.rejects(Capture.open({ netns: 4 as never }), { code: 'ERR_OPTION', message: /^netns must be the path/ })
})

t.test('a device that leaves the namespace and returns is captured again', async (t) => {
  ip('link', 'add', 'nomad', 'type', 'veth', 'peer', 'name', 'nomadpeer')
  up(['nomad', 'nomadpeer'])
  const { packets } = await captureDuring({ interfaces: { include: '^nomad$', hotplug: true } }, async (capture) => {
    sendSync({ interface: 'nomad', count: 3 })
    ip('link', 'set', 'nomad', 'netns', String(one.pid))
    await waitUntil(() => capture.interfaces.length === 0, 'it is gone')
    ipIn(one.pid, 'link', 'set', 'nomad', 'netns', String(process.pid))
    up('nomad')
    sendSync({ interface: 'nomad', count: 3, start: 3 })
  })
  t.same(
    packets.map(({ number }) => number),
    [0, 1, 2, 3, 4, 5],
  )
})

for (const { table, skip } of tables) {
  t.test(
    `packets from before and after a move are delivered if the device is back first, ${table}`,
    { skip },
    async (t) => {
      addVeth('nomad2', 'nomad2peer')
      // All packets are in one block, which the kernel hands over long after the device is back.
      const options = { interfaces: { include: '^nomad2$', hotplug: true }, chunk: { maxDelay: 2000 }, ring: { table } }
      const { packets, stats } = await captureDuring(options, async () => {
        sendSync({ interface: 'nomad2', count: 5 })
        ip('link', 'set', 'nomad2', 'netns', String(one.pid))
        ipIn(one.pid, 'link', 'set', 'nomad2', 'netns', String(process.pid))
        up('nomad2')
        sendSync({ interface: 'nomad2', count: 3, start: 5 })
      })
      t.same(
        packets.map(({ number }) => number),
        [0, 1, 2, 3, 4, 5, 6, 7],
      )
      t.same(imbalances(stats), [], 'its ledger balances before and after')
      ip('link', 'del', 'nomad2')
    },
  )
}

for (const backend of backends) {
  t.test(`a path that ceases to lead to the namespace gives a warning, ${backend}`, async (t) => {
    const other = await addNamespace()
    addVeth('eth2', 'inside3', { peerNamespace: other.pid })
    const folder = new TestFolder(t)
    const [link, replaced] = [folder.fresh(), folder.fresh()]
    for (const path of [link, replaced]) symlinkSync(other.path, path)
    const open = async (netns: string) => {
      const capture = await Capture.open({ backend, netns, interfaces: 'inside3' })
      t.teardown(() => capture.close())
      const warnings: (Error & { code?: string; option?: string })[] = []
      capture.on('warning', (warning) => warnings.push(warning))
      return { capture, warnings }
    }
    const byLink = await open(link)
    const byReplaced = await open(replaced)
    const byPid = await open(other.path)

    unlinkSync(link)
    await waitUntil(() => byLink.warnings.length > 0, 'the warning that the path is gone')
    symlinkSync(one.path, `${replaced}.new`)
    renameSync(`${replaced}.new`, replaced)
    await waitUntil(() => byReplaced.warnings.length > 0, 'the warning that it is another namespace')
    t.same(byPid.warnings, [])
    await other.close()
    await waitUntil(() => byPid.warnings.length > 0, 'the warning that the process is gone')
    // Compiled in the namespace, which no path leads to any more.
    for (const { capture } of [byLink, byReplaced, byPid]) await capture.setFilter('udp or vlan 5')

    // The captures keep the namespace alive.
    sendSync({ interface: 'eth2', count: 5 })
    for (const { capture, warnings } of [byLink, byReplaced, byPid]) {
      t.match(warnings, [{ code: 'ERR_OPTION', option: 'netns', message: /^netns .* any more/ }])
      t.equal((await capture.stop()).received, 5)
      await capture.close()
      t.equal(warnings.length, 1)
    }
    await waitUntil(() => listInterfaces().every(({ name }) => name !== 'eth2'), 'the end of the namespace')
  })
}
