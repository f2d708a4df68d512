// npm run demo: its counts add up, and it leaves no processes behind.

import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { Example, type Test } from '../support/example.js'
import t from '../support/live.js'
import { waitUntil } from '../support/wait.js'

const mark = randomUUID()
const demo = (t: Test) => new Example(t, 'demo', [], { RINGTAP_DEMO_TEST: mark })

/** The demo processes started here, recognised by a variable in their environment. */
function left(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark)
    } catch {
      return false
    }
  })
}

async function nothingLeft(): Promise<void> {
  await waitUntil(() => left().length === 0, 'its processes to be gone', undefined, left)
}

t.test('the demo counts every packet', async (t) => {
  const { code, stdout, stderr } = await demo(t).ended()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(stdout, /Everything adds up/)
  t.match(stdout, /eth2 added, captured/)
  t.match(stdout, /eth91 added, not captured/)
  for (const name of ['eth0', 'eth1', 'eth2']) t.match(stdout, new RegExp(`the first packet: \\S+ {2}${name} in `))
  t.notOk(stdout.includes('\u001b'), 'no colours: this is no terminal')
  for (const line of stdout.split('\n')) t.ok(line.length <= 100, `no longer than 100 columns: ${line}`)
  await nothingLeft()
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
  t.test(`${signal} ends the demo cleanly`, async (t) => {
    const program = demo(t)
    await program.said(/one ring of/)
    await waitUntil(() => left().length >= 3, 'its processes', undefined, left)
    program.kill(signal)
    await program.ended()
    await nothingLeft()
    t.pass('no process is left')
  })
}

t.test('without the right to create a namespace the demo explains why', async (t) => {
  const { code, stdout, stderr } = await new Example(t, 'demo', [], { PATH: '/nowhere' }).ended()
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^A network namespace of its own is needed, and cannot be made:\n {2}unshare -r?n: .*ENOENT/)
  t.match(stderr, /Run it as root/)
})
