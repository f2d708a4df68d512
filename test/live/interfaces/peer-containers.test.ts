import { type Peer, resolvePeer } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del } from '../support/network.js'
import { addProcess, app, docker, pause, runtimeFiles, sidecar, uid, write } from '../support/peers.js'

t.test('containers and pods', async (t) => {
  const there = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  const look = async (files: object, processes: Record<number, [comm: string, cgroup: string]>) => {
    const [root, procfs] = [new TestFolder(t).path, new TestFolder(t).path]
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

  // Where the runtime's own files are missing, the logs of the kubelet have the names.
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
    const procfs = new TestFolder(t).path
    addProcess(procfs, 1, 'x', text, there.pid)
    const peer = await resolvePeer('near', { procfs, root: procfs })
    const { id, runtime, pod } = peer?.container ?? {}
    t.same(id === undefined ? undefined : [id, runtime, ...(pod?.uid ? [pod.uid] : [])], expected, text)
    t.equal(peer?.processes[0]?.containerId, expected?.[0])
  }
  del('near')
  await there.close()
})
