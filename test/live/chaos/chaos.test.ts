// Alone: it loads the machine with threads and traffic of its own.
// Random operations in random order, for a bounded time: interfaces are added, removed, renamed, set down and up, and
// moved between namespaces; traffic is sent; interface events are lost in the kernel; captures are opened, their
// filters changed, their packets read in various correct and incorrect ways, and they end in every possible way. At the
// end every ledger balances, no resource is left open, and nothing hangs.
//
// RINGTAP_CHAOS_SEED repeats the decisions of an earlier run (not the timing of the threads);
// RINGTAP_CHAOS_SECONDS sets the duration in seconds.

import t from '../support/live.js'
import { addNamespace, addVeth, links } from '../support/network.js'
import { descriptors, settle } from '../support/process.js'
import { tables as forms } from '../support/tables.js'
import { patience } from '../support/wait.js'
import { Random } from './random.js'
import { Round } from './round.js'
import { Traffic } from './traffic.js'
import { World } from './world.js'

const seconds = Number(process.env['RINGTAP_CHAOS_SECONDS'] ?? 15)
const seed = Number(process.env['RINGTAP_CHAOS_SEED'] ?? Date.now() % 2 ** 32)
const roundSeconds = 5
t.setTimeout((seconds * 4 + 120) * 1000 * patience)

const random = new Random(seed)
const other = await addNamespace()
const world = new World(random, other)
const traffic = new Traffic(random)
const tables = forms.filter(({ skip }) => !skip).map(({ table }) => table)
addVeth('eth0', 'far0')
t.teardown(() => other.close())
t.comment(`RINGTAP_CHAOS_SEED=${seed}`)

async function run(number: number) {
  const round = new Round(
    { random, world, traffic, other, tables },
    tables[number % tables.length] as 'ebpf' | 'classic',
  )
  t.teardown(() => round.close())
  return await round.run(roundSeconds)
}

/** Resources that must be the same before and after. */
async function held() {
  const { threads, rings } = await settle()
  const promiscuity = links().map(({ ifname, promiscuity }) => `${ifname} ${promiscuity}`)
  return { threads, rings, promiscuity, descriptors: descriptors().sort() }
}

t.test(`random changes of interfaces for ${seconds} s lose no packet and leave nothing open`, async (t) => {
  await run(0) // allocates what Node keeps for the life of the process
  const before = await held()
  for (let number = 0; number < Math.max(1, Math.round(seconds / roundSeconds) - 1); number++) {
    const { wrong, done, resyncs } = await run(number)
    t.comment(`round ${number}: ${JSON.stringify(done)}, the list of interfaces was read anew ${resyncs} times`)
    t.same(wrong, [], `round ${number}: nothing wrong (RINGTAP_CHAOS_SEED=${seed})`)
    t.same(await held(), before, `round ${number}: nothing left open`)
  }
})
