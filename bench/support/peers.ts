import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const project = dirname(createRequire(import.meta.url).resolve('ringtap/package.json'))
const folder = join(project, 'bench', 'peers')
const require = createRequire(join(folder, 'package.json'))

/** Set in the environment after an installation attempt, so that a failed one is not repeated. */
const triedKey = 'RINGTAP_BENCH_PEERS_TRIED'

/** A package to compare with, or the reason why it is missing. */
export type Peer<T> =
  | { name: string; version: string; module: T; missing?: undefined }
  | { name: string; version: string; module?: undefined; missing: string }

interface Manifest {
  version?: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

/**
 * Loads a package listed in bench/peers/package.json, with the version pinned there. If it is missing, first installs
 * the peers, which needs the package registry: load each peer once before its trials.
 *
 * A missing peer is a result shown in the table, not an exception. List a peer whose installation may fail (a native
 * addon) in the manifest's optionalDependencies, so that the others are still installed.
 */
export function loadPeer<T>(name: string): Peer<T> {
  const { dependencies, optionalDependencies } = manifest(folder) ?? {}
  const version = dependencies?.[name] ?? optionalDependencies?.[name]
  if (version === undefined) throw new Error(`${name} is not in bench/peers/package.json`)
  const installed = () => manifest(join(folder, 'node_modules', name))?.version === version
  if (!installed() && process.env[triedKey] !== undefined) return { name, version, missing: process.env[triedKey] }
  if (!installed()) {
    console.error(`installing the peers of bench/peers/package.json, for ${name} ${version}`)
    const flags = [
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
      '--foreground-scripts',
      '--prefix',
      folder,
    ]
    const run = spawnSync('npm', ['install', ...flags], { encoding: 'utf8' })
    const errors = run.error?.message ?? run.stderr.match(/^npm error .*/gm)?.join('; ')
    process.env[triedKey] = `cannot be installed: ${errors ?? 'npm install left it out'}`
    if (!installed()) return { name, version, missing: process.env[triedKey] }
  }
  try {
    return { name, version, module: require(name) as T }
  } catch (error) {
    return { name, version, missing: `does not load: ${String(error).split('\n')[0]}` }
  }
}

function manifest(directory: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest
  } catch {
    return undefined
  }
}
