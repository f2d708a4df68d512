// Where rings' threads run, and which ring a packet goes to by the processor that handles it.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Capture, type CaptureOptions } from 'ringtap'
import { range } from '../../helpers/range.js'
import { reading, type Seen, seen } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send, sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'
import { startTcpdump } from '../support/witness.js'

const MiB = 1 << 20
addVeth('eth0', 'far0')

const field = (status: string, name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]

/** What the kernel says of the rings' threads. */
function statuses(): string[] {
  return readdirSync('/proc/self/task')
    .map((id) => readFileSync(`/proc/self/task/${id}/status`, 'latin1'))
    .filter((status) => field(status, 'Name') === 'ringtap')
}

/** The processors that they may run on. */
const placesOfRings = () =>
  statuses()
    .map((status) => field(status, 'Cpus_allowed_list'))
    .sort()

/** How often each has waited, by its processor. */
const wakeUps = () =>
  new Map(statuses().map((one) => [field(one, 'Cpus_allowed_list'), Number(field(one, 'voluntary_ctxt_switches'))]))

/** What taskset(1) of util-linux gets when it requests all processors: those of the cpuset. */
const allowed =
  field(
    spawnSync('taskset', ['-c', '0-8191', 'cat', '/proc/self/status'], { encoding: 'latin1' }).stdout,
    'Cpus_allowed_list',
  ) ?? ''
const own = field(readFileSync('/proc/thread-self/status', 'latin1'), 'Cpus_allowed_list') ?? ''
const [first = 0, second] = own.split(',').flatMap((one) => {
  const [from = 0, to = from] = one.split('-').map(Number)
  return range(from, to + 1)
})
const two = second === undefined ? 'there is one processor' : false

const optionsOf = (ring: CaptureOptions['ring']): CaptureOptions => ({
  interfaces: 'eth0',
  direction: 'out',
  filter: 'udp',
  ring: { memory: 8 * MiB, ...ring },
})

t.test("each ring's thread runs on its processor alone", { skip: two }, async (t) => {
  const cpus = [second!, first]
  for (const ring of [{ cpus }, { cpus, count: 2 }, { cpus, perInterface: 1 }, { cpus, group: { id: 7 } }]) {
    await using capture = await Capture.open(optionsOf(ring))
    t.equal(capture.stats().ring.count, 2)
    t.same(placesOfRings(), [`${first}`, `${second}`].sort(), JSON.stringify(ring))
  }
  t.same(placesOfRings(), [])
  await using anywhere = await Capture.open(optionsOf({ count: 2 }))
  t.equal(anywhere.stats().ring.count, 2)
  t.same(placesOfRings(), [own, own])
  t.equal(field(readFileSync('/proc/thread-self/status', 'latin1'), 'Cpus_allowed_list'), own, "JavaScript's thread")
})

t.test("'auto' takes processors that the process uses", async (t) => {
  await using one = await Capture.open(optionsOf({ cpus: 'auto' }))
  t.equal(one.stats().ring.count, 1)
  const places = placesOfRings()
  t.equal(places.length, 1)
  t.match(places[0], /^\d+$/)
  await one.close()
  if (second === undefined) return
  await using all = await Capture.open(optionsOf({ cpus: 'auto', count: 2 }))
  t.equal(all.stats().ring.count, 2)
  t.equal(new Set(placesOfRings()).size, 2)
})

t.test('a processor outside of the cpuset', async (t) => {
  const open = () => Capture.open(optionsOf({ cpus: [first, 8191], mode: 'cpu' }))
  await t.rejects(open, {
    code: 'ERR_OPTION',
    option: 'ring.cpus',
    message: `no thread of this process may run on processor 8191; allowed are ${allowed}`,
  })
  t.same(placesOfRings(), [])
})

t.test('a processor outside of the mask that the program was started with', { skip: two }, async (t) => {
  const program = `
    const { Capture } = await import('ringtap')
    const { readdirSync, readFileSync } = await import('node:fs')
    const capture = await Capture.open({ interfaces: 'eth0', ring: { cpus: [${second}] } })
    const all = readdirSync('/proc/self/task').map((id) => readFileSync('/proc/self/task/' + id + '/status', 'latin1'))
    const place = (text) => /^Cpus_allowed_list:\\s*(.*)$/m.exec(text)[1]
    const rings = all.filter((text) => /^Name:\\s*ringtap$/m.test(text))
    console.log(JSON.stringify([rings.map(place), place(readFileSync('/proc/self/status', 'latin1'))]))
    await capture.close()`
  const { stdout, stderr } = spawnSync(
    'taskset',
    ['-c', `${first}`, process.execPath, '--input-type=module', '-e', program],
    { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
  )
  t.same(JSON.parse(stdout || 'null'), [[`${second}`], `${first}`], stderr)
})

for (const { table, skip } of tables) {
  t.test(`by processor: each packet in the ring of its processor, ${table}`, { skip: skip || two }, async (t) => {
    const options = optionsOf({ table, cpus: [second!, first], mode: 'cpu' })
    const witness = await startTcpdump({ interface: 'eth0', direction: 'out', filter: 'udp' })
    await using capture = await Capture.open(options)
    await Promise.all([
      send({ interface: 'eth0', cpu: first, label: 1, count: 3000, rate: 20_000 }),
      send({ interface: 'eth0', cpu: second!, label: 2, count: 1000, rate: 10_000 }),
    ])
    await capture.stop()
    const packets: Seen[] = []
    let mixed = 0
    for await (const chunk of capture) {
      const ofOneRing = Array.from(chunk, seen)
      if (new Set(ofOneRing.map(({ label }) => label)).size > 1) mixed++
      packets.push(...ofOneRing)
    }
    const numbers = (label: number) => packets.filter((one) => one.label === label).map(({ number }) => number)
    t.same(numbers(1), range(0, 3000))
    t.same(numbers(2), range(0, 1000))
    t.equal(mixed, 0, 'no chunk has packets of both')
    t.same(imbalances(capture.stats()), [])
    await witness.waitFor(4000)
    t.equal((await witness.stop()).length, 4000, 'as tcpdump saw them')
  })

  t.test(`by processor: the ring is read there, ${table}`, { skip: skip || two }, async (t) => {
    // Ring 0 is that of the higher number here: it is the list that counts.
    await using capture = await Capture.open(optionsOf({ table, cpus: [second!, first], mode: 'cpu' }))
    const { packets, done } = reading(capture)
    for (const cpu of [first, second!]) {
      const before = wakeUps()
      for (let i = 0; i < 20; i++) {
        const wanted = packets.length + 1
        sendSync({ interface: 'eth0', cpu, count: 1 })
        await waitUntil(() => packets.length === wanted, 'the packet')
      }
      const after = wakeUps()
      const grown = (place: number) => after.get(`${place}`)! - before.get(`${place}`)!
      // It may not have begun to wait after the last packet, and a late thread may find two packets at once.
      t.ok(grown(cpu) > 10, `${grown(cpu)} times on ${cpu}`)
      const other = cpu === first ? second! : first
      t.ok(grown(other) < 5, `${grown(other)} times on ${other}`)
    }
    await capture.stop()
    await done
  })
}
