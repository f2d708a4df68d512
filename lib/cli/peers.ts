// Whose the far ends of veths are.
import path from 'node:path'
import { type NetworkInterface, type Peer, resolvePeers } from '../index.js'
import { oneLine } from './terminal.js'

/** Whose network the far end of a veth is in: a pod, a container, a namespace, a process; `undefined` if both ends are in one. */
export function ownerOf({ container, namespace, processes }: Peer): string | undefined {
  if (namespace?.own) return undefined
  const pod = container?.pod
  if (pod?.name) return oneLine(pod.namespace ? `${pod.namespace}/${pod.name}` : pod.name)
  if (container) return oneLine(container.name ?? container.id.slice(0, 12))
  if (namespace?.path && !namespace.path.includes('/ns/')) return oneLine(path.basename(namespace.path))
  const [first] = processes
  if (first) return oneLine(`${first.name} (${first.pid})`)
  return namespace?.inode === undefined ? 'unknown' : `net:[${namespace.inode}]`
}

/** The far ends of these interfaces by index; none if they cannot be found out. */
export async function peersOf(
  interfaces: readonly NetworkInterface[],
  netns: string | undefined,
): Promise<ReadonlyMap<number, Peer>> {
  if (interfaces.every((one) => one.peerIndex === undefined)) return new Map()
  return resolvePeers({ netns }).catch(() => new Map())
}

/** The owners of interfaces, as they are known by now. */
export class Owners {
  readonly #netns: string | undefined
  #owners: ReadonlyMap<string, string> = new Map()
  #reading: Promise<void> | undefined

  constructor(netns: string | undefined) {
    this.#netns = netns
  }

  /** How an interface is called here. */
  static keyOf({ index, name }: Pick<NetworkInterface, 'index' | 'name'>): string {
    return `${index} ${name}`
  }

  /** The owner of the interface's far end. */
  get(key: string): string | undefined {
    return this.#owners.get(key)
  }

  /** Reads them anew, off the event loop. Those of interfaces that are gone stay. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<void> {
    const peers = await resolvePeers({ netns: this.#netns }).catch(() => new Map<number, Peer>())
    const owners = new Map(this.#owners)
    for (const peer of peers.values()) {
      const owner = ownerOf(peer)
      if (owner !== undefined) owners.set(Owners.keyOf(peer.interface), owner)
    }
    this.#owners = owners
  }
}
