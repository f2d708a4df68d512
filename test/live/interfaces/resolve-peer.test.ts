import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { listInterfaces, type Peer, resolvePeer, resolvePeers } from 'ringtap'
import t from '../support/live.js'
import { addNamespace, addVeth, del, ip, ipIn, netnsPath } from '../support/network.js'

const inodeOf = (pid: number) => statSync(netnsPath(pid)).ino

/** A folder that is removed at the end of the test. */
function folder(t: { teardown(end: () => void): void }): string {
  const at = mkdtempSync(path.join(tmpdir(), 'ringtap-peer-'))
  t.teardown(() => rmSync(at, { recursive: true, force: true }))
  return at
}

function write(root: string, files: Record<string, string | object>): void {
  for (const [name, content] of Object.entries(files)) {
    const at = path.join(root, name)
    mkdirSync(path.dirname(at), { recursive: true })
    writeFileSync(at, typeof content === 'string' ? content : JSON.stringify(content))
  }
}

/** Adds a process to a folder with the layout of procfs: its network namespace is that of a real one. */
function addProcess(procfs: string, pid: number, comm: string, cgroup: string, within: number): void {
  write(procfs, { [`${pid}/comm`]: `${comm}\n`, [`${pid}/cgroup`]: cgroup })
  mkdirSync(path.join(procfs, String(pid), 'ns'))
  symlinkSync(netnsPath(within), path.join(procfs, String(pid), 'ns/net'))
}

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
  const root = folder(t)
  const named = await addNamespace()
  mkdirSync(path.join(root, 'run/netns'), { recursive: true })
  write(root, { 'run/netns/broken': '', 'run/docker/netns/.hidden': '' })
  symlinkSync(netnsPath(named.pid), path.join(root, 'run/netns/blue'))
  addVeth('near', 'eth0', { peerNamespace: named.pid })
  const expected = { own: false, inode: inodeOf(named.pid), path: path.join(root, 'run/netns/blue') }
  t.match(await resolvePeer('near', { root }), { name: 'eth0', namespace: expected, missing: [] })
  // A procfs that does not show the process.
  const procfs = folder(t)
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

const docker = 'd0'.repeat(32)
const pause = 'ca'.repeat(32)
const app = 'cb'.repeat(32)
const sidecar = 'cc'.repeat(32)
const uid = '2f5c7a1e-9b3d-4c60-8a5e-0d1f2b3c4d5e'

/** Files of runtimes, in their own formats. */
const runtimeFiles = {
  docker: {
    [`var/lib/docker/containers/${docker}/config.v2.json`]: {
      ID: docker,
      Name: '/web',
      Config: { Image: 'nginx:1.27', Labels: { maintainer: 'nobody' } },
    },
    [`run/containerd/io.containerd.runtime.v2.task/moby/${docker}/config.json`]: { annotations: {} },
  },
  containerd: Object.fromEntries(
    (
      [
        [pause, 'sandbox', undefined, undefined],
        [app, 'container', 'api', 'registry.k8s.io/api:3'],
        [sidecar, 'container', 'proxy', 'docker.io/envoyproxy/envoy:v1.30'],
      ] as const
    ).map(([id, type, name, image]) => [
      `run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/config.json`,
      {
        annotations: {
          'io.kubernetes.cri.container-type': type,
          'io.kubernetes.cri.container-name': name,
          'io.kubernetes.cri.image-name': image,
          'io.kubernetes.cri.sandbox-id': pause,
          'io.kubernetes.cri.sandbox-name': 'api-7c9d',
          'io.kubernetes.cri.sandbox-namespace': 'shop',
          'io.kubernetes.cri.sandbox-uid': uid,
        },
      },
    ]),
  ),
  crio: {
    [`run/containers/storage/overlay-containers/${app}/userdata/config.json`]: {
      annotations: {
        'io.container.manager': 'cri-o',
        'io.kubernetes.cri-o.ContainerType': 'container',
        'io.kubernetes.cri-o.ImageName': 'quay.io/api:3',
        'io.kubernetes.container.name': 'api',
        'io.kubernetes.pod.name': 'api-7c9d',
        'io.kubernetes.pod.namespace': 'shop',
        'io.kubernetes.pod.uid': uid,
      },
    },
  },
  podman: {
    'var/lib/containers/storage/overlay-containers/containers.json': [
      { id: 'ff'.repeat(32), names: ['other'], metadata: '{"image-name":"x","name":"other"}' },
      {
        id: app,
        names: ['db'],
        image: '0123',
        metadata: '{"image-name":"docker.io/library/postgres:17","image-id":"0123","name":"db","created-at":1}',
      },
    ],
  },
  logs: {
    [`var/log/containers/api-7c9d_shop_api-${app}.log`]: '',
    [`var/log/pods/shop_api-7c9d_${uid}/api/0.log`]: '',
  },
}

