// Finds and loads the addon, in every way that the package is used in: installed, built from source, in a bundle, in a
// single executable, under a runtime that permits little. What was tried and why it failed goes into one error
// (load-failure.ts).
import { type Libc, libcOf } from './libc.js'
import { type Attempt, isOwnManifest, type LoadFailure } from './load-failure.js'

/** Set by a module `ringtap/addons/…`, for bundlers: loads the addon of that name, or returns its path. */
export const registry: unique symbol = Symbol.for('ringtap.addons')

type Registry = Record<string, (() => unknown) | undefined>

const modules = process.getBuiltinModule('node:module')
const path = process.getBuiltinModule('node:path')

/** The result of {@link loadAddon}. */
export type Loaded = { addon: object } | { failure: LoadFailure }

/** Loads the addon from the first place that has one. Never throws. */
export function loadAddon(): Loaded {
  const libc = process.platform === 'linux' ? libcOf() : 'glibc'
  // In a bundle, the folder of the bundle; undefined in one of ES modules.
  const here = typeof __dirname === 'string' ? __dirname : undefined
  const root = here === undefined ? undefined : path.join(here, '../../..')
  const search = new Search(libc, here)
  const packaged = root !== undefined && isOwnManifest(path.join(root, 'package.json'))
  const addon = search.registered() ?? (packaged ? search.inPackage(root) : search.besideProgram())
  if (addon) return { addon }
  const { attempts } = search
  return { failure: { attempts, libc, bundled: !packaged, root: packaged ? root : undefined } }
}

/** One search for the addon. Each method returns it, or adds to `attempts` why it was not there. */
class Search {
  readonly attempts: Attempt[] = []
  readonly #tried = new Set<string>()
  readonly #libc: Libc
  /** If the C library is unknown, musl's comes first: on glibc it fails to load, but glibc's may load on musl, and crash. */
  readonly #libcs: readonly Libc[]
  readonly #here: string | undefined

  constructor(libc: Libc, here: string | undefined) {
    this.#libc = libc
    this.#libcs = libc === 'unknown' ? ['musl', 'glibc'] : [libc]
    this.#here = here
  }

  /** What a bundled program has imported as `ringtap/addons/…`. */
  registered(): object | undefined {
    const known = (globalThis as { [registry]?: Registry })[registry]
    for (const libc of this.#libcs) {
      const id = `${process.platform}-${process.arch}-${libc}`
      const get = known?.[id]
      const addon = get && this.#load(`ringtap/addons/${id}`, get)
      if (addon) return addon
    }
    return undefined
  }

  /** A build from source, or a prebuilt addon. */
  inPackage(root: string): object | undefined {
    const found = this.#find(root)
    // node-gyp-build recognises musl on Alpine alone.
    const foreign = this.#libc !== 'glibc' && found?.endsWith('.glibc.node')
    const addon = found === undefined || foreign ? undefined : this.#file(found)
    if (addon) return addon
    for (const libc of this.#libcs) {
      const name = prebuiltAddon(`${process.platform}-${process.arch}-${libc}`)
      const addon = name === undefined ? undefined : this.#file(name)
      if (addon) return addon
    }
    return undefined
  }

  /** The package's folder `prebuilds`, copied to where a bundle or a single executable is. */
  besideProgram(): object | undefined {
    for (const folder of programFolders(this.#here)) {
      for (const libc of this.#libcs) {
        const place = `prebuilds/${process.platform}-${process.arch}/ringtap.${libc}.node`
        const addon = this.#file(path.resolve(folder, place))
        if (addon) return addon
      }
    }
    return undefined
  }

  /** The place of a build from source or of a prebuilt addon, as node-gyp-build finds it. */
  #find(root: string): string | undefined {
    try {
      return (require('node-gyp-build') as { resolve(root: string): string }).resolve(root)
    } catch (error) {
      this.attempts.push({ place: 'node-gyp-build', error: error as Error })
      return undefined
    }
  }

  #file(name: string): object | undefined {
    if (this.#tried.has(name)) return undefined
    this.#tried.add(name)
    return this.#load(name, () => requireFile(name))
  }

  #load(place: string, get: () => unknown): object | undefined {
    try {
      const found = get()
      if (typeof found === 'object' && found !== null) return found
      // A bundler's loader may give the file's path, relative to the bundle.
      if (typeof found === 'string') return this.#file(path.resolve(programFolders(this.#here)[0] ?? '', found))
    } catch (error) {
      this.attempts.push({ place, error: error as Error })
    }
    return undefined
  }
}

/**
 * The place of a prebuilt addon in the package. Literal paths as arguments of calls, because @vercel/nft, which copies the
 * files of a program, recognises these.
 */
function prebuiltAddon(id: string): string | undefined {
  switch (id) {
    case 'linux-x64-glibc':
      return path.normalize(`${__dirname}/../../../prebuilds/linux-x64/ringtap.glibc.node`)
    case 'linux-x64-musl':
      return path.normalize(`${__dirname}/../../../prebuilds/linux-x64/ringtap.musl.node`)
    case 'linux-arm64-glibc':
      return path.normalize(`${__dirname}/../../../prebuilds/linux-arm64/ringtap.glibc.node`)
    case 'linux-arm64-musl':
      return path.normalize(`${__dirname}/../../../prebuilds/linux-arm64/ringtap.musl.node`)
    default:
      return undefined
  }
}

/** require() of a file, also in bundles and single executables, whose own require() may have Node's modules alone. */
function requireFile(file: string): unknown {
  return modules.createRequire(file)(file)
}

/** Where a bundle's files may be: beside the bundle, beside the program's first file, beside a single executable. */
function programFolders(here: string | undefined): string[] {
  const files = [process.argv[1], process.execPath].filter((name) => name !== undefined)
  return [...(here === undefined ? [] : [here]), ...files.map((name) => path.dirname(name))]
}
