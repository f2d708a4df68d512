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
import { block, patience, sleep, waitUntil } from '../support/wait.js'
import { Observer } from './observer.js'
import { Random } from './random.js'
import { Traffic } from './traffic.js'
import { isWanted, World } from './world.js'

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

/** Outgoing frames of an interface that the capture must deliver. */
interface Promised {
  readonly name: string
  readonly index: number
  readonly start: number
  readonly count: number
}

async function round(number: number): Promise<{ wrong: string[]; done: Record<string, number>; resyncs: number }> {
  const wrong: string[] = []
  const done: Record<string, number> = {}
  const promised: Promised[] = []
  const all = Observer.ofAll(random, traffic, tables[number % tables.length] as 'ebpf' | 'classic')
  const observers: Observer[] = [all]
  t.teardown(() => Promise.all(observers.map(({ capture }) => capture?.close())))
  await all.open()
  const promise = (name: string, index: number) => {
    const { start, count } = traffic.exactly(name, random.between(1, 200))
    promised.push({ name, index, start, count })
  }
  const eth0 = links().find(({ ifname }) => ifname === 'eth0')?.ifindex as number
  const settleOne = async (observer: Observer) => {
    observers.splice(observers.indexOf(observer), 1)
    await observer.end()
    wrong.push(...observer.wrong.map((text) => `${observer.what}: ${text}`))
  }

  const acts = {
    async create() {
      for (const end of world.create()) {
        // Counts from the first packet on, before any capture has processed the event of the new interface.
        if (isWanted(end.name) && end.fresh && random.chance(0.5)) promise(end.name, end.index)
      }
    },
    async remove() {
      world.remove()
    },
    async rename() {
      world.rename()
    },
    async move() {
      // Sometimes during traffic, so that the ring holds packets from before and after.
      const names = world.ends.filter(({ home, up }) => home && up).map(({ name }) => name)
      if (names.length > 0 && !traffic.busy) traffic.start(names)
      world.move()
    },
    async flap() {
      world.flap()
    },
    async flood() {
      world.flood()
    },
    async send() {
      if (traffic.busy) return
      const home = random.chance(0.8)
      const names = world.ends.filter((end) => end.home === home && end.up).map(({ name }) => name)
      const some = random.some(names, 8)
      if (home && random.chance(0.5)) some.push('eth0')
      if (some.length > 0) traffic.start(some, home ? undefined : other.pid)
    },
    async sendKnown() {
      promise('eth0', eth0)
      const end = random.pick(world.ends.length > 0 ? world.ends : [undefined])
      if (!end || !isWanted(end.name) || !world.carries(end)) return
      await world.sends(end)
      await waitUntil(
        () => all.capture?.interfaces.some(({ name, index }) => name === end.name && index === end.index),
        `${end.name} to be captured`,
      )
      promise(end.name, end.index)
    },
    async open() {
      if (observers.length >= 5) return
      const observer = Observer.atRandom(random, traffic, tables, other.path)
      await observer.open(random.chance(0.1))
      if (observer.capture) observers.push(observer)
    },
    async close() {
      const observer = random.pick(observers)
      if (observer !== all) await settleOne(observer)
    },
    async setFilter() {
      const observer = random.pick(observers)
      if (observer === all) return
      for (let i = random.between(1, 3); i > 0; i--) observer.setFilter()
    },
    async busy() {
      block(random.between(10, 150))
    },
    async idle() {
      await sleep(random.between(1, 50))
    },
  }
  const weights: Record<keyof typeof acts, number> = {
    create: 10,
    remove: 5,
    rename: 5,
    move: 5,
    flap: 5,
    flood: 0.3,
    send: 14,
    sendKnown: 5,
    open: 6,
    close: 4,
    setFilter: 5,
    busy: 4,
    idle: 10,
  }

  world.newRound()
  await acts.create()
  const floodAt = performance.now() + random.between(500, 3000)
  let flooded = false
  for (const end = performance.now() + roundSeconds * 1000; performance.now() < end; ) {
    const act = !flooded && performance.now() > floodAt ? 'flood' : random.weighted(weights)
    if (act === 'flood') flooded = true
    done[act] = (done[act] ?? 0) + 1
    await acts[act]()
    await sleep(0)
  }
  await traffic.finish()
  for (const observer of [...observers]) if (observer !== all) await settleOne(observer)

  const stats = all.capture?.stats()
  const resyncs = stats?.interfaceResyncs ?? 0
  await settleOne(all)
  const end = all.capture?.stats()
  if ((end?.droppedByRing ?? 0) + (end?.droppedByOverflow ?? 0) > 0) {
    wrong.push(`the capture of all lost ${end?.droppedByRing} and ${end?.droppedByOverflow} packets`)
  }
  wrong.push(...broken(promised, all))
  world.removeAll()
  return { wrong, done, resyncs }
}

/**
 * Describes the frames that are missing. Selection is evaluated when a packet is taken from the ring: if the interface
 * has an unwanted name by then, the packet is not delivered but counted as unselected, which is correct.
 */
function broken(promised: readonly Promised[], { capture, left }: Observer): string[] {
  const excused = new Map<number, number>()
  for (const { index, unselected } of capture?.stats().interfaces ?? []) {
    excused.set(index, (excused.get(index) ?? 0) + unselected)
  }
  return promised.flatMap(({ name, index, start, count }) => {
    const missing = Array.from({ length: count }, (_, i) => start + i).filter(
      (one) => !left.get(index)?.has(one),
    ).length
    const rest = (excused.get(index) ?? 0) - missing
    excused.set(index, Math.max(0, rest))
    return rest < 0 ? [`${missing} of ${count} frames that left ${name} (index ${index}) are missing`] : []
  })
}

/** Resources that must be the same before and after. */
async function held() {
  const { threads, rings } = await settle()
  const promiscuity = links().map(({ ifname, promiscuity }) => `${ifname} ${promiscuity}`)
  return { threads, rings, promiscuity, descriptors: descriptors().sort() }
}

t.test(`random changes of interfaces for ${seconds} s lose no packet and leave nothing open`, async (t) => {
  await round(0) // allocates what Node keeps for the life of the process
  const before = await held()
  for (let number = 0; number < Math.max(1, Math.round(seconds / roundSeconds) - 1); number++) {
    const { wrong, done, resyncs } = await round(number)
    t.comment(`round ${number}: ${JSON.stringify(done)}, the list of interfaces was read anew ${resyncs} times`)
    t.same(wrong, [], `round ${number}: nothing wrong (RINGTAP_CHAOS_SEED=${seed})`)
    t.same(await held(), before, `round ${number}: nothing left open`)
  }
})
