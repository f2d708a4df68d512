// deploy/veth-of: the host's end of a container's veth pair, where indexes repeat between namespaces.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import t from '../support/live.js'
import { addNamespace, ip } from '../support/network.js'
import { deploy } from '../support/places.js'

function vethOf(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(path.join(deploy, 'veth-of'), args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

t.test('the exact pair', async (t) => {
  const [a, b] = [await addNamespace(), await addNamespace()]
  t.teardown(() => Promise.all([a.close(), b.close()]))
  // The same indexes on both sides, in three namespaces.
  ip([
    `link add va index 7 type veth peer name eth0 index 7 netns ${a.pid}`,
    `link add vb index 8 type veth peer name eth0 index 7 netns ${b.pid}`,
  ])
  ip([`link add vab index 8 type veth peer name eth1 index 8 netns ${b.pid}`], a.pid)
  t.match(vethOf(String(a.pid)), { status: 0, stdout: 'va\n' })
  t.match(vethOf(String(b.pid), 'eth0'), { status: 0, stdout: 'vb\n' })
  t.match(vethOf(String(b.pid), 'eth1'), { status: 1, stdout: '', stderr: /not in this network namespace/ })
  t.match(vethOf(String(b.pid), 'lo'), { status: 1, stderr: /not one end of a veth pair/ })
  t.match(vethOf(String(b.pid), 'none0'), { status: 1, stderr: /none0/ })
  t.match(vethOf(), { status: 2, stderr: /^usage: / })
})
