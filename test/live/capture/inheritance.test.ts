// No program that this process executes inherits a descriptor of the library, not even while libpcap is opening one.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { Capture } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth, link } from '../support/network.js'

const folder = new TestFolder(t)
const listing = folder.file('listing')

addVeth('eth0', 'far0')

/** The descriptors a child has open in addition to its standard input, output and error. */
function inherited(): string[] {
  const out = openSync(listing, 'w')
  const script = 'for f in /proc/self/fd/*; do echo "$f $(readlink "$f")"; done'
  const { status, error } = spawnSync('/bin/sh', ['-c', script], { stdio: ['ignore', out, 'ignore'] })
  closeSync(out)
  if (error) throw error
  if (status !== 0) throw new Error(`the listing failed with ${status}`)
  return readFileSync(listing, 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [path = '', target = ''] = line.split(' ')
      return /^(socket|anon_inode|\/dev|\/run)\b/.test(target) && !/\/[012]$/.test(path) ? [target] : []
    })
    .sort()
}

const before = inherited()

t.test('a child process inherits no descriptor of a capture', async (t) => {
  for (const backend of ['ring', 'pcap'] as const) {
    await using capture = await Capture.open({ backend, interfaces: 'eth0', filter: 'vlan 5 or udp' })
    t.same(inherited(), before, `${backend}: while it runs`)
    await capture.setFilter('vlan 6')
    t.same(inherited(), before, `${backend}: after another filter`)
    await capture.close()
    t.same(inherited(), before, `${backend}: after its end`)
  }
})

t.test('a child started while handles are opened or filters compiled inherits none', async (t) => {
  for (let round = 0; round < 10; round++) {
    const opened = (['pcap', 'ring', 'pcap'] as const).map((backend) =>
      Capture.open({ backend, interfaces: 'eth0', filter: 'vlan 5 or udp' }),
    )
    // The pool's threads continue while this thread waits for the child.
    t.same([inherited(), inherited(), inherited()], [before, before, before])
    await Promise.all((await Promise.all(opened)).map((capture) => capture.close()))
  }
})

t.test('promiscuity ends with the capture, although children live on', async (t) => {
  await using capture = await Capture.open({ backend: 'pcap', interfaces: 'eth0', promiscuous: true })
  t.equal(link('eth0').promiscuity, 1)
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  t.teardown(() => child.kill())
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  await capture.close()
  t.equal(link('eth0').promiscuity, 0)
  t.equal(child.exitCode, null, 'the child lives')
})
