/** What the control groups of a process say about its container. @internal */
export interface ContainerGroup {
  readonly id: string
  readonly runtime: 'docker' | 'containerd' | 'cri-o' | 'podman' | 'lxc' | 'systemd-nspawn' | undefined
  /** The uid of its Kubernetes pod, as the API server writes it. */
  readonly podUid: string | undefined
}

const runtimes: Record<string, ContainerGroup['runtime']> = {
  docker: 'docker',
  'cri-containerd': 'containerd',
  containerd: 'containerd',
  nerdctl: 'containerd',
  crio: 'cri-o',
  libpod: 'podman',
}

/**
 * A container's own group. Runtimes name it after the container's id, 64 hexadecimal digits: `/docker/ID`,
 * `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID`, `libpod-ID.scope/container`, `…:cri-containerd:ID`,
 * `/kubepods/burstable/podUID/ID`. The monitor of a container (`crio-conmon-ID.scope`) is not in it.
 */
const identified = /(?:^|[/:])(?:([a-z]+(?:-[a-z]+)*)[-:/])?([0-9a-f]{64})(?:\.scope)?(?=$|[/:])/g

const podUid = /(?:^|[/-])pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?=$|[/:])/

const lxc = /\/lxc(?:\.payload\.|\/)([^/]+)(?=$|\/)/
const nspawn = /\/(?:systemd-nspawn@([^/]+)\.service|machine-([^/]+)\.scope)(?=$|\/)/

/** Undoes the escapes of systemd's unit names (`\x2d`). */
const unescaped = (name: string) =>
  name.replaceAll(/\\x([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))

/**
 * Reads a file `/proc/PID/cgroup` (cgroups(7)), of version 1 or 2.
 *
 * @returns `undefined` for a process outside containers.
 * @internal
 */
export function parseCgroup(text: string): ContainerGroup | undefined {
  for (const line of text.split('\n')) {
    const path = /^\d+:[^:]*:(.*)$/.exec(line)?.[1]
    if (path === undefined) continue
    // The innermost one, of containers within containers.
    const last = [...path.matchAll(identified)].at(-1)
    if (last) {
      const [, prefix = '', id = ''] = last
      if (prefix.endsWith('conmon')) continue
      const uid = podUid.exec(path)?.[1]?.replaceAll('_', '-')
      return { id, runtime: runtimes[prefix] ?? runtimes[prefix.split('-').at(-1) ?? ''], podUid: uid }
    }
    const name = lxc.exec(path)?.[1]
    if (name && name !== 'monitor') return { id: name, runtime: 'lxc', podUid: undefined }
    const machine = nspawn.exec(path)
    const id = machine?.[1] ?? machine?.[2]
    if (id) return { id: unescaped(id), runtime: 'systemd-nspawn', podUid: undefined }
  }
  return undefined
}
