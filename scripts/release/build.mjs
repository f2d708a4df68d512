// Builds the static libraries and the addon of one target. Each result is kept under the hash of all that it is made
// from, so that a release builds only what has changed.
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, treeFiles } from '../tree-files.mjs'
import { hashOf, run, say, work } from './run.mjs'
import { sources, sourceTree } from './sources.mjs'
import { compiler } from './toolchain.mjs'

/** The oldest version of Node that the addon is for. */
const nodeFloor = '20.17.0'

const here = fileURLToPath(new URL('.', import.meta.url))
const textsOf = (files) => files.map((file) => `${file}\0${hashOf(readFileSync(path.join(root, file)))}`)

/** Builds libpcap, zlib and zstd for a target; returns the folder with `include` and `lib`, and its hash. */
export function buildLibraries(target, { cmake }) {
  const recipe = ['scripts/static-libpcap', 'scripts/release/codecs/CMakeLists.txt', 'scripts/release/toolchain.mjs']
  const hash = hashOf(
    [target.triple, compiler.integrity, ...sources.map((one) => one.sha256), ...textsOf(recipe)].join(),
  )
  const prefix = path.join(work, 'libraries', `${target.id}-${hash.slice(0, 16)}`)
  if (existsSync(prefix)) return { prefix, hash }
  say(target.id, 'building libpcap, zlib and zstd')
  const part = `${prefix}.part`
  rmSync(part, { recursive: true, force: true })
  mkdirSync(path.dirname(part), { recursive: true })
  const [pcap, zlib, zstd] = sources.map((source) => sourceTree(source))
  run(target.id, path.join(root, 'scripts', 'static-libpcap'), [pcap, part, ...cmake])
  const build = `${part}-build`
  const codecs = path.join(here, 'codecs')
  const options = [`-DZLIB=${zlib}`, `-DZSTD=${zstd}`, `-DCMAKE_INSTALL_PREFIX=${part}`]
  run(target.id, 'cmake', ['-S', codecs, '-B', build, ...cmake, ...options])
  run(target.id, 'cmake', ['--build', build])
  run(target.id, 'cmake', ['--install', build])
  rmSync(build, { recursive: true })
  renameSync(part, prefix)
  return { prefix, hash }
}

/** Builds the addon of a target with prebuildify; returns its path. */
export function buildAddon(target, { environment }, libraries) {
  const inputs = treeFiles().filter((file) =>
    /^native\/|^binding\.gyp$|^scripts\/release\/(exports\.map|build\.mjs)$/.test(file),
  )
  const versions = ['node-addon-api', 'node-gyp', 'prebuildify'].map(versionOf)
  const hash = hashOf([libraries.hash, nodeFloor, ...versions, ...textsOf(inputs)].join())
  const result = path.join(work, 'addons', `${target.id}-${hash.slice(0, 16)}.node`)
  if (existsSync(result)) return result
  say(target.id, 'building the addon')
  // In a copy of its sources: node-gyp builds where binding.gyp is, and the tree's own addon stays.
  const folder = path.join(work, 'objects', target.id)
  rmSync(folder, { recursive: true, force: true })
  for (const file of [...inputs, 'package.json']) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    copyFileSync(path.join(root, file), path.join(folder, file))
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  const [platform, arch] = target.name.split('-')
  run(
    target.id,
    process.execPath,
    [
      path.join(root, 'node_modules', 'prebuildify', 'bin.js'),
      ...['--napi', '--tag-libc', '--target', nodeFloor, '--platform', platform, '--arch', arch],
    ],
    {
      cwd: folder,
      env: {
        ...process.env,
        ...environment,
        ...headersEnvironment(),
        PREBUILD_LIBC: target.libc,
        PREBUILD_NODE_GYP: path.join(root, 'node_modules', '.bin', 'node-gyp'),
        RINGTAP_STATIC: libraries.prefix,
        MAKEFLAGS: '-j2',
      },
    },
  )
  mkdirSync(path.dirname(result), { recursive: true })
  copyFileSync(path.join(folder, target.file), `${result}.part`)
  renameSync(`${result}.part`, result)
  rmSync(folder, { recursive: true })
  return result
}

const versionOf = (name) =>
  JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')).version

/** Node's headers of this installation, if it has them; node-gyp downloads those of `nodeFloor` otherwise. */
function headersEnvironment() {
  const prefix = path.resolve(path.dirname(process.execPath), '..')
  return existsSync(path.join(prefix, 'include', 'node', 'common.gypi')) ? { npm_config_nodedir: prefix } : {}
}
