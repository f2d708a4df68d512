// Lists the files of the tree, for the checks over it.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Build outputs, as in .gitignore. */
const made = new Set(['.git', '.tap', 'build', 'dist', 'node_modules', 'prebuilds', 'release'])

/**
 * Returns the paths from the root: tracked files and new ones that are not ignored; without git (a tree from an
 * archive), all files but build outputs.
 */
export function treeFiles() {
  // git as root refuses a tree owned by another user unless safe.directory is set.
  const args = ['-c', `safe.directory=${path.resolve(root)}`, 'ls-files', '--cached', '--others', '--exclude-standard']
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  const listed = status === 0 && stdout !== '' ? stdout.split('\n').filter(Boolean) : walk('')
  const files = [...new Set(listed)].filter((name) => existsSync(path.join(root, name))).sort()
  if (files.length === 0) throw new Error(`no files were found in ${root}`)
  return files
}

function walk(directory) {
  return readdirSync(path.join(root, directory), { withFileTypes: true })
    .filter(({ name }) => !made.has(name))
    .flatMap((entry) => {
      const name = path.posix.join(directory, entry.name)
      return entry.isDirectory() ? walk(name) : [name]
    })
}
