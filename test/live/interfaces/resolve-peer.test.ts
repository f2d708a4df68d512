import { mkdirSync, statSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { listInterfaces, type Peer, resolvePeer, resolvePeers } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del, ip, ipIn, netnsPath } from '../support/network.js'
import { write } from '../support/peers.js'

const inodeOf = (pid: number) => statSync(netnsPath(pid)).ino

t.test('equal indexes in several namespaces lead to different peers', async (t) => {
  const [one, two] = [await addNamespace(), await addNamespace()]
  ip(
    'link',
    'add',
    'near1',
    'index',
    '50',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'index',
    '70',
    'netns',
    `${one.pid}`,
  )
  ip(
    'link',
    'add',
    'near2',
    'index',
    '51',
    'type',
    'veth',
    'peer',
    'name',
    'eth1',
    'index',
    '70',
    'netns',
    `${two.pid}`,
  )
  // And the index of the far ends is that of a device here.
  ip('link', 'add', 'decoy', 'index', '70', 'type', 'bridge')
  const peers = await resolvePeers()
  t.same([...peers.keys()], [50, 51], 'veths alone, by index')
  for (const [index, name, far, { pid }] of [
    [50, 'near1', 'eth0', one],
    [51, 'near2', 'eth1', two],
  ] as const) {
    const peer = peers.get(index) as Peer
    const near = listInterfaces().find((each) => each.index === index)
    t.match(peer, {
      interface: { index, name, peerIndex: 70 },
      index: 70,
      name: far,
      namespace: { own: false, id: near?.peerNetnsId, inode: inodeOf(pid), path: netnsPath(pid) },
      container: undefined,
    })
    t.same(peer.processes, [{ pid, name: 'cat', containerId: undefined }])
    t.same(peer.missing, [])
    for (const by of [index, name, peer.interface]) t.same(await resolvePeer(by), peer)
  }
  ip('link', 'property', 'add', 'dev', 'near1', 'altname', 'a-longer-name-of-near1')
  t.equal((await resolvePeer('a-longer-name-of-near1'))?.name, 'eth0')
  t.equal(await resolvePeer('decoy'), undefined, 'it has no far end')
  t.equal(await resolvePeer('lo'), undefined)
  for (const name of ['decoy', 'near1', 'near2']) del(name)
  for (const { close } of [one, two]) await close()
})

t.test('both ends in one namespace', async (t) => {
  addVeth('left', 'right')
  const [left, right] = [await resolvePeer('left'), await resolvePeer('right')]
  const own = { own: true, id: undefined, inode: statSync('/proc/self/ns/net').ino, path: undefined }
  t.match(left, {
    name: 'right',
    index: right?.interface.index,
    namespace: own,
    processes: [],
    containers: [],
    missing: [],
  })
  t.match(right, { name: 'left', index: left?.interface.index, namespace: own })
  del('left')
})

t.test('the interfaces of another namespace', async (t) => {
  const there = await addNamespace()
  const third = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  ipIn(there.pid, 'link', 'add', 'veth7', 'type', 'veth', 'peer', 'name', 'inner', 'netns', `${third.pid}`)
  const peers = [...(await resolvePeers({ netns: there.path })).values()]
  t.same(
    new Map(peers.map((peer) => [peer.interface.name, [peer.name, peer.namespace?.inode]])),
    new Map([
      ['eth0', ['near', statSync('/proc/self/ns/net').ino]],
      ['veth7', ['inner', inodeOf(third.pid)]],
    ]),
  )
  const here = peers.find(({ name }) => name === 'near')
  t.ok(
    here?.processes.some(({ pid }) => pid === process.pid),
    'this process is in the namespace of the far end',
  )
  del('near')
  await there.close()
  await third.close()
})

t.test('files of namespaces give the path, also where there is no process', async (t) => {
  const root = new TestFolder(t).path
  const named = await addNamespace()
  mkdirSync(path.join(root, 'run/netns'), { recursive: true })
  write(root, { 'run/netns/broken': '', 'run/docker/netns/.hidden': '' })
  symlinkSync(netnsPath(named.pid), path.join(root, 'run/netns/blue'))
  addVeth('near', 'eth0', { peerNamespace: named.pid })
  const expected = { own: false, inode: inodeOf(named.pid), path: path.join(root, 'run/netns/blue') }
  t.match(await resolvePeer('near', { root }), { name: 'eth0', namespace: expected, missing: [] })
  // A procfs that does not show the process.
  const procfs = new TestFolder(t).path
  const peer = await resolvePeer('near', { root, procfs })
  t.match(peer, { name: 'eth0', namespace: expected, processes: [], container: undefined })
  t.match(peer?.missing, [{ field: 'processes', reason: /it has none, or they are hidden/, capability: undefined }])
  t.equal(peer?.missing.length, 1)
  del('near')
  await named.close()
})

