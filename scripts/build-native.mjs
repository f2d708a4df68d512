// Builds the addon with node-gyp into build/Release, in the source tree and in the installed package. Checks the prerequisites first, hides make's command list without
// --verbose (warnings and errors are always shown), and uses the Node headers installed with this Node, if present, so
// that nothing is downloaded.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkBuild, describeMissing } from './check-build.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
// In the package, binding.gyp is not where package managers look for one: some compile any package that has it.
const packaged = !existsSync(path.join(root, 'binding.gyp'))
const verbose = process.argv.includes('--verbose')
const check = checkBuild()
const message = describeMissing(check)
if (message) {
  console.error(message)
  process.exit(1)
}

const env = { ...process.env }
if (!env.CXX && check.compiler !== 'g++') {
  env.CXX = check.compiler
  if (!env.CC && check.compiler === 'clang++') env.CC = 'clang'
}

const args = ['configure', 'build', '--jobs', 'max', '--loglevel', verbose ? 'info' : 'error']
if (packaged) args.push('--directory', 'native')
const headers = localHeaders()
if (headers && !env.npm_config_nodedir) args.push('--nodedir', headers)

const result = spawnSync('node-gyp', args, {
  cwd: root,
  env,
  stdio: ['ignore', verbose ? 'inherit' : 'ignore', 'inherit'],
})
if (result.error) {
  const reason =
    result.error.code === 'ENOENT'
      ? 'node-gyp is not on the PATH: start this with "npm run build:native"'
      : result.error.message
  console.error(`ringtap: the native addon was not built: ${reason}`)
  process.exitCode = 1
} else if (result.status !== 0) {
  console.error('ringtap: the native addon was not built; "npm run build:native -- --verbose" shows every step.')
  process.exitCode = 1
} else if (packaged) {
  // Where the library looks for a build from source.
  mkdirSync(path.join(root, 'build', 'Release'), { recursive: true })
  copyFileSync(
    path.join(root, 'native', 'build', 'Release', 'ringtap.node'),
    path.join(root, 'build', 'Release', 'ringtap.node'),
  )
  rmSync(path.join(root, 'native', 'build'), { recursive: true })
}

/** Returns the prefix of this Node's installation if its headers are there and of the same version. */
function localHeaders() {
  const prefix = path.resolve(path.dirname(process.execPath), '..')
  const directory = path.join(prefix, 'include', 'node')
  if (!existsSync(path.join(directory, 'common.gypi')) || !existsSync(path.join(directory, 'node_api.h')))
    return undefined
  const text = readFileSync(path.join(directory, 'node_version.h'), 'utf8')
  const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1]
  return `v${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}` === process.version ? prefix : undefined
}
