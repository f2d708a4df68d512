// Runs the C++ under the sanitizers, and its fuzzers. CONTRIBUTING.md has the details.
//
//   node scripts/test-sanitized.mjs address [PART…]   AddressSanitizer and UndefinedBehaviorSanitizer: the C++ tests, and
//                                                     the tests in JavaScript, over an addon built with them
//   node scripts/test-sanitized.mjs thread [PART…]    ThreadSanitizer: the C++ tests,
//                                                     and some tests in JavaScript
//   node scripts/test-sanitized.mjs fuzz [PART…]      each fuzzer, for RINGTAP_FUZZ_SECONDS (default 60)
//   node scripts/test-sanitized.mjs short             some of each, for every change
//   node scripts/test-sanitized.mjs build             what the short run runs, built and not run
//
// With PARTs, only tests whose names contain one of them.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { cmakeOptions } from './native-tests.mjs'
import { addResult } from './results.mjs'
import { compiledTests, ctest, tap } from './run-tests.mjs'
import { judge } from './sanitizer-reports.mjs'
import { root } from './tree-files.mjs'

process.env.CCACHE_SLOPPINESS ??= 'pch_defines,time_macros' // for ccache to cache what uses precompiled headers

const build = path.join(root, 'build')
const jobs = String(availableParallelism())

/** Tests of the short run: those with the most threads, the most traffic and the most ways to end. */
const shortLive = [
  'asynchronous-readers',
  'chaos/chaos',
  'compile-filter-worker',
  'hotplug',
  'lifecycle',
  'netns',
  'overflow',
  'record-late',
  'set-filter',
]
const shortThread = ['live_test']

/**
 * The JavaScript tests that work with ThreadSanitizer's runtime preloaded: others start shells and tools that do not,
 * or cannot keep up with their own traffic.
 */
const threadLive = [
  'filter/compile-filter-worker',
  'live/capture/lifecycle',
  'live/capture/netns',
  'live/filter/set-filter',
]

/** Tests that run none of our C++ code. */
const withoutNative = ['packets/hexdump', 'package/']

/** Runs a command; exits with its code if that is not 0. */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error)
    console.error(`${command} cannot be run: ${error.message}. scripts/system-packages installs it (README.md).`)
  if (status !== 0) process.exit(status ?? 1)
}

/** Returns the path of a GCC library; exits if it does not exist. */
function library(name) {
  const { stdout } = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' })
  const found = stdout?.trim() ?? ''
  if (path.isAbsolute(found)) return found
  const demanded = !['', '0', 'false'].includes(process.env.CI ?? '')
  console.error(`*** ${demanded ? 'FAILED' : 'NOT RUN'}: g++ has no ${name} here (there is none for musl)`)
  process.exit(demanded ? 1 : 0)
}

/**
 * The command prefix that disables address space randomisation: GCC 12's ThreadSanitizer supports at most 28 random
 * bits.
 */
function unshuffled() {
  return spawnSync('setarch', ['-R', 'true']).status === 0 ? ['setarch', '-R'] : []
}

function title(text) {
  console.error(`\n### ${text}`)
}

const have = (names, parts) => names.filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))

/** The programs that CMake builds from the sources `*SUFFIX.cpp` below `test/DIRECTORY`. */
function programs(directory, suffix, parts) {
  const sources = readdirSync(path.join(root, 'test', directory), { recursive: true })
    .filter((name) => name.endsWith(`${suffix}.cpp`))
    .map((name) => path.basename(name))
  return have(
    sources.map((name) => name.slice(0, -'.cpp'.length)),
    parts,
  )
}

/** Builds the addon and the C++ tests together, because they share the core. */
function compile(directory, sanitizer, targets) {
  if (targets.length === 0) return
  const options = [`-DRINGTAP_SANITIZE=${sanitizer}`, '-DRINGTAP_TESTS=ON', ...cmakeOptions()]
  // `cmake-js compile` is not used, because it starts over after an error.
  run('npx', ['cmake-js', 'configure', '-O', directory, ...options.map((option) => option.replace('-D', '--CD'))])
  run('cmake', ['--build', directory, '--parallel', jobs, '--target', ...targets])
}

/**
 * Runs the JavaScript tests with the addon in the directory. Node is not built with the sanitizer, so the sanitizer's
 * runtime is preloaded.
 */
async function live(name, directory, tests, runtime, options, environment = {}) {
  const reports = `${directory}-reports`
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  chmodSync(reports, 0o1777) // some tests switch to another user
  const where = `log_exe_name=1:log_path=${reports}/report`
  const settings = {
    LD_PRELOAD: library(runtime),
    RINGTAP_PREBUILD: directory,
    RINGTAP_PATIENCE: '5',
    ...Object.fromEntries(Object.entries(options).map(([name, value]) => [name, `${value}:${where}`])),
    ...environment,
  }
  const files = tests.map((name) => path.join(compiledTests, `${name}.test.js`))
  const passed = await tap(name, files, { timeout: 1200, env: settings })
  const texts = readdirSync(reports).map((name) => ({ name, text: readFileSync(path.join(reports, name), 'utf8') }))
  const { findings, excused, foreign } = judge(texts)
  for (const { name, text } of findings) console.error(`\n*** ${name}\n${text}`)
  console.error(`${findings.length} findings; leaks of Node itself: ${excused}; reports of other programs: ${foreign}`)
  addResult({ name: `${name}, reports`, passed: findings.length > 0 ? 0 : 1, failed: findings.length, seconds: 0 })
  return passed && findings.length === 0
}

