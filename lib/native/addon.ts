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
  const attempts: Attempt[] = []
  const libc = process.platform === 'linux' ? libcOf() : 'glibc'
  // A program's folder, and not the package's, if a bundler has moved this file; undefined in a bundle of ES modules.
  const here = typeof __dirname === 'string' ? __dirname : undefined
  const root = here === undefined ? undefined : path.join(here, '../../..')
  const bundled = root === undefined || !isOwnManifest(path.join(root, 'package.json'))
  const failure: LoadFailure = { attempts, libc, bundled, root: bundled ? undefined : root }

  // The other libc's addon does not load, and the failure says so; but on musl that of glibc may load and then crash.
  const libcs: Libc[] = libc === 'unknown' ? ['musl', 'glibc'] : [libc]
  const ids = libcs.map((one) => `${process.platform}-${process.arch}-${one}`)

  const load = (place: string, get: () => unknown): object | undefined => {
    try {
      const found = get()
      if (typeof found === 'object' && found !== null) return found
      // A bundler's loader may give the file's path, relative to the bundle.
      if (typeof found === 'string')
        return load(found, () => requireFile(path.resolve(programFolders(here)[0] ?? '', found)))
    } catch (error) {
      attempts.push({ place, error: error as Error })
    }
    return undefined
  }

  for (const id of ids) {
    const registered = (globalThis as { [registry]?: Registry })[registry]?.[id]
    const addon = registered && load(`ringtap/addons/${id}`, registered)
    if (addon) return { addon }
  }
  const tried = new Set<string>()
  const file = (name: string) => {
    if (tried.has(name)) return undefined
    tried.add(name)
    return load(name, () => requireFile(name))
  }
  if (root !== undefined && !bundled) {
    const found = find(root, attempts)
    // node-gyp-build recognises musl on Alpine alone.
    const other = found !== undefined && libc === 'musl' && found.endsWith('.glibc.node')
    const addon = found !== undefined && !other ? file(found) : undefined
    if (addon) return { addon }
    for (const id of ids) {
      const name = prebuiltAddon(id)
      const addon = name === undefined ? undefined : file(name)
      if (addon) return { addon }
    }
  } else {
    for (const folder of programFolders(here)) {
      for (const libc of libcs) {
        const place = `prebuilds/${process.platform}-${process.arch}/ringtap.${libc}.node`
        const addon = file(path.resolve(folder, place))
        if (addon) return { addon }
      }
    }
  }
  return { failure }
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

/** The place of a build from source or of a prebuilt addon, as node-gyp-build finds it. */
function find(root: string, attempts: Attempt[]): string | undefined {
  try {
    return (require('node-gyp-build') as { resolve(root: string): string }).resolve(root)
  } catch (error) {
    attempts.push({ place: 'node-gyp-build', error: error as Error })
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
