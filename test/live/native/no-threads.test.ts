import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bareEnvironment } from '../../helpers/child-environment.js'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'

addVeth('eth0', 'far0')

const folder = new TestFolder(t)
chmodSync(folder.path, 0o777)
writeFileSync(folder.file('input.pcap'), pcap([{ time: 0n, data: Buffer.alloc(60) }]))

const script = fileURLToPath(new URL('no-threads-child.js', import.meta.url))

/** RLIMIT_NPROC does not apply to root. */
const user =
  process.getuid?.() === 0
    ? ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all,+net_raw', '--ambient-caps=-all,+net_raw']
    : []

t.test('where no thread can be started, what needs one fails with that error and leaves nothing open', async (t) => {
  const environment = Object.entries(bareEnvironment()).map(([name, value]) => `${name}=${value}`)
  const { status, signal, stdout, stderr } = spawnSync(
    'setpriv',
    [...user, 'env', '-i', ...environment, process.execPath, script, folder.path],
    { encoding: 'utf8' },
  )
  t.equal(stderr, '')
  t.equal(status ?? signal, 0)
  const { refused, before, after, files, allowed, filesAfter } = JSON.parse(stdout)
  const attempts = Object.keys(refused)
  t.equal(attempts.length, 14)
  const wanted = { code: 'ERR_SYSTEM', syscall: 'pthread_create', errno: 11 }
  t.same(refused, Object.fromEntries(attempts.map((what) => [what, wanted])))
  t.same(after, before, 'descriptors')
  t.same(files, ['input.pcap'], 'files')

  // Entering a namespace needs CAP_SYS_ADMIN, with which RLIMIT_NPROC would not apply.
  const denied = { code: 'ERR_PERMISSION', syscall: 'setns', errno: 1 }
  const isDenied = (what: string) => user.length > 0 && /netns|listInterfaces/.test(what)
  t.same(allowed, Object.fromEntries(attempts.map((what) => [what, isDenied(what) ? denied : 'done'])))
  t.same(filesAfter, ['converted.pcapng', 'input.pcap', 'recorded.pcapng'], 'files')
})
