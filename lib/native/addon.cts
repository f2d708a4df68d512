// The only place that loads the native addon. CommonJS in both builds, so that Node's module cache holds it once.

let addon: unknown
let failure: Error | undefined
let bundled = false
try {
  // Inside the try block: in a bundle of ES modules every require() throws, and nativeExports() reports that error.
  const path: typeof import('node:path') = require('node:path')
  // This file is dist/esm/native/addon.cjs or dist/cjs/native/addon.js.
  const root = path.join(__dirname, '../../..')
  try {
    addon = require('node-gyp-build')(root)
  } catch (error) {
    failure = error as Error
    bundled = !isPackage(path.join(root, 'package.json'))
  }
} catch (error) {
  // No require() or no __dirname: a bundler has converted this CommonJS module.
  failure = error as Error
  bundled = true
}

/** Whether this is ringtap's own package.json. The addon is in the same folder. */
function isPackage(manifest: string): boolean {
  const fs: typeof import('node:fs') = require('node:fs')
  try {
    return JSON.parse(fs.readFileSync(manifest, 'utf8')).name === 'ringtap'
  } catch {
    return false
  }
}

export = { addon, failure, bundled }
