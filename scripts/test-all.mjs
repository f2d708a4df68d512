// `npm run test:all`, which CI runs after the build: all tests, clang-tidy, and the short sanitizer run. Tests mostly
// wait, so the code for later stages is compiled in parallel with the earlier ones, at the lowest priority.
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { addResult } from './results.mjs'
import { root } from './tree-files.mjs'

const script = (name, ...args) => [process.execPath, path.join(root, 'scripts', `${name}.mjs`), ...args]

/** Starts a command at low priority, with its output in build/NAME.log; resolves to its exit code. */
function behind(name, command) {
  mkdirSync(path.join(root, 'build'), { recursive: true })
  const log = createWriteStream(path.join(root, 'build', `${name}.log`))
  const child = spawn('nice', ['-n', '19', ...command], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  return new Promise((resolve) => {
    child.on('error', () => resolve(1))
    child.on('close', (code) => log.end(() => resolve(code ?? 1)))
  })
}

function ahead(command) {
  const child = spawn(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  return new Promise((resolve) => {
    child.on('error', () => resolve(1))
    child.on('close', (code) => resolve(code ?? 1))
  })
}

/** Runs a step in the background, and adds its result; resolves to its exit code. */
async function step(name, command) {
  const began = performance.now()
  const status = await behind(name, command)
  const log = readFileSync(path.join(root, 'build', `${name}.log`), 'utf8')
  if (status !== 0) console.log(`\n*** ${name}\n${log.slice(-20_000)}`)
  addResult({
    name: `${name}, beside the tests`,
    passed: status === 0 ? 1 : 0,
    failed: status === 0 ? 0 : 1,
    seconds: (performance.now() - began) / 1000,
  })
  return status
}

// One after another, so that they never exceed make's job count.
const native = step('native', script('native-tests', '--addon', '--build'))
const sanitized = native.then(() => step('sanitized', script('test-sanitized', 'build')))
const tidy = sanitized.then(() => step('tidy', script('tidy')))
const statuses = [await ahead(script('test')), await native, await sanitized]
// The sanitized tests allow for a slow machine: tidy may go on beside them.
statuses.push(await ahead(script('test-sanitized', 'short')), await tidy)
if (statuses.some((status) => status !== 0)) process.exitCode = 1
