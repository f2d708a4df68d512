/** Files and names that outlast a crash of the machine. */
import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'

/** Makes the names in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates a directory below `root`, which exists, and those above it; their names are durable. */
export async function ensureDirectory(root: string, directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || directory === root) throw error
    await ensureDirectory(root, path.dirname(directory))
    return ensureDirectory(root, directory)
  }
  await syncDirectory(path.dirname(directory))
}

/** Writes a new file; its contents are durable, its name is not. Nothing remains of it after an error but the name. */
export async function writeDurably(file: string, bytes: Uint8Array | string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}
