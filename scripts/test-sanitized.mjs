// The C++ under a sanitizer: `address` (with undefined behaviour), `thread`, or `fuzz`. CONTRIBUTING.md says more.
//
// address: the C++ tests, then the tests in JavaScript over an addon built with it.
// thread:  the C++ tests; Node itself is not clean under it.
// fuzz:    each fuzzer for RINGTAP_FUZZ_SECONDS (default 20).
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const kind = process.argv[2]
const filters = process.argv.slice(3)
const build = path.join(root, 'build')

/** Runs a command and ends with its code if that is not 0, unless it may fail. */
function run(command, args, { env = {}, mayFail = false } = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (error) console.error(`${command}: ${error.message}`)
  if (status !== 0 && !mayFail) process.exit(status ?? 1)
  return status === 0
}

function cmake(directory, ...options) {
  run('cmake', ['-S', root, '-B', directory, ...options.map((option) => `-D${option}`)])
  run('cmake', ['--build', directory, '--parallel'])
  run('ctest', ['--test-dir', directory, '--output-on-failure', ...(kind === 'fuzz' ? ['--parallel', '2'] : [])])
}

/**
 * What the sanitizer wrote into a directory that concerns us: every error, and the leaks with a frame of the addon in
 * their stack. Node keeps much until it exits, and so do ip and tcpdump, which inherit the sanitizer; a suppression file
 * would not do, because a suppression hits any frame of a stack, and Node is in all of ours.
 */
function findings(directory) {
  const found = []
  for (const name of readdirSync(directory)) {
    const text = readFileSync(path.join(directory, name), 'utf8')
    for (const part of text.split(/\n\n+/)) {
      const leak = /(Direct|Indirect) leak of/.test(part)
      const error = /ERROR: AddressSanitizer|runtime error:/.test(part)
      // A worker that ended may have unloaded the addon: then its frames have no name.
      if (error || (leak && /ringtap\.node|<unknown module>/.test(part))) found.push(`${name}:\n${part}`)
    }
  }
  return found
}

function addressOfAddon() {
  const addon = path.join(build, 'asan-addon')
  run('npx', ['cmake-js', 'compile', '-O', addon, '--CDRINGTAP_SANITIZE=address'])
  run('npm', ['run', '--silent', 'build:ts'])
  run('npm', ['run', '--silent', 'build:tools'])
  const library = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim()
  const reports = path.join(build, 'asan-reports')
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  const tests = path.join('dist', 'work', 'test')
  // The package's contents do not change with the compiler's flags.
  const files = readdirSync(path.join(root, tests), { recursive: true })
    .filter((name) => name.endsWith('.test.js') && !name.startsWith('package'))
    .filter((name) => filters.length === 0 || filters.some((part) => name.includes(part)))
    .map((name) => path.join(tests, name))
  const passed = run('npx', ['tap', '--disable-coverage', '--timeout=300', ...files], {
    env: {
      LD_PRELOAD: library,
      ASAN_OPTIONS: `detect_leaks=1:log_path=${reports}/report`,
      LSAN_OPTIONS: 'exitcode=0:report_objects=0',
      UBSAN_OPTIONS: `print_stacktrace=1:log_path=${reports}/report`,
      RINGTAP_PREBUILD: addon,
    },
    mayFail: true,
  })
  const found = findings(reports)
  for (const each of found) console.error(`\n*** ${each}`)
  console.error(`${readdirSync(reports).length} reports of the sanitizer, ${found.length} findings in ringtap`)
  process.exitCode = passed && found.length === 0 ? 0 : 1
}

switch (kind) {
  case 'address':
    if (filters.length === 0) cmake(path.join(build, 'asan'), 'RINGTAP_TESTS=ON', 'RINGTAP_SANITIZE=address')
    addressOfAddon()
    break
  case 'thread':
    cmake(path.join(build, 'tsan'), 'RINGTAP_TESTS=ON', 'RINGTAP_SANITIZE=thread')
    break
  case 'fuzz':
    cmake(
      path.join(build, 'fuzz'),
      'RINGTAP_FUZZERS=ON',
      'RINGTAP_SANITIZE=address',
      'CMAKE_CXX_COMPILER=clang++',
      `RINGTAP_FUZZ_SECONDS=${Number(process.env.RINGTAP_FUZZ_SECONDS) || 20}`,
    )
    break
  default:
    console.error('usage: node scripts/test-sanitized.mjs address|thread|fuzz')
    process.exit(2)
}
