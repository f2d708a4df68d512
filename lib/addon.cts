// The only place that loads the native addon. CommonJS in both builds, so that Node's module cache holds it once.
import path = require('node:path')

// dist/esm and dist/cjs in the package; dist/work/lib where tests, benchmarks and examples are compiled with the library.
const inWork = path.basename(path.dirname(__dirname)) === 'work'
const root = path.join(__dirname, inWork ? '../../..' : '../..')

let addon: unknown
let failure: Error | undefined
try {
  addon = require('node-gyp-build')(root)
} catch (error) {
  failure = error as Error
}

export = { addon, failure }
