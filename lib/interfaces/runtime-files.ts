import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

/** What the files of a container runtime say about a container. @internal */
export interface RuntimeFacts {
  readonly runtime?: 'docker' | 'containerd' | 'cri-o' | 'podman'
  readonly name?: string | undefined
  readonly image?: string | undefined
  /** It holds the namespaces of a pod for the others (`pause`). */
  readonly sandbox?: boolean
  readonly podName?: string | undefined
  readonly podNamespace?: string | undefined
  readonly podUid?: string | undefined
}

/**
 * Reads the files in which container runtimes keep what they know of their containers. One object per look: files that
 * list several containers are read once.
 *
 * @internal
 */
export class RuntimeFiles {
  readonly #root: string
  /** Files that are there and could not be read. */
  readonly refused: string[] = []
  readonly #storage = new Map<string, Promise<ReadonlyMap<string, RuntimeFacts>>>()
  #taskFolders: Promise<string[]> | undefined
  #logs: Promise<readonly string[]> | undefined

  /** @param root The folder at which the host's file system is mounted. */
  constructor(root: string) {
    this.#root = root
  }

  /** What is known of a container; later sources fill in what earlier ones leave open. */
  async factsOf(id: string, podUid: string | undefined): Promise<RuntimeFacts> {
    const sources = [
      () => this.#docker(id),
      () => this.#task(id),
      () => this.#storedBundle(id),
      () => this.#stored(id),
      () => this.#log(id),
      () => this.#podFolder(podUid),
    ]
    let facts: RuntimeFacts = {}
    for (const source of sources) {
      const found = withoutGaps(await source())
      facts = { ...found, ...facts }
      if (facts.name && facts.image && (facts.podName || !podUid)) break
    }
    return facts
  }

  /** Docker: `config.v2.json`. */
  async #docker(id: string): Promise<RuntimeFacts> {
    const config = await this.#json(`var/lib/docker/containers/${id}/config.v2.json`)
    if (!config) return {}
    const settings = record(config['Config'])
    const labels = record(settings['Labels'])
    return {
      runtime: 'docker',
      name: text(labels['io.kubernetes.container.name']) ?? text(config['Name'])?.replace(/^\//, ''),
      image: text(settings['Image']),
      sandbox: labels['io.kubernetes.docker.type'] === 'podsandbox',
      ...kubernetes(labels),
    }
  }

  /** containerd: the OCI bundle of the running task. Its annotations come from the CRI plugin or from nerdctl. */
  async #task(id: string): Promise<RuntimeFacts> {
    for (const folder of await this.#tasks()) {
      const config = await this.#json(`${folder}/${id}/config.json`)
      if (!config) continue
      const of = record(config['annotations'])
      const cri = (key: string) => text(of[`io.kubernetes.cri.${key}`])
      // Docker keeps its containers in containerd's namespace `moby`, and their names in its own files.
      if (folder.endsWith('/moby')) return { runtime: 'docker' }
      return {
        runtime: 'containerd',
        name: cri('container-name') ?? text(of['nerdctl/name']),
        image: cri('image-name') ?? text(of['nerdctl/image-name']),
        sandbox: cri('container-type') === 'sandbox',
        podName: cri('sandbox-name'),
        podNamespace: cri('sandbox-namespace'),
        podUid: cri('sandbox-uid'),
      }
    }
    return {}
  }

  #tasks(): Promise<string[]> {
    const folder = 'run/containerd/io.containerd.runtime.v2.task'
    this.#taskFolders ??= this.#list(folder).then((names) => names.map((name) => `${folder}/${name}`))
    return this.#taskFolders
  }

  /** CRI-O and Podman: the OCI bundle in the storage of containers. */
  async #storedBundle(id: string): Promise<RuntimeFacts> {
    for (const storage of ['run/containers/storage', 'var/lib/containers/storage']) {
      const config = await this.#json(`${storage}/overlay-containers/${id}/userdata/config.json`)
      if (!config) continue
      const of = record(config['annotations'])
      const crio = of['io.container.manager'] === 'cri-o' || 'io.kubernetes.cri-o.ContainerType' in of
      return {
        runtime: crio ? 'cri-o' : 'podman',
        name: text(of['io.kubernetes.container.name']),
        image: text(of['io.kubernetes.cri-o.ImageName']),
        sandbox: of['io.kubernetes.cri-o.ContainerType'] === 'sandbox',
        ...kubernetes(of),
      }
    }
    return {}
  }

  /** Podman, and CRI-O too: the list of all containers of a storage. */
  async #stored(id: string): Promise<RuntimeFacts> {
    const file = 'var/lib/containers/storage/overlay-containers/containers.json'
    let list = this.#storage.get(file)
    if (!list) {
      list = this.#storedList(file)
      this.#storage.set(file, list)
    }
    return (await list).get(id) ?? {}
  }

  async #storedList(file: string): Promise<ReadonlyMap<string, RuntimeFacts>> {
    const list: unknown = await this.#json(file)
    const all = new Map<string, RuntimeFacts>()
    for (const one of Array.isArray(list) ? list.map(record) : []) {
      const id = text(one['id'])
      if (!id) continue
      const about = record(parse(text(one['metadata']) ?? ''))
      const [name] = Array.isArray(one['names']) ? one['names'] : []
      // Only CRI-O writes these, and its names are made of several.
      const pod = text(about['pod-name']) !== undefined || text(about['pod-id']) !== undefined
      all.set(id, {
        runtime: pod ? 'cri-o' : 'podman',
        name: text(about['container-name']) ?? text(about['name']) ?? text(name),
        image: text(about['image-name']),
      })
    }
    return all
  }

  /** The log of a container in Kubernetes: `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`. */
  async #log(id: string): Promise<RuntimeFacts> {
    this.#logs ??= this.#list('var/log/containers')
    const end = `-${id}.log`
    const name = (await this.#logs).find((one) => one.endsWith(end))?.slice(0, -end.length)
    const [podName, podNamespace, container, ...more] = name?.split('_') ?? []
    return more.length === 0 ? { name: container, podName, podNamespace } : {}
  }

  /** The folder of a pod's logs: `/var/log/pods/NAMESPACE_POD_UID`. */
  async #podFolder(podUid: string | undefined): Promise<RuntimeFacts> {
    if (podUid === undefined) return {}
    const name = (await this.#list('var/log/pods')).find((one) => one.endsWith(`_${podUid}`))
    const [podNamespace, podName] = name?.split('_') ?? []
    return { podName, podNamespace }
  }

  async #json(file: string): Promise<Record<string, unknown> | undefined> {
    const content = await this.#read(file, (at) => readFile(at, 'utf8'))
    const value = content === undefined ? undefined : parse(content)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  }

  async #list(folder: string): Promise<string[]> {
    return (await this.#read(folder, (at) => readdir(at))) ?? []
  }

  /** `undefined` if there is no such file, or it cannot be read. */
  async #read<T>(file: string, read: (at: string) => Promise<T>): Promise<T | undefined> {
    const at = path.join(this.#root, file)
    try {
      return await read(at)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if ((code === 'EACCES' || code === 'EPERM') && !this.refused.includes(at)) this.refused.push(at)
      return undefined
    }
  }
}

/** Labels of the kubelet. */
function kubernetes(of: Record<string, unknown>): RuntimeFacts {
  const label = (key: string) => text(of[`io.kubernetes.pod.${key}`])
  return { podName: label('name'), podNamespace: label('namespace'), podUid: label('uid') }
}

/** Whoever may write these files may write anything into them. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch {
    return undefined
  }
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

function withoutGaps(facts: RuntimeFacts): RuntimeFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}
