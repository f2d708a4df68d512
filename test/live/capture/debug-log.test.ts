// NODE_DEBUG=ringtap.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { bareEnvironment } from '../../helpers/child-environment.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)
const script = fileURLToPath(new URL('debug-log-child.js', import.meta.url))

/** What the program writes to standard error. */
function run(path: string, debug: Record<string, string>): string {
  const { status, stderr } = spawnSync(process.execPath, [script, path], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', ...bareEnvironment(), ...debug },
  })
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`)
  return stderr
}

t.test('NODE_DEBUG=ringtap prints a line for each change, in order', async (t) => {
  const path = folder.fresh()
  const log = run(path, { NODE_DEBUG: 'ringtap' })
  t.notOk(log.includes('\u001b'), 'control characters are escaped')
  let rest = log
  for (const line of [
    /capture 1: opening with \{ blockSize: \d+, .* hotplug: true, /,
    /capture 1: present: far0 is not selected: nothing in the include list \(.*\) matches it$/,
    /capture 1: present: eth0 is selected: \/\^eth\\d\/ in the include list matches it$/,
    /capture 1: open: \{ memory: 67108864, count: 1, /,
    /capture 1: interface eth7, index \d+: added$/,
    /capture 1: decided: eth7 is selected: \/\^eth\\d\/ in the include list matches it$/,
    /capture 1: interface \\x1b\[31m7, index \d+: renamed$/,
    /capture 1: decided: \\x1b\[31m7 is selected: "\^\\u001b" in the include list matches it$/,
    /capture 1: interface \\x1b\[31m7, index \d+: removed$/,
    /capture 1: filter udp or arp, for link types \[ 1\b.*\]$/,
    /capture 1: only packets of the present filter from here on$/,
    /capture 1: address sets: 2 excluded, 0 included$/,
    /recording 1: opening with \{ .*\.pcapng'/,
    /recording 1: complete: \{ .* packets: 5, /,
    /recording 1: ended: \{ packets: 5, .* files: 1, dropped: 0, /,
    /capture 1: closed: \{ received: 5, delivered: 5, /,
    /capture 2: decided: eth8 is selected: "\^eth" in the include list matches it$/,
    /savefile 1: open: .*\.pcapng: pcapng$/,
    /savefile 1: closed: \{ .* packets: 5, /,
  ]) {
    const found = new RegExp(`^RINGTAP \\d+: ${line.source}`, 'm').exec(rest)
    t.ok(found, String(line), found ? {} : { log })
    if (found) rest = rest.slice(found.index + found[0].length)
  }
})

t.test('nothing is printed without NODE_DEBUG', async (t) => {
  t.equal(run(folder.fresh(), {}), '')
})
