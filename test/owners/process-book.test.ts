import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'

// Not exported: loaded from beside the package's entry point.
const at = (name: string) => new URL(`./owners/${name}.js`, import.meta.resolve('ringtap')).href
const { ProcessBook } = await import(at('process-book'))
const { readUsers } = await import(at('users'))

function folder(t: { teardown(end: () => void): void }, files: Record<string, string>): string {
  const root = mkdtempSync(path.join(tmpdir(), 'ringtap-owners-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), content)
  }
  return root
}

const id = 'ab'.repeat(32)

t.test('users and containers of processes', async (t) => {
  const root = folder(t, {
    'etc/passwd': 'root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/false\nother:x:33:33::/:\nbroken\n',
    [`var/lib/docker/containers/${id}/config.v2.json`]: JSON.stringify({ Name: '/shop', Config: { Image: 'shop:7' } }),
  })
  const book = new ProcessBook(root, await readUsers(root))
  const native = { pid: 7, name: 'nginx', command: ['nginx', '-g'], uid: 33, cgroup: `0::/docker/${id}\n` }
  const first = book.processOf(native)
  t.match(first, { pid: 7, name: 'nginx', command: ['nginx', '-g'], uid: 33, user: 'web' })
  t.match(first.container, { id, runtime: 'docker', name: undefined })
  await book.complete()
  const later = book.processOf(native)
  t.match(later.container, { id, runtime: 'docker', name: 'shop', image: 'shop:7' })
  t.equal(book.processOf(native), later, 'the same object')
  const plain = book.processOf({ pid: 8, name: 'sh', command: [], uid: 1234, cgroup: '0::/user.slice\n' })
  t.match(plain, { user: undefined, container: undefined })
  t.equal(book.processOf({ pid: 9, name: 'sh', command: [], cgroup: '' }).uid, undefined)
})

t.test('no file of users', async (t) => {
  t.equal((await readUsers('/nowhere')).size, 0)
})
