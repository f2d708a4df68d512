// Builds the static libraries and the addon of one target. Each result is kept under the hash of all that it is made
// from, so that a release builds only what has changed.
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, treeFiles } from '../tree-files.mjs'
import { hashOf, run, say, work } from './run.mjs'
import { sources, sourceTree } from './sources.mjs'
import { compiler } from './toolchain.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const textsOf = (files) => files.map((file) => `${file}\0${hashOf(readFileSync(path.join(root, file)))}`)

/** Builds libpcap, zlib and zstd for a target; returns the folder with `include` and `lib`, and its hash. */
export function buildLibraries(target, tools) {
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
  run(target.id, path.join(root, 'scripts', 'static-libpcap'), [pcap, part, ...tools])
  const build = `${part}-build`
  const codecs = path.join(here, 'codecs')
  const options = [`-DZLIB=${zlib}`, `-DZSTD=${zstd}`, `-DCMAKE_INSTALL_PREFIX=${part}`]
  run(target.id, 'cmake', ['-S', codecs, '-B', build, ...tools, ...options])
  run(target.id, 'cmake', ['--build', build])
  run(target.id, 'cmake', ['--install', build])
  rmSync(build, { recursive: true })
  renameSync(part, prefix)
  return { prefix, hash }
}

/** Builds the addon of a target; returns its path. */
export function buildAddon(target, tools, libraries) {
  const inputs = treeFiles().filter((file) =>
    /^native\/|^CMakeLists\.txt$|^scripts\/release\/(exports\.map|build\.mjs)$/.test(file),
  )
  const headers = ['node-api-headers', 'node-addon-api'].map((name) => path.join(root, 'node_modules', name))
  const versions = headers.map((folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).version)
  const hash = hashOf([libraries.hash, ...versions, ...textsOf(inputs)].join())
  const result = path.join(work, 'addons', `${target.id}-${hash.slice(0, 16)}.node`)
  if (existsSync(result)) return result
  say(target.id, 'building the addon')
  const build = path.join(work, 'objects', `${target.id}-${libraries.hash.slice(0, 16)}`)
  run(target.id, 'cmake', [
    ...['-S', root, '-B', build, ...tools],
    `-DRINGTAP_RELEASE=${libraries.prefix}`,
    `-DPCAP_INCLUDE_DIR=${libraries.prefix}/include`,
    `-DPCAP_LIBRARY=${libraries.prefix}/lib/libpcap.a`,
    `-DCMAKE_JS_INC=${headers[0]}/include;${headers[1]}`,
  ])
  run(target.id, 'cmake', ['--build', build, '--target', 'ringtap', '--parallel', '2'])
  mkdirSync(path.dirname(result), { recursive: true })
  copyFileSync(path.join(build, 'build', 'Release', 'ringtap.node'), `${result}.part`)
  renameSync(`${result}.part`, result)
  return result
}
