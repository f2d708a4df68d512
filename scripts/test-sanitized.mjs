// The C++ under the sanitizers, and its fuzzers. CONTRIBUTING.md says more.
//
//   node scripts/test-sanitized.mjs address [PART…]   AddressSanitizer and UndefinedBehaviorSanitizer: the C++ tests, and
//                                                     the tests in JavaScript, over an addon built with them
//   node scripts/test-sanitized.mjs thread [PART…]    ThreadSanitizer: the C++ tests,
//                                                     and some tests in JavaScript
//   node scripts/test-sanitized.mjs fuzz [PART…]      each fuzzer, for RINGTAP_FUZZ_SECONDS (default 60)
//   node scripts/test-sanitized.mjs short             some of each, for every change
//
// With PARTs only those tests whose names contain one of them.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { judge } from './sanitizer-reports.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const build = path.join(root, 'build')
const compiledTests = path.join('dist', 'work', 'test')
const jobs = String(availableParallelism())

/** In the short run: those with the most threads, the most traffic and the most ways to end. */
const shortLive = ['chaos', 'compile-filter-worker', 'hotplug', 'lifecycle', 'netns', 'overflow', 'set-filter']
const shortThread = ['live_test']

/**
 * Of the tests in JavaScript, those that bear ThreadSanitizer's runtime ahead of Node: others start shells and tools that
 * do not, or are outrun by their own traffic.
 */
const threadLive = [
  'filter/compile-filter-worker',
  'live/capture/lifecycle',
  'live/capture/netns',
  'live/filter/set-filter',
]

/** Tests that run no C++ of ours. */
const withoutNative = ['packets/hexdump', 'package/package', 'package/sanitizer-reports']

/** Runs a command; ends with its code if that is not 0, unless it may fail. */
function run(command, args, { env = {}, mayFail = false } = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (error) {
    console.error(`${command} cannot be run: ${error.message}. scripts/system-packages installs it (README.md).`)
    process.exit(1)
  }
  if (status !== 0 && !mayFail) process.exit(status ?? 1)
  return status === 0
}

/** The path of a library of GCC's; ends where there is none. */
function library(name) {
  const { stdout } = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' })
  const found = stdout?.trim() ?? ''
  if (path.isAbsolute(found)) return found
  const demanded = !['', '0', 'false'].includes(process.env.CI ?? '')
  console.error(`*** ${demanded ? 'FAILED' : 'NOT RUN'}: g++ has no ${name} here (there is none for musl)`)
  process.exit(demanded ? 1 : 0)
}

/** The prefix for programs whose addresses must not be shuffled: GCC 12's ThreadSanitizer bears 28 bits of that. */
function unshuffled() {
  return spawnSync('setarch', ['-R', 'true']).status === 0 ? ['setarch', '-R'] : []
}

function title(text) {
  console.error(`\n### ${text}`)
}

const have = (names, parts) => names.filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))

/** The programs that CMake makes of the sources `*SUFFIX.cpp` below `test/DIRECTORY`. */
function programs(directory, suffix, parts) {
  const sources = readdirSync(path.join(root, 'test', directory), { recursive: true })
    .filter((name) => name.endsWith(`${suffix}.cpp`))
    .map((name) => path.basename(name))
  return have(
    sources.map((name) => name.slice(0, -'.cpp'.length)),
    parts,
  )
}

function ctest(directory, names, parallel = '1') {
  if (names.length === 0) return
  const [command, ...rest] = [...unshuffled(), 'ctest', '--test-dir', directory, '--output-on-failure']
  run(command, [...rest, '--parallel', parallel, '-R', `^(${names.join('|')})$`])
}

/** One build for both: the addon and the C++ tests share the core. */
function compile(directory, sanitizer, targets) {
  if (targets.length === 0) return
  const options = [`RINGTAP_SANITIZE=${sanitizer}`, 'RINGTAP_TESTS=ON'].map((option) => `--CD${option}`)
  // Not `cmake-js compile`: that begins anew after an error.
  run('npx', ['cmake-js', 'configure', '-O', directory, ...options])
  run('cmake', ['--build', directory, '--parallel', jobs, '--target', ...targets])
}

/**
 * The tests in JavaScript, over the addon in the directory. Node is not built with the sanitizer: its runtime is loaded
 * ahead of it.
 */
