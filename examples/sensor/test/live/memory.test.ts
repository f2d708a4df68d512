// 192 MiB of memory, by a cgroup, at the rate of a sender that does not wait.
// Alone: it sends as fast as the kernel takes it.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { labFor, settle } from '../support/end-to-end.js'
import t from '../support/live.js'

const MiB = 2 ** 20

interface Group {
  readonly procs: string
  /** How often a process of it was killed for want of memory. */
  kills(): number
  remove(): void
}

/** A memory cgroup, of version 1 or 2; a text says why there is none. */
function makeGroup(bytes: number): Group | string {
  const versions = [
    { root: '/sys/fs/cgroup', mark: 'cgroup.subtree_control', limit: 'memory.max', events: 'memory.events' },
    {
      root: '/sys/fs/cgroup/memory',
      mark: 'memory.limit_in_bytes',
      limit: 'memory.limit_in_bytes',
      events: 'memory.oom_control',
    },
  ]
  const version = versions.find(({ root, mark }) => existsSync(path.join(root, mark)))
  if (!version) return 'there is no memory cgroup here'
  const folder = path.join(version.root, `ringtap-test-${process.pid}`)
  try {
    mkdirSync(folder)
    writeFileSync(path.join(folder, version.limit), String(bytes))
  } catch (error) {
    return `no memory cgroup can be made here: ${(error as Error).message}`
  }
  return {
    procs: path.join(folder, 'cgroup.procs'),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(path.join(folder, version.events), 'latin1'))?.[1]),
    remove: () => rmdirSync(folder),
  }
}

const group = makeGroup(192 * MiB)

t.test('192 MiB at full rate', { skip: typeof group === 'string' && group }, async (t) => {
  if (typeof group === 'string') return
  const lab = await labFor(t, 2)
  t.teardown(() => group.remove())
  const inGroup = ['sh', '-c', `echo $$ >${group.procs}; exec "$@"`, 'sh']
  const sensor = await lab.startSensor({ SENSOR_SPOOL_BYTES: '64M', SENSOR_MEMORY: '153M' }, { wrapper: inGroup })
  const [a, b] = lab.containers
  // Without a collector, and then with one.
  await lab.talk(a!, b!, 500_000, { rate: 0, random: true })
  await lab.startCollector()
  await lab.talk(b!, a!, 500_000, { rate: 0, random: true })
  await lab.drained(sensor)
  const { stored } = await settle(t, lab, sensor)
  t.equal(group.kills(), 0)
  t.ok(stored > 0)
})
