// Builds the C++ tests of the core into build/native, and runs them.
//
//   node scripts/native-tests.mjs [--addon] [--build]   --addon: see buildNative(); --build: does not run them
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkBuild } from './check-build.mjs'
import { ctest } from './run-tests.mjs'
import { root } from './tree-files.mjs'

const runs = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0

/** Arguments for CMake: ccache and Ninja, if installed. A build directory keeps its initial generator. */
export function cmakeOptions() {
  const launcher = runs('ccache') ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : []
  const werror = process.env.RINGTAP_WERROR ? 'ON' : 'OFF'
  return [...launcher, `-DRINGTAP_WERROR=${werror}`, `-DNODE_EXECUTABLE=${process.execPath}`]
}

/** Why the C++ tests cannot be built here; `undefined` if they can. */
export function noNativeTests() {
  if (!runs('cmake')) return 'there is no cmake (scripts/system-packages cmake)'
  const pcap = checkBuild().missing.find(({ key }) => key === 'pcap')
  return pcap && `${pcap.what} are missing (scripts/system-packages libpcap-dev)`
}

const cmake = (args) => spawnSync('cmake', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
const directory = path.join('build', 'native')

/** node-gyp's objects of the addon, which include those of the core. */
const addonObjects = path.join(root, 'build', 'Release', 'obj.target', 'ringtap')

/**
 * @param addon the addon is built and up to date: the tests link its core, instead of compiling the core again
 * @returns whether the build succeeded
 */
export function buildNative({ addon = false } = {}) {
  const objects = addon && existsSync(addonObjects) ? addonObjects : ''
  const options = ['-DRINGTAP_TESTS=ON', `-DRINGTAP_CORE_OBJECTS=${objects}`, ...cmakeOptions()]
  return (
    cmake(['-S', '.', '-B', directory, ...options]) &&
    cmake(['--build', directory, '--parallel', String(availableParallelism())])
  )
}

/** @returns whether the tests were built (see {@link buildNative}) and passed */
export async function testNative(options) {
  return buildNative(options) && (await ctest('C++ tests', directory))
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const options = { addon: process.argv.includes('--addon') }
  const passed = process.argv.includes('--build') ? buildNative(options) : await testNative(options)
  if (!passed) process.exitCode = 1
}
