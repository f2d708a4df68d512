/** Folders with the layout of procfs and of the container runtimes' files, for the tests of resolvePeer(). */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { netnsPath } from './network.js'

/** Writes files under a root; anything but a string is written as JSON. */
export function write(root: string, files: Record<string, string | object>): void {
  for (const [name, content] of Object.entries(files)) {
    const at = path.join(root, name)
    mkdirSync(path.dirname(at), { recursive: true })
    writeFileSync(at, typeof content === 'string' ? content : JSON.stringify(content))
  }
}

/** Adds a process to a folder with the layout of procfs: its network namespace is that of a real one. */
export function addProcess(procfs: string, pid: number, comm: string, cgroup: string, within: number): void {
  write(procfs, { [`${pid}/comm`]: `${comm}\n`, [`${pid}/cgroup`]: cgroup })
  mkdirSync(path.join(procfs, String(pid), 'ns'))
  symlinkSync(netnsPath(within), path.join(procfs, String(pid), 'ns/net'))
}

export const docker = 'd0'.repeat(32)
export const pause = 'ca'.repeat(32)
export const app = 'cb'.repeat(32)
export const sidecar = 'cc'.repeat(32)
export const uid = '2f5c7a1e-9b3d-4c60-8a5e-0d1f2b3c4d5e'

/** Files of runtimes, in their own formats. */
export const runtimeFiles = {
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
