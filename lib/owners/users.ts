import { readFile } from 'node:fs/promises'
import path from 'node:path'

/** The names of users by id, of `/etc/passwd` (passwd(5)); empty if it cannot be read. @internal */
export async function readUsers(root: string): Promise<ReadonlyMap<number, string>> {
  const text = await readFile(path.join(root, 'etc/passwd'), 'utf8').catch(() => '')
  const users = new Map<number, string>()
  for (const line of text.split('\n')) {
    const [name = '', , id = ''] = line.split(':')
    if (name !== '' && /^\d+$/.test(id) && !users.has(Number(id))) users.set(Number(id), name)
  }
  return users
}