/** The C++ and JavaScript tests of each kind of run, by parts of their names. */
function addressSuite(parts) {
  const all = readdirSync(path.join(root, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => name.slice(0, -'.test.ts'.length))
    .filter((name) => !withoutNative.some((one) => name.startsWith(one)))
    .sort()
  return { directory: path.join(build, 'asan'), names: programs('native', '_test', parts), tests: have(all, parts) }
}

function threadSuite(parts) {
  return {
    directory: path.join(build, 'tsan'),
    names: programs('native', '_test', parts),
    tests: have(threadLive, parts),
  }
}

const fuzzSuite = (parts) => ({ directory: path.join(build, 'fuzz'), names: programs('fuzz', '_fuzz', parts) })

function compileSuite(sanitizer, { directory, names, tests }) {
  library(sanitizer === 'address' ? 'libasan.so' : 'libtsan.so')
  compile(directory, sanitizer, [...names, ...(tests.length > 0 ? ['ringtap'] : [])])
}

function compileFuzzers({ directory, names }, seconds) {
  const options = [
    'RINGTAP_FUZZERS=ON',
    'RINGTAP_SANITIZE=address',
    'CMAKE_CXX_COMPILER=clang++',
    `RINGTAP_FUZZ_SECONDS=${seconds}`,
  ].map((option) => `-D${option}`)
  run('cmake', ['-S', root, '-B', directory, ...options, ...cmakeOptions()])
  run('cmake', ['--build', directory, '--parallel', jobs, '--target', 'seeds', ...names])
}

async function address(suite, environment) {
  title('AddressSanitizer and UndefinedBehaviorSanitizer')
  compileSuite('address', suite)
  const options = {
    // Unwinds by frame pointers, which our own code has; unwinding by tables would take ten times as long.
    ASAN_OPTIONS: 'detect_leaks=1:malloc_context_size=20',
    LSAN_OPTIONS: 'exitcode=0', // leaks are judged after all tests have run
    UBSAN_OPTIONS: 'print_stacktrace=1',
  }
  return await both('AddressSanitizer', suite, 'libasan.so', options, environment)
}

async function thread(suite) {
  title('ThreadSanitizer')
  compileSuite('thread', suite)
  return await both('ThreadSanitizer', suite, 'libtsan.so', { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1' })
}

/** Runs the C++ tests of a suite, then the JavaScript tests. */
async function both(name, { directory, names, tests }, runtime, options, environment) {
  const prefix = unshuffled()
  const inNative = names.length === 0 || (await ctest(`C++ tests, ${name}`, directory, { names, prefix }))
  const inJavaScript =
    tests.length === 0 || (await live(`tests, ${name}`, directory, tests, runtime, options, environment))
  return inNative && inJavaScript
}

async function fuzz(suite, seconds) {
  title(`Fuzzers, ${seconds} s each`)
  compileFuzzers(suite, seconds)
  return await ctest('fuzzers', suite.directory, { names: suite.names, prefix: unshuffled() })
}

function upToDate() {
  for (const script of ['build', 'build:tools']) run('npm', ['run', '--silent', script])
}

const [kind, ...parts] = process.argv.slice(2)
const short = { thread: threadSuite(shortThread), address: addressSuite([...shortLive, '_test']), fuzz: fuzzSuite([]) }
const fuzzSeconds = Number(process.env.RINGTAP_FUZZ_SECONDS) || (kind === 'fuzz' ? 60 : 5)
let passed = true
switch (kind) {
  case 'address':
    upToDate()
    passed = await address(addressSuite(parts))
    break
  case 'thread':
    upToDate()
    passed = await thread(threadSuite(parts))
    break
  case 'fuzz':
    passed = await fuzz(fuzzSuite(parts), fuzzSeconds)
    break
  case 'build':
    compileSuite('thread', short.thread)
    compileFuzzers(short.fuzz, fuzzSeconds)
    compileSuite('address', short.address)
    break
  case 'short': {
    upToDate()
    const outcomes = [
      await thread(short.thread),
      await fuzz(short.fuzz, fuzzSeconds),
      await address(short.address, { RINGTAP_CHAOS_SECONDS: '5' }),
    ]
    passed = outcomes.every(Boolean)
    break
  }
  default:
    console.error('usage: node scripts/test-sanitized.mjs address|thread|fuzz [PART…], or short, or build')
    process.exit(2)
}
if (!passed) process.exitCode = 1