function live(directory, tests, runtime, options, environment = {}) {
  const reports = `${directory}-reports`
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  chmodSync(reports, 0o1777) // some tests become another user
  const where = `log_exe_name=1:log_path=${reports}/report`
  const settings = {
    LD_PRELOAD: library(runtime),
    RINGTAP_PREBUILD: directory,
    RINGTAP_PATIENCE: '5',
    ...Object.fromEntries(Object.entries(options).map(([name, value]) => [name, `${value}:${where}`])),
    ...environment,
  }
  const env = Object.entries(settings).map(([name, value]) => `--test-env=${name}=${value}`)
  const files = tests.map((name) => path.join(compiledTests, `${name}.test.js`))
  const passed = run('npx', ['tap', '--disable-coverage', '--timeout=1200', ...env, ...files], { mayFail: true })
  const texts = readdirSync(reports).map((name) => ({ name, text: readFileSync(path.join(reports, name), 'utf8') }))
  const { findings, excused, foreign } = judge(texts)
  for (const { name, text } of findings) console.error(`\n*** ${name}\n${text}`)
  console.error(`${findings.length} findings; leaks of Node itself: ${excused}; reports of other programs: ${foreign}`)
  if (!passed || findings.length > 0) process.exit(1)
}

function address(parts, environment) {
  title('AddressSanitizer and UndefinedBehaviorSanitizer')
  library('libasan.so')
  const directory = path.join(build, 'asan')
  const names = programs('native', '_test', parts)
  const all = readdirSync(path.join(root, compiledTests), { recursive: true })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => name.slice(0, -'.test.js'.length))
    .filter((name) => !withoutNative.includes(name))
  const tests = have(all, parts)
  compile(directory, 'address', [...names, ...(tests.length > 0 ? ['ringtap'] : [])])
  ctest(directory, names)
  if (tests.length === 0) return
  const options = {
    // Stacks are followed by frame pointers, which our own code has: by their tables it would take ten times as long.
    ASAN_OPTIONS: 'detect_leaks=1:malloc_context_size=20',
    LSAN_OPTIONS: 'exitcode=0', // which leaks count is judged when all have run
    UBSAN_OPTIONS: 'print_stacktrace=1',
  }
  live(directory, tests, 'libasan.so', options, environment)
}

function thread(parts) {
  title('ThreadSanitizer')
  library('libtsan.so')
  const directory = path.join(build, 'tsan')
  const names = programs('native', '_test', parts)
  const tests = have(threadLive, parts)
  compile(directory, 'thread', [...names, ...(tests.length > 0 ? ['ringtap'] : [])])
  ctest(directory, names)
  if (tests.length > 0) live(directory, tests, 'libtsan.so', { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1' })
}

function fuzz(parts, seconds) {
  title(`Fuzzers, ${seconds} s each`)
  const directory = path.join(build, 'fuzz')
  const options = [
    'RINGTAP_FUZZERS=ON',
    'RINGTAP_SANITIZE=address',
    'CMAKE_CXX_COMPILER=clang++',
    `RINGTAP_FUZZ_SECONDS=${seconds}`,
  ].map((option) => `-D${option}`)
  run('cmake', ['-S', root, '-B', directory, ...options])
  const names = programs('fuzz', '_fuzz', parts)
  run('cmake', ['--build', directory, '--parallel', jobs, '--target', 'seeds', ...names])
  ctest(directory, names, jobs)
}

function upToDate() {
  for (const script of ['build', 'build:tools']) run('npm', ['run', '--silent', script])
}

const [kind, ...parts] = process.argv.slice(2)
switch (kind) {
  case 'address':
    upToDate()
    address(parts)
    break
  case 'thread':
    upToDate()
    thread(parts)
    break
  case 'fuzz':
    fuzz(parts, Number(process.env.RINGTAP_FUZZ_SECONDS) || 60)
    break
  case 'short':
    upToDate()
    fuzz([], Number(process.env.RINGTAP_FUZZ_SECONDS) || 10)
    thread(shortThread)
    address([...shortLive, '_test'], { RINGTAP_CHAOS_SECONDS: '5' })
    break
  default:
    console.error('usage: node scripts/test-sanitized.mjs address|thread|fuzz [PART…], or short')
    process.exit(2)
}