t.test('containers and pods', async (t) => {
  const there = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  const look = async (files: object, processes: Record<number, [comm: string, cgroup: string]>) => {
    const [root, procfs] = [folder(t), folder(t)]
    write(root, files as Record<string, object>)
    for (const [pid, [comm, cgroup]] of Object.entries(processes))
      addProcess(procfs, Number(pid), comm, cgroup, there.pid)
    return (await resolvePeer('near', { root, procfs })) as Peer
  }
  const pod = { name: 'api-7c9d', namespace: 'shop', uid }
  const slice = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice`

  const web = await look(runtimeFiles.docker, {
    811: ['nginx', `0::/system.slice/docker-${docker}.scope\n`],
    812: ['nginx', `0::/system.slice/docker-${docker}.scope\n`],
  })
  const nginx = { id: docker, runtime: 'docker', name: 'web', image: 'nginx:1.27', sandbox: false, pod: undefined }
  t.same(web.container, nginx)
  t.same(web.containers, [nginx])
  t.same(
    web.processes,
    [811, 812].map((pid) => ({ pid, name: 'nginx', containerId: docker })),
  )
  t.same(web.missing, [])

  const group = (id: string) => `12:pids:${slice}/cri-containerd-${id}.scope\n0::${slice}/cri-containerd-${id}.scope\n`
  const api = await look(runtimeFiles.containerd, {
    20: ['pause', group(pause)],
    21: ['api', group(app)],
    22: ['envoy', group(sidecar)],
  })
  t.match(api.container, { id: app, runtime: 'containerd', name: 'api', image: 'registry.k8s.io/api:3', pod })
  t.match(
    api.containers.map(({ id, name, sandbox, pod }) => [id, name, sandbox, pod]),
    [
      [pause, undefined, true, pod],
      [app, 'api', false, pod],
      [sidecar, 'proxy', false, pod],
    ],
  )
  t.same(api.missing, [], 'a sandbox has no name of its own')

  const crio = await look(runtimeFiles.crio, {
    30: ['conmon', `0::/kubepods.slice/crio-conmon-${docker}.scope\n`],
    31: ['api', `0::${slice}/crio-${app}.scope/container\n`],
  })
  t.match(crio.containers, [{ id: app, runtime: 'cri-o', name: 'api', image: 'quay.io/api:3', pod }])
  t.equal(crio.containers.length, 1, 'the monitor is in no container')

  const podman = await look(runtimeFiles.podman, {
    40: ['postgres', `0::/machine.slice/libpod-${app}.scope/container\n`],
  })
  t.match(podman.container, { runtime: 'podman', name: 'db', image: 'docker.io/library/postgres:17', pod: undefined })

  // Where the runtime's own files are not to be had, the logs of the kubelet have the names.
  const logs = await look(runtimeFiles.logs, { 50: ['api', `0::/kubepods/burstable/pod${uid}/${app}\n`] })
  t.match(logs.container, { id: app, runtime: undefined, name: 'api', pod })

  const nothing = await look({}, { 60: ['api', `0::${slice}/cri-containerd-${app}.scope\n`] })
  t.match(nothing.container, { id: app, runtime: 'containerd', name: undefined, image: undefined })
  t.same(nothing.container?.pod, { name: undefined, namespace: undefined, uid })
  t.match(nothing.missing, [{ field: 'container', reason: /no file of a container runtime has its name/ }])

  const odd = await look(
    {
      [`var/lib/docker/containers/${docker}/config.v2.json`]: '{"Name":',
      'var/lib/containers/storage/overlay-containers/containers.json': '[null,{"id":7},{"id":"x","names":3}]',
      'var/log/containers/nonsense.log': '',
    },
    { 70: ['x', `0::/docker/${docker}\n`] },
  )
  t.match(odd.container, { id: docker, runtime: 'docker', name: undefined })
  del('near')
  await there.close()
})

/** Paths of control groups as systemd, cgroupfs and runtimes write them, and what they mean. */
const cgroups: [text: string, expected: [id: string, runtime: string | undefined, pod?: string] | undefined][] = [
  ['0::/user.slice/user-1000.slice/session-2.scope\n', undefined],
  ['0::/\n', undefined],
  ['', undefined],
  [`11:memory:/docker/${app}\n1:name=systemd:/docker/${app}\n0::/system.slice/docker.service\n`, [app, 'docker']],
  [`0::/system.slice/docker-${app}.scope\n`, [app, 'docker']],
  [`0::/../docker-${app}.scope\n`, [app, 'docker']],
  [`0::/docker/${docker}/docker/${app}\n`, [app, 'docker']],
  [
    `0::/system.slice/containerd.service/kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice:cri-containerd:${app}\n`,
    [app, 'containerd', uid],
  ],
  [`0::/kubepods/besteffort/pod${uid}/${app}\n`, [app, undefined, uid]],
  [`0::/kubepods/pod0123456789abcdef0123456789abcdef/${app}\n`, [app, undefined, '0123456789abcdef0123456789abcdef']],
  [`0::/kubepods.slice/kubepods-pod${uid.replaceAll('-', '_')}.slice/crio-${app}.scope\n`, [app, 'cri-o', uid]],
  [`0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${app}.scope/container\n`, [app, 'podman']],
  [`0::/libpod_parent/libpod-${app}\n`, [app, 'podman']],
  [`0::/machine.slice/libpod-conmon-${app}.scope\n`, undefined],
  [`0::/system.slice/nerdctl-${app}.scope\n`, [app, 'containerd']],
  ['0::/lxc.payload.web1/init.scope\n', ['web1', 'lxc']],
  ['0::/lxc.monitor.web1\n', undefined],
  ['5:devices:/lxc/web1\n', ['web1', 'lxc']],
  ['0::/machine.slice/machine-debian\\x2d12.scope/payload\n', ['debian-12', 'systemd-nspawn']],
  ['0::/machine.slice/systemd-nspawn@web.service/payload\n', ['web', 'systemd-nspawn']],
  [`0::/docker/${app.slice(1)}\n`, undefined],
  [`0::/docker/${app}0\n`, undefined],
]

t.test('control groups of all runtimes', async (t) => {
  const there = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  for (const [text, expected] of cgroups) {
    const procfs = folder(t)
    addProcess(procfs, 1, 'x', text, there.pid)
    const peer = await resolvePeer('near', { procfs, root: procfs })
    const { id, runtime, pod } = peer?.container ?? {}
    t.same(id === undefined ? undefined : [id, runtime, ...(pod?.uid ? [pod.uid] : [])], expected, text)
    t.equal(peer?.processes[0]?.containerId, expected?.[0])
  }
  del('near')
  await there.close()
})

const script = fileURLToPath(new URL('resolve-peer-child.js', import.meta.url))
const bare = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all']
const node = ['env', '-i', `PATH=${process.env['PATH']}`, process.execPath]

t.test('without a privilege: what is known, and what is missing', async (t) => {
  const there = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  const root = folder(t)
  const run = (options: object): Peer => {
    const { stdout, stderr } = spawnSync('setpriv', [...bare, ...node, script, 'near', JSON.stringify(options)], {
      encoding: 'utf8',
    })
    t.equal(stderr, '')
    return JSON.parse(stdout) as Peer
  }
  const peer = run({ root })
  t.match(peer, {
    index: listInterfaces().find(({ name }) => name === 'near')?.peerIndex,
    name: 'eth0',
    namespace: { own: false, id: listInterfaces().find(({ name }) => name === 'near')?.peerNetnsId },
    processes: [{ pid: there.pid, name: 'cat' }],
  })
  t.match(peer.missing, [{ field: 'namespace', capability: 'CAP_SYS_PTRACE' }])
  t.equal(peer.missing.length, 1)
  t.notOk(peer.namespace?.inode)
  t.notOk(peer.namespace?.path)

  // A procfs of another pid namespace: only processes that may be traced show their network namespace there.
  const procfs = folder(t)
  addProcess(procfs, 7, 'x', '', there.pid)
  const foreign = run({ root, procfs })
  t.match(foreign.missing, [
    { field: 'name', capability: 'CAP_NET_ADMIN' },
    { field: 'processes', reason: /^1 process does not show/, capability: 'CAP_SYS_PTRACE' },
    { field: 'namespace', reason: /only its id is known/ },
  ])
  del('near')
  await there.close()
})

const isRoot = process.getuid?.() === 0 ? false : 'only root has files that another user cannot read'

t.test('files of a runtime that cannot be read are named', { skip: isRoot }, async (t) => {
  const there = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  const [root, procfs] = [folder(t), folder(t)]
  write(root, runtimeFiles.docker)
  const config = path.join(root, `var/lib/docker/containers/${docker}/config.v2.json`)
  chmodSync(config, 0)
  addProcess(procfs, 5, 'x', `0::/docker/${docker}\n`, there.pid)
  // As root without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
  const without = ['dac_override', 'dac_read_search'].map((name) => `-${name}`).join(',')
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [`--bounding-set=${without}`, `--inh-caps=${without}`, ...node, script, 'near', JSON.stringify({ root, procfs })],
    { encoding: 'utf8' },
  )
  t.equal(stderr, '')
  const peer = JSON.parse(stdout) as Peer
  t.match(peer.container, { id: docker, runtime: 'docker' })
  const [gap] = peer.missing
  t.match(gap, { field: 'container', capability: 'CAP_DAC_READ_SEARCH' })
  t.match(gap?.reason, config)
  del('near')
  await there.close()
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
