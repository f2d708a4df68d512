// `npm run test:portable`: builds the half of the addon that needs no Linux (docs/architecture.md), as it is on macOS,
// and runs the tests of that half with it. A part of every release.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { compiledTests, run, tap, testFiles } from './run-tests.mjs'
import { root } from './tree-files.mjs'

const directory = path.join(root, 'build', 'portable')

/** Tests of what needs no Linux, below test/. The others open captures, injectors or lists of interfaces. */
const portable = /^(dissect|filter|flows|frame|interfaces|packets|portable|protocols|streams|savefile)\//
/** Tests of that half that use a part of the other one as well. */
const mixed = ['savefile/savefile-odd.test.js']

const files = testFiles().filter((file) => {
  const name = path.relative(compiledTests, file).split(path.sep).join('/')
  return portable.test(name) && !mixed.includes(name)
})

const compiled = await run('npm', ['run', '--silent', 'build:ts'])
const configured = await run('npx', ['cmake-js', 'configure', '-O', directory, '--CDRINGTAP_PORTABLE=ON'])
const built =
  compiled.status === 0 &&
  configured.status === 0 &&
  (await run('cmake', ['--build', directory, '--parallel', '2'])).status === 0
const addon = path.join(directory, 'build', 'Release', 'ringtap.node')
if (!built || !existsSync(addon)) {
  console.error('*** the half that needs no Linux was not built')
  process.exitCode = 1
} else if (!(await tap('portable', files, { env: { RINGTAP_PREBUILD: directory, RINGTAP_PORTABLE: '1' } }))) {
  process.exitCode = 1
}
