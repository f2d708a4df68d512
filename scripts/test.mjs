// `npm test`: all tests in JavaScript, and the C++ tests of the core.
//
//   node scripts/test.mjs                   everything
//   node scripts/test.mjs [ARGUMENT…]       tap alone, with these arguments: files, options
import path from 'node:path'
import { noNativeTests, testNative } from './native-tests.mjs'
import { addResult } from './results.mjs'
import { run, tap, testFiles } from './run-tests.mjs'
import { root } from './tree-files.mjs'

const args = process.argv.slice(2)
if (args.length > 0) {
  const { status } = await run(path.join(root, 'node_modules', '.bin', 'tap'), args)
  process.exit(status)
}

const inJavaScript = await tap('tests', testFiles())
const missing = noNativeTests()
let inNative = false
if (missing) {
  const demanded = !['', '0', 'false'].includes(process.env.CI ?? '')
  console.error(`*** C++ tests ${demanded ? 'FAILED' : 'NOT RUN'}: ${missing}`)
  addResult({ name: 'C++ tests', passed: 0, failed: demanded ? 1 : 0, skipped: demanded ? 0 : 1, seconds: 0 })
  inNative = !demanded
} else {
  inNative = await testNative({ addon: true })
}
if (!inJavaScript || !inNative) process.exitCode = 1
