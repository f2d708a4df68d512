// Runs one compiled test file, as `npx tap FILE` does but without tap's runner: that loads modules into each process and
// each worker, the test's children included, which takes more time than most tests.
import { spawn } from 'node:child_process'
import { root } from './tree-files.mjs'

/** Time limit of a file that sets none by `t.setTimeout()`, in seconds. */
const defaultTimeout = 300

/**
 * Runs a test file.
 *
 * @param file path from the root of the tree
 * @param options.env further environment variables
 * @param options.timeout time limit in seconds, unless the file sets its own
 * @param options.grace how long the file may run after its limit, in seconds: tap in the test reports a time-out itself,
 *   unless the test is blocked
 * @returns {Promise<{ passed: boolean, output: string, errors: string, seconds: number }>} whether it passed, its TAP,
 *   and its standard error
 */
export function runTestFile(file, { env = {}, timeout = defaultTimeout, grace = 20 } = {}) {
  const began = performance.now()
  // The channel carries the limit that the test sets (see the TAP class of @tapjs/core).
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    cwd: root,
    env: { ...process.env, TAP: '1', TAP_CHILD_ID: '1', TAP_CHILD_KEY: '1', TAP_TIMEOUT: String(timeout), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text))

  let timer
  const limit = (ms) => {
    clearTimeout(timer)
    if (!(ms > 0)) return // the file has no limit
    timer = setTimeout(
      () => {
        errors += `*** ${file} has not ended in ${ms / 1000} s\n`
        child.kill('SIGALRM') // the test prints what it waits for
        timer = setTimeout(() => child.kill('SIGKILL'), grace * 1000)
      },
      ms + grace * 1000,
    )
  }
  limit(timeout * 1000)
  child.on('message', (message) => message?.setTimeout !== undefined && limit(message.setTimeout))

  return new Promise((resolve) => {
    const end = (status) => {
      clearTimeout(timer)
      const passed = status === 0 && complete(output)
      resolve({ passed, output, errors, seconds: (performance.now() - began) / 1000 })
    }
    child.on('error', (error) => {
      errors += `${error.message}\n`
      end(1)
    })
    child.on('close', (code, signal) => {
      if (signal) errors += `*** ${file} was ended by ${signal}\n`
      end(code)
    })
  })
}

/** Whether a file's TAP has a plan, and a result for each planned test, of which there is one at least. */
function complete(output) {
  if (/^1\.\.0 # SKIP\b/im.test(output)) return true
  const planned = Number(/^1\.\.(\d+)/m.exec(output)?.[1] ?? 0)
  return planned > 0 && planned === [...output.matchAll(/^(?:not )?ok \d+/gm)].length
}

/** Formats a file's result as a subtest, as tap's runner does. */
export function asSubtest(number, file, { passed, output, seconds }) {
  const inside = output
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('TAP version'))
    .map((line) => (line === '' ? line : `    ${line}`))
  const result = `${passed ? 'ok' : 'not ok'} ${number} - ${file} # time=${(seconds * 1000).toFixed(0)}ms`
  return [`# Subtest: ${file}`, ...inside, result, ''].join('\n')
}
