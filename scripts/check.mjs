// `npm run check`: the checks that need neither a full build nor a test run, in less than a minute. The first step of
// CI.
//
//   node scripts/check.mjs [PART…]    only the parts of these names
//   node scripts/check.mjs --format   formats the C++ instead
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { addResult } from './results.mjs'
import { root, treeFiles } from './tree-files.mjs'

const demanded = !['', '0', 'false'].includes(process.env.CI ?? '')
const bin = (name) => path.join(root, 'node_modules', '.bin', name)
const script = (name, ...args) => [process.execPath, path.join(root, 'scripts', `${name}.mjs`), ...args]

/**
 * Finds the formatter, or the reason why it is missing. Its version must match, because other versions format
 * differently.
 */
function clangFormat() {
  const wanted = 14
  for (const name of [`clang-format-${wanted}`, 'clang-format']) {
    const { stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' })
    if (stdout?.includes(`version ${wanted}.`)) return { command: name }
  }
  return { missing: `there is no clang-format ${wanted} here; Debian 12: scripts/system-packages clang-format` }
}

const format = clangFormat()
const cpp = treeFiles().filter((name) => /\.(cpp|h)$/.test(name))
const parts = [
  // Longest-running parts first.
  // Builds dist first, because tests, benchmarks and examples import the package by its name.
  { name: 'types', command: ['npm', 'run', '--silent', 'build:ts'], remedy: 'the compiler says where' },
  { name: 'site', command: script('site/index') },
  { name: 'docs', command: script('check-docs') },
  { name: 'api', command: script('api-report', '--check'), remedy: 'npm run api' },
  {
    name: 'clang-format',
    command: [format.command, '--dry-run', '-Werror', ...cpp],
    missing: format.missing,
    remedy: 'npm run format',
  },
  { name: 'biome', command: [bin('biome'), 'check'], remedy: 'npm run format mends most of it' },
  { name: 'arrows', command: script('check-arrows') },
  { name: 'hygiene', command: script('check-hygiene') },
]

/** Runs a part and prints its result, and its output if it failed. */
async function run({ name, command, missing, remedy }) {
  const began = performance.now()
  const outcome = (text) => console.log(`${text.padEnd(8)}${name.padEnd(14)}${seconds(began).toFixed(1)} s`)
  if (!missing && !existsSync(bin('tsc'))) missing = 'the development tools are not installed: npm ci'
  if (missing) {
    outcome(demanded ? 'FAILED' : 'NOT RUN')
    console.log(`*** ${missing}`)
    return demanded ? 'failed' : 'skipped'
  }
  const child = spawn(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const status = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += error.message
      resolve(1)
    })
    child.on('close', resolve)
  })
  outcome(status === 0 ? 'ok' : 'FAILED')
  if (status !== 0) console.log(`${output.trimEnd()}\n${remedy ? `*** ${remedy}\n` : ''}`)
  return status === 0 ? 'passed' : 'failed'
}

const seconds = (began) => (performance.now() - began) / 1000

const chosen = process.argv.slice(2)
if (chosen[0] === '--format') {
  if (format.missing) console.error(`*** The C++ was not formatted: ${format.missing}`)
  process.exit(format.missing ? 1 : spawnSync(format.command, ['-i', ...cpp], { cwd: root, stdio: 'inherit' }).status)
}
const unknown = chosen.filter((name) => !parts.some((part) => part.name === name))
if (unknown.length > 0) {
  console.error(`check.mjs: no part ${unknown.join(', ')}; there are ${parts.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const began = performance.now()
const queue = parts.filter(({ name }) => chosen.length === 0 || chosen.includes(name))
const counts = { passed: 0, failed: 0, skipped: 0 }
const work = async () => {
  for (let part = queue.shift(); part; part = queue.shift()) counts[await run(part)]++
}
await Promise.all([work(), work()])
addResult({ name: 'check', ...counts, seconds: seconds(began) })
if (counts.failed > 0) process.exitCode = 1
