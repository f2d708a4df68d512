import { type ContainerGroup, parseCgroup } from '../interfaces/cgroup.js'
import { containerOf, type PeerContainer } from '../interfaces/resolve-peer.js'
import { RuntimeFiles } from '../interfaces/runtime-files.js'
import type { NativeProcess } from './native.js'
import type { OwnerProcess } from './socket-owner.js'

/** Containers that are remembered; the oldest is forgotten. */
const maxContainers = 1024

/** Turns the addon's processes into those of the API: adds users and containers, each found out once. @internal */
export class ProcessBook {
  readonly #root: string
  readonly #users: ReadonlyMap<number, string>
  #made = new WeakMap<NativeProcess, OwnerProcess>()
  readonly #containers = new Map<string, PeerContainer>()
  readonly #pending = new Set<Promise<void>>()

  constructor(root: string, users: ReadonlyMap<number, string>) {
    this.#root = root
    this.#users = users
  }

  processOf(process: NativeProcess): OwnerProcess {
    const known = this.#made.get(process)
    if (known) return known
    const { pid, name, command, uid, cgroup } = process
    const group = parseCgroup(cgroup)
    const made: OwnerProcess = {
      pid,
      name,
      command,
      uid,
      user: uid === undefined ? undefined : this.#users.get(uid),
      cgroup,
      container: group && this.#containerOf(group),
    }
    this.#made.set(process, made)
    return made
  }

  #containerOf(group: ContainerGroup): PeerContainer {
    const known = this.#containers.get(group.id)
    if (known) return known
    // What the path of the control group says; the runtime's files follow.
    const pod = group.podUid === undefined ? undefined : { name: undefined, namespace: undefined, uid: group.podUid }
    const { id, runtime } = group
    const first: PeerContainer = { id, runtime, name: undefined, image: undefined, sandbox: false, pod }
    const [oldest] = this.#containers.keys()
    if (oldest !== undefined && this.#containers.size >= maxContainers) this.#containers.delete(oldest)
    this.#containers.set(id, first)
    const reading = this.#read(group).finally(() => this.#pending.delete(reading))
    this.#pending.add(reading)
    return first
  }

  async #read(group: ContainerGroup): Promise<void> {
    this.#containers.set(group.id, await containerOf(group, new RuntimeFiles(this.#root)))
    this.#made = new WeakMap()
  }

  /** Waits for what is being read of containers. Never rejects. */
  async complete(): Promise<void> {
    await Promise.allSettled([...this.#pending])
  }
}
