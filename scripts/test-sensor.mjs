// The tests of examples/sensor, once it is built: all of them, or the files that are named.
//
//   node scripts/test-sensor.mjs [FILE…]    FILE as in examples/sensor: test/live/containers.test.ts
import { tap } from './run-tests.mjs'
import { treeFiles } from './tree-files.mjs'

const application = 'examples/sensor'
const named = process.argv.slice(2).map((name) => `${application}/${name}`)
const files = treeFiles()
  .filter((name) => /^examples\/sensor\/test\/.*\.test\.ts$/.test(name))
  .filter((name) => named.length === 0 || named.includes(name))
  .map((name) => name.replace(`${application}/test/`, `${application}/dist/test/`).replace(/\.ts$/, '.js'))

if (files.length === 0) console.error('test-sensor: no such test')
if (files.length === 0 || !(await tap('sensor', files))) process.exitCode = 1
