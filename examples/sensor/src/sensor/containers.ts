/** The containers at the other ends of the captured interfaces. */
import { type Peer, resolvePeers } from 'ringtap'
import type { Log } from '../common/log.js'
import type { Report } from '../wire/report.js'

export type Container = NonNullable<Report['interfaces'][number]['container']>

/** Milliseconds after which they are looked up again although the interfaces are the same: names come late. */
const longest = 60_000

export interface ContainersOptions {
  /** Where the host's file system and its procfs are mounted, for a sensor in a container of its own. */
  readonly root: string
  readonly procfs: string
  readonly log: Log
}

export class Containers {
  readonly #options: ContainersOptions
  #found: ReadonlyMap<number, Container> = new Map()
  #known = ''
  #at = Number.NEGATIVE_INFINITY
  #failed = ''

  constructor(options: ContainersOptions) {
    this.#options = options
  }

  /** The container at the other end of an interface, as of the last {@link refresh}. */
  of(index: number): Container | undefined {
    return this.#found.get(index)
  }

  /** Looks them up, if the interfaces are others than before, or some time has passed. Never rejects. */
  async refresh(interfaces: readonly { readonly index: number; readonly name: string }[]): Promise<void> {
    const known = interfaces.map(({ index, name }) => `${index} ${name}`).join()
    if (known === this.#known && performance.now() - this.#at < longest) return
    this.#known = known
    this.#at = performance.now()
    const { root, procfs, log } = this.#options
    try {
      const peers = await resolvePeers({ root, procfs })
      this.#found = new Map([...peers].flatMap(([index, peer]) => entryOf(index, peer)))
    } catch (error) {
      const { message } = error as Error
      if (message !== this.#failed) log.warn(`containers cannot be looked up: ${message}`)
      this.#failed = message
    }
  }
}

function entryOf(index: number, { container }: Peer): [number, Container][] {
  if (!container) return []
  const { id, name, pod } = container
  const short = (text: string) => text.slice(0, 256)
  return [
    [
      index,
      {
        id: id.slice(0, 128),
        ...(name !== undefined && { name: short(name) }),
        ...(pod?.name !== undefined && { pod: short(pod.name) }),
        ...(pod?.namespace !== undefined && { namespace: short(pod.namespace) }),
      },
    ],
  ]
}
