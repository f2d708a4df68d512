// Run before tests: an earlier run with sudo leaves outputs that this user cannot write, on which tap, make and tsc
// fail with unclear messages. This user owns the tree and can therefore move the directory aside without privilege.
import { accessSync, constants, lstatSync, readdirSync, renameSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const self = process.getuid?.() ?? 0

/** Returns the first entry at or below `file` that this user cannot write because another user owns it. */
function foreign(file) {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  if (!stat || stat.isSymbolicLink()) return undefined
  try {
    accessSync(file, constants.W_OK)
  } catch {
    if (stat.uid !== self) return file
  }
  if (!stat.isDirectory()) return undefined
  for (const name of readdirSync(file)) {
    const found = foreign(path.join(file, name))
    if (found) return found
  }
  return undefined
}

if (self !== 0) {
  for (const name of ['.tap', 'build', 'dist']) {
    const found = foreign(path.join(root, name))
    if (!found) continue
    const aside = `${name}.old-${Date.now()}`
    try {
      renameSync(path.join(root, name), path.join(root, aside))
      console.error(
        `${path.relative(root, found)} belongs to another user: moved ${name} to ${aside}, which only they can remove.`,
      )
    } catch (error) {
      console.error(
        `${path.relative(root, found)} belongs to another user, and ${name} cannot be moved (${error.code}). As them or as root: rm -r ${name}`,
      )
      process.exitCode = 1
    }
  }
}
