// Builds the C++ tests of the core into build/native. When run directly, also runs them unless --build is given.
import { spawnSync } from 'node:child_process'
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
  return [...launcher, `-DRINGTAP_WERROR=${process.env.RINGTAP_WERROR ? 'ON' : 'OFF'}`]
}

/** Why the C++ tests cannot be built here; `undefined` if they can. */
export function noNativeTests() {
  if (!runs('cmake')) return 'there is no cmake (scripts/system-packages cmake)'
  const pcap = checkBuild().missing.find(({ key }) => key === 'pcap')
  return pcap && `${pcap.what} are missing (scripts/system-packages libpcap-dev)`
}

const cmake = (args) => spawnSync('cmake', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
const directory = path.join('build', 'native')

/** @returns whether CMake configured the directory */
export function configureNative() {
  return cmake(['-S', '.', '-B', directory, '-DRINGTAP_TESTS=ON', ...cmakeOptions()])
}

/** @returns whether the build succeeded */
export function buildNative() {
  return configureNative() && cmake(['--build', directory, '--parallel', String(availableParallelism())])
}

/** @returns whether the tests were built and passed */
export async function testNative() {
  return buildNative() && (await ctest('C++ tests', directory))
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const passed = process.argv.includes('--build') ? buildNative() : await testNative()
  if (!passed) process.exitCode = 1
}
