import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { listInterfaces, type Peer } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del } from '../support/network.js'
import { addProcess, docker, runtimeFiles, write } from '../support/peers.js'

const script = fileURLToPath(new URL('resolve-peer-child.js', import.meta.url))
const bare = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all']
const node = ['env', '-i', `PATH=${process.env['PATH']}`, process.execPath]

t.test('without a privilege: what is known, and what is missing', async (t) => {
  const there = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  const root = new TestFolder(t).path
  const run = (options: object): Peer => {
    const { stdout, stderr } = spawnSync('setpriv', [...bare, ...node, script, 'near', JSON.stringify(options)], {
      encoding: 'utf8',
    })
    t.equal(stderr, '')
    return JSON.parse(stdout) as Peer
  }
  const peer = run({ root })
  t.match(peer, {
    index: listInterfaces().find(({ name }) => name === 'near')?.peerIndex,
    name: 'eth0',
    namespace: { own: false, id: listInterfaces().find(({ name }) => name === 'near')?.peerNetnsId },
    processes: [{ pid: there.pid, name: 'cat' }],
  })
  t.match(peer.missing, [{ field: 'namespace', capability: 'CAP_SYS_PTRACE' }])
  t.equal(peer.missing.length, 1)
  t.notOk(peer.namespace?.inode)
  t.notOk(peer.namespace?.path)

  // A procfs of another pid namespace: only processes that may be traced show their network namespace there.
  const procfs = new TestFolder(t).path
  addProcess(procfs, 7, 'x', '', there.pid)
  const foreign = run({ root, procfs })
  t.match(foreign.missing, [
    { field: 'name', capability: 'CAP_NET_ADMIN' },
    { field: 'processes', reason: /^1 process does not show/, capability: 'CAP_SYS_PTRACE' },
    { field: 'namespace', reason: /only its id is known/ },
  ])
  del('near')
  await there.close()
})

const isRoot = process.getuid?.() === 0 ? false : 'only root has files that another user cannot read'

t.test('files of a runtime that cannot be read are named', { skip: isRoot }, async (t) => {
  const there = await addNamespace()
  addVeth('near', 'eth0', { peerNamespace: there.pid })
  const [root, procfs] = [new TestFolder(t).path, new TestFolder(t).path]
  write(root, runtimeFiles.docker)
  const config = path.join(root, `var/lib/docker/containers/${docker}/config.v2.json`)
  chmodSync(config, 0)
  addProcess(procfs, 5, 'x', `0::/docker/${docker}\n`, there.pid)
  // As root without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
  const without = ['dac_override', 'dac_read_search'].map((name) => `-${name}`).join(',')
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [`--bounding-set=${without}`, `--inh-caps=${without}`, ...node, script, 'near', JSON.stringify({ root, procfs })],
    { encoding: 'utf8' },
  )
  t.equal(stderr, '')
  const peer = JSON.parse(stdout) as Peer
  t.match(peer.container, { id: docker, runtime: 'docker' })
  const [gap] = peer.missing
  t.match(gap, { field: 'container', capability: 'CAP_DAC_READ_SEARCH' })
  t.match(gap?.reason, config)
  del('near')
  await there.close()
})
