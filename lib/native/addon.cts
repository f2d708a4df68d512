// The only place that loads the native addon. CommonJS in both builds, so that Node's module cache holds it once.
import path = require('node:path')

// This file is dist/esm/native/addon.cjs or dist/cjs/native/addon.js.
const root = path.join(__dirname, '../../..')

let addon: unknown
let failure: Error | undefined
try {
  addon = require('node-gyp-build')(root)
} catch (error) {
  failure = error as Error
}

export = { addon, failure }
