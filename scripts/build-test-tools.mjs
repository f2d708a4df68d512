// Compiles the tests' native programs, test/native/tools/NAME.cpp to build/tools/NAME, if they are out of date.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const tools = ['nflog_rule', 'replay', 'send', 'thread_hold', 'tun_hold']
const sources = fileURLToPath(new URL('../test/native/tools/', import.meta.url))
const target = fileURLToPath(new URL('../build/tools/', import.meta.url))
const flags = [
  '-std=c++20',
  '-O2',
  '-Wall',
  '-Wextra',
  '-pthread',
  `-I${fileURLToPath(new URL('../test/native/', import.meta.url))}`,
]

const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const headers = readdirSync(sources)
  .filter((name) => name.endsWith('.h'))
  .map((name) => changed(sources + name))

mkdirSync(target, { recursive: true })
for (const tool of tools) {
  const source = `${sources}${tool}.cpp`
  if (changed(target + tool) >= Math.max(changed(source), ...headers)) continue
  // Compiles to a temporary name and renames, so that a concurrent test runs the old or the new program, never a
  // partial one.
  const fresh = `${target}.${tool}.${process.pid}`
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  const compiler = compilers.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)
  if (!compiler) {
    console.error(
      `The test tools need a C++20 compiler; none of these runs: ${compilers.join(', ')}. Set CXX to one that does.`,
    )
    process.exit(1)
  }
  const { status } = spawnSync(compiler, [...flags, '-o', fresh, source], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
  renameSync(fresh, target + tool)
}