t.test('a peer that moves, is renamed or goes', async (t) => {
  const [one, two] = [await addNamespace(), await addNamespace()]
  addVeth('near', 'far', { peerNamespace: one.pid })
  t.match(await resolvePeer('near'), { name: 'far', namespace: { inode: inodeOf(one.pid) } })
  ipIn(one.pid, 'link', 'set', 'far', 'down')
  ipIn(one.pid, 'link', 'set', 'far', 'name', 'moved', 'netns', `/proc/${two.pid}/ns/net`)
  t.match(await resolvePeer('near'), {
    name: 'moved',
    namespace: { inode: inodeOf(two.pid) },
    processes: [{ pid: two.pid }],
  })
  ipIn(two.pid, 'link', 'set', 'moved', 'netns', '/proc/self/ns/net')
  await two.close()
  await t.rejects(
    async () => {
      // The kernel removes the namespace, and with it the pair, a moment after its last process has ended.
      for (;;) await resolvePeer('near')
    },
    { code: 'ERR_NO_INTERFACE', message: 'there is no interface near' },
  )
  t.equal((await resolvePeers()).size, 0)
  await one.close()
})

t.test('what is read while peers move is consistent', async (t) => {
  const [one, two] = [await addNamespace(), await addNamespace()]
  addVeth('near', 'in-one', { peerNamespace: one.pid })
  const places = new Map([
    ['in-one', inodeOf(one.pid)],
    ['in-two', inodeOf(two.pid)],
  ])
  let moving = true
  let answers = 0
  const seen = new Set<string>()
  const reading = (async () => {
    while (moving) {
      const peer = await resolvePeer('near')
      answers++
      if (!peer?.name) {
        t.match(peer?.missing, [{ field: 'name' }], 'it has moved')
        continue
      }
      seen.add(peer.name)
      t.equal(peer.namespace?.inode, places.get(peer.name), `${peer.name} is where it is`)
    }
  })()
  for (let round = 0; round < 20; round++) {
    const [from, to, name, next] =
      round % 2 === 0 ? [one, two, 'in-one', 'in-two'] : ([two, one, 'in-two', 'in-one'] as const)
    await new Promise((resolve) => setTimeout(resolve, 5))
    ipIn(from.pid, 'link', 'set', name, 'name', next, 'netns', `/proc/${to.pid}/ns/net`)
  }
  // Both places have been seen once it stands still.
  await new Promise((resolve) => setTimeout(resolve, 5))
  const before = answers
  while (answers < before + 2) await new Promise((resolve) => setImmediate(resolve))
  moving = false
  await reading
  t.ok(seen.has('in-one'))
  del('near')
  for (const { close } of [one, two]) await close()
})

t.test('wrong arguments', async (t) => {
  const refused = (call: Promise<unknown>, code: string, message: RegExp) => t.rejects(call, { code, message })
  await refused(resolvePeer('nowhere0'), 'ERR_NO_INTERFACE', /^there is no interface nowhere0/)
  await refused(resolvePeer(4711), 'ERR_NO_INTERFACE', /^there is no interface index 4711/)
  await refused(resolvePeer(0), 'ERR_OPTION', /^interface must be the name of an interface, .* got the number 0/)
  await refused(resolvePeer(''), 'ERR_OPTION', /^interface must be/)
  await refused(resolvePeer({} as never), 'ERR_OPTION', /^interface must be/)
  await refused(resolvePeers({ proc: '/x' } as never), 'ERR_OPTION', /^options\.proc is not an option/)
  await refused(resolvePeers({ procfs: '' }), 'ERR_OPTION', /^options\.procfs must be/)
  await refused(resolvePeers({ root: 5 as never }), 'ERR_OPTION', /^options\.root must be/)
  await refused(resolvePeers({ netns: '/nowhere' }), 'ERR_OPTION', /netns \/nowhere cannot be opened/)
})
