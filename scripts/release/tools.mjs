// Programs that are fetched from the npm registry by name and version, beside the development dependencies.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { outputOf, work } from './run.mjs'

/** Installs packages into a folder of build/package/tools, without their scripts; returns its node_modules. */
export function installTools(name, packages) {
  const folder = path.join(work, 'tools', name)
  const stamp = path.join(folder, 'installed.json')
  const wanted = JSON.stringify(packages)
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
    // --force: tools for another C library or processor are wanted as well.
    outputOf('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--force', ...packages], { cwd: folder })
    writeFileSync(stamp, wanted)
  }
  return path.join(folder, 'node_modules')
}
