// The package as users install it: laid out as `npm run release` does, packed, and unpacked into an empty project.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

// This file runs in dist/work/test/helpers.
export const root = fileURLToPath(new URL('../../../..', import.meta.url))

/** A module of scripts/. */
export const script = (name: string) => import(new URL(`../../../../scripts/${name}.mjs`, import.meta.url).href)

export interface Target {
  id: string
  file: string
  libc: string
  machine: string
  needed: string[]
}
const { targets } = (await script('release/targets')) as { targets: Target[] }
const { stagePackage } = (await script('release/stage')) as {
  stagePackage(folder: string, addons: Record<string, string>, sbom?: string): { dependencies: Record<string, string> }
}

/** The addon that was built for the tests, and the target that it is for. */
export const builtAddon = path.join(process.env.RINGTAP_PREBUILD ?? root, 'build', 'Release', 'ringtap.node')
const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
export const ownTarget = targets.find(({ id }) => id === `linux-${process.arch}-${libc}`) as Target
export { targets }

export class Project {
  /** Outside `root`: otherwise module resolution would find modules there that the package lacks. */
  readonly folder = mkdtempSync(path.join(tmpdir(), 'ringtap-package-'))
  readonly installed = path.join(this.folder, 'node_modules', 'ringtap')

  constructor(t: { teardown(end: () => void): unknown }) {
    t.teardown(() => rmSync(this.folder, { recursive: true, force: true }))
    const stage = path.join(this.folder, 'stage')
    const { dependencies } = stagePackage(stage, {}, '{}')
    const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', this.folder]
    const tarball = execFileSync('npm', pack, { cwd: stage, encoding: 'utf8' }).trim()
    rmSync(stage, { recursive: true })
    mkdirSync(this.installed, { recursive: true })
    execFileSync('tar', ['-xzf', path.join(this.folder, tarball), '-C', this.installed, '--strip-components=1'])
    writeFileSync(path.join(this.folder, 'package.json'), '{ "private": true }')
    for (const name of [...Object.keys(dependencies), '@types/node', 'undici-types']) this.#link(name)
  }

  #link(name: string): void {
    const to = path.join(this.folder, 'node_modules', name)
    mkdirSync(path.dirname(to), { recursive: true })
    symlinkSync(path.join(root, 'node_modules', name), to)
  }

  /** Puts the addon that was built for the tests, or the bytes of a file, where the package has its prebuilt one. */
  addAddon(bytes?: Uint8Array): void {
    const file = path.join(this.installed, ownTarget.file)
    mkdirSync(path.dirname(file), { recursive: true })
    if (bytes) writeFileSync(file, bytes)
    else cpSync(builtAddon, file)
  }

  removeAddon(): void {
    rmSync(path.join(this.installed, 'prebuilds'), { recursive: true, force: true })
  }

  /** Writes and runs a program of the project; returns its standard output, or its error. */
  run(file: string, source: string, args: string[] = []): string {
    writeFileSync(path.join(this.folder, file), source)
    // tap sets NODE_OPTIONS in every child, for loaders that --permission would refuse.
    const command = ['-u', 'NODE_OPTIONS', '-u', 'RINGTAP_PREBUILD', process.execPath, ...args, file]
    const result = spawnSync('env', command, { cwd: this.folder, encoding: 'utf8' })
    return result.status === 0 ? result.stdout.trim() : `exit ${result.status}: ${result.stderr}`
  }

  read(file: string): string {
    return readFileSync(path.join(this.installed, file), 'utf8')
  }
}
