import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { checkGroup, checkName, checkNetns, orElse } from '../arguments.js'
import { type CaptureError, optionError } from '../errors.js'
import { explainOpening } from '../permission.js'
import { type ContainerGroup, parseCgroup } from './cgroup.js'
import { linksNative, type NativeNamespace, type NativePeer, type NativePeers } from './native.js'
import type { NetworkInterface } from './network-interface.js'
import { RuntimeFiles } from './runtime-files.js'

/** Options of {@link resolvePeer} and {@link resolvePeers}. */
export interface ResolvePeerOptions {
  /** Path of the interfaces' network namespace; needs CAP_SYS_ADMIN. Default: the one of this process. */
  netns?: string | undefined
  /**
   * Where procfs is mounted, for a program in a container that has the host's at another place. Default `/proc`.
   *
   * If its process ids are not those of this process's pid namespace, the kernel shows their network namespaces only to a
   * process that may trace them (CAP_SYS_PTRACE).
   */
  procfs?: string | undefined
  /** Where the host's file system is mounted, with the files of container runtimes. Default `/`. */
  root?: string | undefined
}

/** The far end of a veth, or of a netkit pair. */
export interface Peer {
  /** The near end, as it was when the peer was read. */
  readonly interface: NetworkInterface
  /** The index of the far end in its namespace. */
  readonly index: number
  /** The name of the far end in its namespace, such as `eth0`. */
  readonly name: string | undefined
  /** The namespace of the far end; `undefined` if the kernel does not report it, since it is about to end. */
  readonly namespace: PeerNamespace | undefined
  /** The processes in that namespace, by pid; empty if it is the interface's own namespace. */
  readonly processes: readonly PeerProcess[]
  /**
   * The container that the namespace belongs to: in a pod the first one, by pid, that is not its sandbox (`pause`).
   * `undefined` if no process of the namespace is in a container.
   */
  readonly container: PeerContainer | undefined
  /** All containers with processes in the namespace: those of a pod share one. */
  readonly containers: readonly PeerContainer[]
  /** What could not be found out, and why. Empty if everything is known that there is to know. */
  readonly missing: readonly PeerGap[]
}

/** A network namespace, as seen from another one. */
export interface PeerNamespace {
  /** Whether it is the interface's own: both ends are in one namespace. */
  readonly own: boolean
  /** The id that the interface's namespace has for it (RTM_GETNSID); `undefined` if it is its own. */
  readonly id: number | undefined
  /** The inode of its file, as in `net:[4026532008]`, unique on the host at any one time. */
  readonly inode: number | undefined
  /**
   * A path for `Capture.open({ netns })`: that of a file in `/run/netns` or `/run/docker/netns`, or else of a process in
   * `procfs`, which leads there as long as that process lives. `undefined` if this process may not open either.
   */
  readonly path: string | undefined
}

/** A process in the namespace of the far end. */
export interface PeerProcess {
  /** As in `procfs`. */
  readonly pid: number
  /** The name of the command, at most 15 bytes (/proc/PID/comm). */
  readonly name: string
  /** The id of its container. */
  readonly containerId: string | undefined
}

/** A container. */
export interface PeerContainer {
  /** 64 hexadecimal digits; of LXC and systemd-nspawn the name. */
  readonly id: string
  /** As far as control groups or files show it. */
  readonly runtime: 'docker' | 'containerd' | 'cri-o' | 'podman' | 'lxc' | 'systemd-nspawn' | undefined
  /** As far as the runtime's files show it. */
  readonly name: string | undefined
  /** As far as the runtime's files show it. */
  readonly image: string | undefined
  /** Whether it is the one that holds a pod's namespaces, as far as files of the runtime tell. */
  readonly sandbox: boolean
  /** Its pod in Kubernetes. */
  readonly pod: PeerPod | undefined
}

/** A pod of Kubernetes: what is known of it. */
export interface PeerPod {
  /** As in the API server. */
  readonly name: string | undefined
  /** Of Kubernetes, not of the network. */
  readonly namespace: string | undefined
  /** Of a static pod: the hash of its configuration. */
  readonly uid: string | undefined
}

/** Something that could not be found out about a peer. */
export interface PeerGap {
  /** The field that is incomplete. */
  readonly field: 'name' | 'namespace' | 'processes' | 'container'
  /** A sentence without its full stop. */
  readonly reason: string
  /** The capability that would help, such as `CAP_NET_ADMIN`. */
  readonly capability: string | undefined
}

const optionKeys = ['netns', 'procfs', 'root'] as const

