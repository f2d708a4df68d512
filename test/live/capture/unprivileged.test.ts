import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { bareEnvironment } from '../../helpers/child-environment.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { within } from '../support/wait.js'

addVeth('eth0', 'far0')

const bare = Object.entries(bareEnvironment()).map(([name, value]) => `${name}=${value}`)
const node = ['env', '-i', ...bare, process.execPath]

const script = fileURLToPath(new URL('unprivileged-child.js', import.meta.url))

/** Why a program cannot be run with these arguments of setpriv, or false. */
function unable(words: readonly string[]): string | false {
  const { status, stderr, error } = spawnSync(
    'setpriv',
    [...words, ...node, '-e', `require('fs').readFileSync(${JSON.stringify(script)})`],
    { encoding: 'utf8' },
  )
  return status === 0 ? false : `setpriv ${words.join(' ')}: ${(error?.message ?? stderr).trim().split('\n')[0]}`
}

const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups']
const none = ['--inh-caps=-all', '--bounding-set=-all']

for (const [who, words] of [
  ['another user', nobody],
  ['a root that has no capabilities', none],
] as const) {
  t.test(`the error for ${who} names what is missing and how to grant it`, { skip: unable(words) }, async (t) => {
    const { stdout, stderr } = spawnSync('setpriv', [...words, ...node, script], { encoding: 'utf8' })
    t.equal(stderr, '')
    const error = JSON.parse(stdout) as Record<string, unknown>
    t.equal(error['code'], 'ERR_PERMISSION')
    t.equal(error['errno'], 1)
    t.equal(error['syscall'], 'socket')
    t.match(error['message'], /CAP_NET_RAW/, 'the capability')
    t.match(error['message'], /setcap|--cap-add|AmbientCapabilities/, 'the way to it')
    t.comment(error['message'])
  })
}

const raw = [...nobody, '--inh-caps=-all,+net_raw', '--ambient-caps=-all,+net_raw']

t.test('CAP_NET_RAW alone is enough', { skip: unable(raw) }, async (t) => {
  const child = spawn('setpriv', [...raw, ...node, script, '10'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  t.equal((await within(lines.next(), 'the capture to open')).value, 'open')
  sendSync({ interface: 'far0', count: 10 })
  const stats = JSON.parse((await within(lines.next(), 'the packets')).value as string)
  t.equal(stats.delivered, 10)
  t.equal(stats.table, 'classic', 'without CAP_BPF, the classic form')
  t.ok(
    stats.received.every((one: unknown) => one === null),
    'and no guess of what it cannot count',
  )
})
