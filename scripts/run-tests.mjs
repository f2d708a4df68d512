// Runs test files and C++ tests, and counts their results for a run's summary (results.mjs).
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { addResult } from './results.mjs'
import { asSubtest, runTestFile } from './test-file.mjs'
import { root, treeFiles } from './tree-files.mjs'

/** The directory of the compiled tests. */
export const compiledTests = path.join('dist', 'work', 'test')

/** The source tree's test files, as paths of their compiled files. */
export function testFiles() {
  return treeFiles()
    .filter((name) => /^test\/.*\.test\.ts$/.test(name))
    .map((name) => path.join('dist', 'work', name.replace(/\.ts$/, '.js')))
}

/**
 * Whether a test file has the line `// Alone: REASON`: it must not share the machine with other tests, because it sends
 * at the kernel's maximum rate and counts what arrives, or compares machine-wide counters.
 */
function wantsAlone(file) {
  const source = path.join(
    root,
    file
      .replace(/^dist\/work\//, '')
      .replace('/dist/', '/')
      .replace(/\.js$/, '.ts'),
  )
  return existsSync(source) && /^\/\/ Alone: \S/m.test(readFileSync(source, 'utf8'))
}

/**
 * Number of test files run in parallel: tests mostly wait, and each live test has its own network namespace.
 * RINGTAP_JOBS overrides it.
 */
const jobs = Number(process.env.RINGTAP_JOBS) || availableParallelism() + 1

/**
 * Runs test files in parallel, and then those marked `Alone` one at a time. Prints a line for each file, and the output
 * of those that fail; build/NAME.tap has all of it.
 *
 * @param name of the stage in the results
 * @param files paths from the root of the tree
 * @param options see {@link runTestFile}
 * @returns whether all have passed
 */
export async function tap(name, files, options = {}) {
  const alone = files.filter(wantsAlone)
  const together = files.filter((file) => !alone.includes(file))
  const first = await runFiles(name, together, jobs, options)
  const second = await runFiles(`${name}, one at a time`, alone, 1, options)
  return first && second
}

async function runFiles(name, files, parallel, options) {
  if (files.length === 0) return true
  const raw = path.join(root, 'build', `${name.replace(/\W+/g, '-')}.tap`)
  mkdirSync(path.dirname(raw), { recursive: true })
  writeFileSync(raw, `TAP version 14\n1..${files.length}\n`)
  console.log(`\n### ${name}: ${files.length} files`)
  const began = performance.now()
  const queue = [...files]
  let ended = 0
  let passed = true
  const work = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const result = await runTestFile(file, options)
      passed &&= result.passed
      const text = asSubtest(++ended, file, result)
      appendFileSync(raw, text)
      if (!result.passed) console.log(text)
      else
        for (const [skip] of result.output.matchAll(/^.*# (SKIP|TODO)\b.*$/gim)) console.log(`${file}: ${skip.trim()}`)
      if (result.errors !== '') console.error(`${file}, standard error:\n${result.errors.trimEnd()}`)
      const outcome = result.passed ? 'ok' : 'FAILED'
      console.log(`${outcome.padEnd(8)}${result.seconds.toFixed(1).padStart(6)} s  ${file}`)
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  const counts = countTap(readFileSync(raw, 'utf8'))
  if (!passed && counts.failed === 0) counts.failed = 1
  addResult({ name, ...counts, seconds: (performance.now() - began) / 1000 })
  return passed
}

/**
 * Counts the tests in raw TAP: those one level below the files. A file that fails without a failed test (it crashed or
 * timed out) counts as one failure, and one that is skipped as a whole as one skipped test.
 *
 * @returns {{ passed: number, failed: number, skipped: number, files: { name: string, seconds: number }[] }}
 */
export function countTap(text) {
  const result = { passed: 0, failed: 0, skipped: 0, files: [] }
  let failedFiles = 0
  for (const line of text.split('\n')) {
    const file = /^(not )?ok \d+ - (\S+)(?:.*# time=([\d.]+)(ms|s|m))?/.exec(line)
    if (file) {
      const [, not, name, time, unit] = file
      if (not) failedFiles++
      const scale = { ms: 1000, s: 1, m: 1 / 60 }[unit ?? 'ms']
      result.files.push({
        name: name.replace(`${compiledTests}/`, '').replace('/dist/', '/'),
        seconds: Number(time ?? 0) / scale,
      })
      continue
    }
    if (/^ {4}1\.\.0 # SKIP\b/i.test(line)) result.skipped++
    const test = /^ {4}(not )?ok \d+(.*)$/.exec(line)
    if (!test) continue
    if (/# (SKIP|TODO)\b/i.test(test[2])) result.skipped++
    else if (test[1]) result.failed++
    else result.passed++
  }
  result.failed = Math.max(result.failed, failedFiles)
  return result
}

/**
 * Runs C++ tests in a directory built by CMake, one per processor at a time, or RINGTAP_JOBS.
 *
 * @param name of the stage in the results
 * @param options.names the tests; default: all
 * @param options.prefix a command prefixed to ctest's
 * @returns whether all have passed
 */
export async function ctest(name, directory, { names, prefix = [] } = {}) {
  const only = names ? ['-R', `^(${names.join('|')})$`] : []
  const parallel = process.env.RINGTAP_JOBS || availableParallelism()
  const ctest = [
    'ctest',
    '--test-dir',
    directory,
    '--output-on-failure',
    '--no-tests=error',
    '--parallel',
    `${parallel}`,
  ]
  const [command, ...args] = [...prefix, ...ctest, ...only]
  const began = performance.now()
  const { status, output } = await run(command, args, { keep: true })
  const counts = countCtest(output)
  if (status !== 0 && counts.failed === 0) counts.failed = 1
  addResult({ name, ...counts, seconds: (performance.now() - began) / 1000 })
  return status === 0
}

/** Counts the tests in ctest's output. */
export function countCtest(text) {
  const result = { passed: 0, failed: 0, skipped: 0, files: [] }
  for (const [, name, outcome, seconds] of text.matchAll(/^ *\d+\/\d+ Test +#\d+: (\S+) \.*(.*?) +([\d.]+) sec/gm)) {
    if (/Skipped|Not Run/.test(outcome)) result.skipped++
    else if (/Passed/.test(outcome)) result.passed++
    else result.failed++
    result.files.push({ name, seconds: Number(seconds) })
  }
  return result
}

/**
 * Runs a command in the root of the tree and shows its output.
 *
 * @returns its exit code (1 for a signal), and its standard output if `keep` is set
 */
export function run(command, args, { keep = false, env = {} } = {}) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', keep ? 'pipe' : 'inherit', 'inherit'],
  })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    output += text
    process.stdout.write(text)
  })
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${command} cannot be run: ${error.message}. scripts/system-packages installs it (README.md).`)
      resolve({ status: 1, output })
    })
    child.on('close', (code) => resolve({ status: code ?? 1, output }))
  })
}