/**
 * Finds the far end of a veth: its network namespace, its name in there, and the processes and the container that use it.
 *
 * ```ts
 * const peer = await resolvePeer('veth3f1c2a')
 * console.log(peer?.container?.name, peer?.name) // web eth0
 * ```
 *
 * The namespace is recognised by the id that the kernel has for it together with the index, never by the index alone,
 * which repeats between namespaces. Devices that move meanwhile are read again. All work that may wait is done off the
 * event loop.
 *
 * Without privileges the namespace's processes and containers are found, if they are visible in `procfs`, and mostly the
 * name; what is not found is listed in {@link Peer.missing}, with what would help. The files of container runtimes can
 * mostly be read by root only.
 *
 * @param iface A name, an index, or an interface from a list, an event or a packet.
 * @returns `undefined` if the interface has no far end: it is no veth.
 * @throws CaptureError (the promise rejects) `ERR_OPTION`; `ERR_NO_INTERFACE` if there is no such interface;
 *   `ERR_PERMISSION` with `netns`; `ERR_SYSTEM`.
 */
export async function resolvePeer(
  iface: string | number | NetworkInterface,
  options?: ResolvePeerOptions,
): Promise<Peer | undefined> {
  const query = checkInterface(iface)
  const [peer] = await read(checkOptions(options), query)
  return peer
}

/**
 * Finds the far ends of all veths in one call: see {@link resolvePeer}.
 *
 * @returns The peers, by the index of the interface.
 * @throws CaptureError (the promise rejects) as {@link resolvePeer}.
 */
export async function resolvePeers(options?: ResolvePeerOptions): Promise<Map<number, Peer>> {
  const peers = await read(checkOptions(options), everyone)
  return new Map(peers.map((peer) => [peer.interface.index, peer]))
}

interface Sources {
  readonly netns: string | undefined
  readonly procfs: string
  readonly root: string
}

function checkOptions(options: ResolvePeerOptions | undefined): Sources {
  const { netns, procfs, root } = checkGroup(options, 'options', optionKeys)
  return {
    netns: checkNetns(netns, 'options.netns'),
    procfs: checkName(orElse(procfs, '/proc'), 'options.procfs', 'the path of a mounted procfs'),
    root: checkName(orElse(root, '/'), 'options.root', 'the path of a folder'),
  }
}

/** One interface, or all. */
interface Query {
  readonly index: number
  readonly name: string
}

const everyone: Query = { index: 0, name: '' }

function checkInterface(iface: unknown): Query {
  const given = typeof iface === 'object' && iface !== null ? (iface as NetworkInterface).index : iface
  if (typeof given === 'number' && Number.isInteger(given) && given > 0 && given < 2 ** 31) {
    return { index: given, name: '' }
  }
  const expected = 'the name of an interface, an index or an interface'
  if (typeof given !== 'string') throw optionError('interface', expected, iface)
  return { index: 0, name: checkName(given, 'interface', expected) }
}

async function read(sources: Sources, query: Query): Promise<Peer[]> {
  const { procfs, root } = sources
  const found = await linksNative()
    .readPeers({
      netns: sources.netns ?? '',
      procfs,
      ownPids: await areOwnPids(procfs),
      directories: ['run/netns', 'run/docker/netns'].map((folder) => path.join(root, folder)),
      ...query,
    })
    .catch((error: CaptureError) => {
      throw explainOpening(error)
    })
  const files = new RuntimeFiles(root)
  const residents = new Map<number, Promise<Residents>>()
  for (const namespace of found.namespaces) {
    residents.set(namespace.id, residentsOf(namespace, procfs, files))
  }
  const peers: Peer[] = []
  for (const peer of found.peers) {
    const id = peer.interface.peerNetnsId
    const namespace = found.namespaces.find((one) => one.id === id)
    const within = id === undefined ? undefined : await residents.get(id)
    peers.push(describe(peer, found, namespace, within, sources, files))
  }
  return peers
}

/**
 * Whether the process ids in a procfs are those of this process: it then has one id in there, which is not nested
 * (`NSpid` in proc_pid_status(5)).
 */
async function areOwnPids(procfs: string): Promise<boolean> {
  const status = await readFile(path.join(procfs, 'self/status'), 'utf8').catch(() => '')
  return /^NSpid:\s+\d+$/m.test(status)
}

/** The processes and containers of a namespace. */
interface Residents {
  readonly processes: readonly PeerProcess[]
  readonly containers: readonly PeerContainer[]
}

