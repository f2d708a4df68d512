// The only place that loads the native addon. CommonJS in both builds, so that Node's module cache holds it once.

let addon: unknown
let failure: Error | undefined
let bundled = false
try {
  // Not at the top of the file: in a bundle of ES modules each require() throws, and nativeExports() is to report that.
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
  // No require() or no __dirname: this is not the CommonJS module that was published.
  failure = error as Error
  bundled = true
}

/** Whether this is the package's own package.json: the addon lies beside it. */
function isPackage(manifest: string): boolean {
  const fs: typeof import('node:fs') = require('node:fs')
  try {
    return JSON.parse(fs.readFileSync(manifest, 'utf8')).name === 'ringtap'
  } catch {
    return false
  }
}

export = { addon, failure, bundled }