async function residentsOf({ pids }: NativeNamespace, procfs: string, files: RuntimeFiles): Promise<Residents> {
  const processes: PeerProcess[] = []
  const groups = new Map<string, ContainerGroup>()
  const atOnce = 32
  for (let from = 0; from < pids.length; from += atOnce) {
    const some = pids.slice(from, from + atOnce)
    for (const one of await Promise.all(some.map((pid) => readProcess(procfs, pid)))) {
      if (!one) continue
      processes.push({ pid: one.pid, name: one.name, containerId: one.group?.id })
      if (one.group && !groups.has(one.group.id)) groups.set(one.group.id, one.group)
    }
  }
  const containers = await Promise.all([...groups.values()].map((group) => containerOf(group, files)))
  return { processes, containers }
}

/** `undefined` if the process has ended. */
async function readProcess(procfs: string, pid: number) {
  const folder = path.join(procfs, String(pid))
  try {
    const [name, cgroup] = await Promise.all(
      ['comm', 'cgroup'].map((file) => readFile(path.join(folder, file), 'utf8')),
    )
    return { pid, name: (name as string).replace(/\n$/, ''), group: parseCgroup(cgroup as string) }
  } catch {
    return undefined
  }
}

/** What is known of a container, from its control group and from files. @internal */
export async function containerOf(group: ContainerGroup, files: RuntimeFiles): Promise<PeerContainer> {
  const named = group.runtime === 'lxc' || group.runtime === 'systemd-nspawn'
  const facts = named ? { name: group.id } : await files.factsOf(group.id, group.podUid)
  const { podName, podNamespace, podUid = group.podUid } = facts
  return {
    id: group.id,
    runtime: facts.runtime ?? group.runtime,
    name: facts.name,
    image: facts.image,
    sandbox: facts.sandbox ?? false,
    pod: podName || podUid ? { name: podName, namespace: podNamespace, uid: podUid } : undefined,
  }
}

function describe(
  peer: NativePeer,
  found: NativePeers,
  namespace: NativeNamespace | undefined,
  within: Residents | undefined,
  { procfs }: Sources,
  files: RuntimeFiles,
): Peer {
  const own = peer.place === 0
  const { processes = [], containers = [] } = within ?? {}
  const [pid] = processes.map((one) => one.pid)
  const readable = pid !== undefined && namespace?.inode !== undefined
  const ofProcess = readable ? path.join(procfs, String(pid), 'ns/net') : undefined
  return {
    interface: peer.interface,
    index: peer.interface.peerIndex as number,
    name: peer.name || undefined,
    namespace:
      peer.place === 2
        ? undefined
        : {
            own,
            id: peer.interface.peerNetnsId,
            inode: own ? found.own : namespace?.inode,
            path: own ? undefined : (namespace?.paths[0] ?? ofProcess),
          },
    processes,
    container: containers.find(({ sandbox }) => !sandbox) ?? containers[0],
    containers,
    missing: gapsOf(peer, found, namespace, { processes, containers }, procfs, files),
  }
}

const EPERM = 1

function gapsOf(
  peer: NativePeer,
  found: NativePeers,
  namespace: NativeNamespace | undefined,
  { processes, containers }: Residents,
  procfs: string,
  files: RuntimeFiles,
): PeerGap[] {
  const gaps: PeerGap[] = []
  const add = (field: PeerGap['field'], reason: string, capability?: string) => gaps.push({ field, reason, capability })
  if (peer.place === 2) add('namespace', 'the kernel does not report it: it is about to end')
  if (!peer.name) {
    if (peer.error === EPERM)
      add('name', 'reading devices of another network namespace is not permitted', 'CAP_NET_ADMIN')
    else add('name', 'the far end has gone or moved')
  }
  if (peer.place !== 1) return gaps
  if (namespace?.inode === undefined && processes.length > 0) {
    add('namespace', `its file is not shown to this process (${procfs}/PID/ns/net)`, 'CAP_SYS_PTRACE')
  }
  if (processes.length === 0) {
    if (found.unread > 0) {
      add(
        'processes',
        `${found.unread} ${found.unread === 1 ? 'process does' : 'processes do'} not show a network namespace to this process`,
        'CAP_SYS_PTRACE',
      )
    } else {
      add(
        'processes',
        `no process in ${procfs} is in that namespace: it has none, or they are hidden or not in this pid namespace`,
      )
    }
    if (!namespace) add('namespace', 'only its id is known: no process and no file leads to it')
  }
  if (containers.some(({ name, sandbox }) => name === undefined && !sandbox)) {
    add(
      'container',
      files.refused.length > 0
        ? `files of the container runtime are not readable: ${files.refused.join(', ')}`
        : 'no file of a container runtime has its name',
      files.refused.length > 0 ? 'CAP_DAC_READ_SEARCH' : undefined,
    )
  }
  return gaps
}
