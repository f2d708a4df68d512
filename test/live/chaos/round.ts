/** A round of random operations on interfaces and captures. */
import { type HeldNamespace, links } from '../support/network.js'
import { block, sleep, waitUntil } from '../support/wait.js'
import { Observer } from './observer.js'
import type { Random } from './random.js'
import type { Traffic } from './traffic.js'
import { isWanted, type World } from './world.js'

type Table = 'ebpf' | 'classic'

/** Outgoing frames of an interface that the capture must deliver. */
interface Promised {
  readonly name: string
  readonly index: number
  readonly start: number
  readonly count: number
}

interface Scene {
  readonly random: Random
  readonly world: World
  readonly traffic: Traffic
  /** The namespace to which interfaces are moved. */
  readonly other: HeldNamespace
  /** The tables of interfaces that the kernel allows. */
  readonly tables: readonly Table[]
}

const maxObservers = 5

export class Round {
  readonly #scene: Scene
  /** The captures that are open; the first one takes all interfaces, and stays until the end. */
  readonly #observers: Observer[]
  readonly #all: Observer
  readonly #wrong: string[] = []
  readonly #promised: Promised[] = []
  #eth0 = 0

  constructor(scene: Scene, table: Table) {
    this.#scene = scene
    this.#all = Observer.ofAll(scene.random, scene.traffic, table)
    this.#observers = [this.#all]
  }

  /** Resolves with what was wrong, how often each operation was done, and how often events were lost. */
  async run(seconds: number): Promise<{ wrong: string[]; done: Record<string, number>; resyncs: number }> {
    const { random, world, traffic } = this.#scene
    const done: Record<string, number> = {}
    await this.#all.open()
    this.#eth0 = links().find(({ ifname }) => ifname === 'eth0')?.ifindex as number
    world.newRound()
    await this.#acts.create()
    const floodAt = performance.now() + random.between(500, 3000)
    let flooded = false
    for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
      const act = !flooded && performance.now() > floodAt ? 'flood' : random.weighted(weights)
      if (act === 'flood') flooded = true
      done[act] = (done[act] ?? 0) + 1
      await this.#acts[act]()
      await sleep(0)
    }
    await traffic.finish()
    for (const observer of [...this.#observers]) if (observer !== this.#all) await this.#end(observer)

    const resyncs = this.#all.capture?.stats().interfaceResyncs ?? 0
    await this.#end(this.#all)
    const end = this.#all.capture?.stats()
    if ((end?.droppedByRing ?? 0) + (end?.droppedByOverflow ?? 0) > 0) {
      this.#wrong.push(`the capture of all lost ${end?.droppedByRing} and ${end?.droppedByOverflow} packets`)
    }
    this.#wrong.push(...broken(this.#promised, this.#all))
    world.removeAll()
    return { wrong: this.#wrong, done, resyncs }
  }

  /** Closes what a failure has left open. */
  async close(): Promise<void> {
    await Promise.all(this.#observers.map(({ capture }) => capture?.close()))
  }

  #promise(name: string, index: number): void {
    const { start, count } = this.#scene.traffic.exactly(name, this.#scene.random.between(1, 200))
    this.#promised.push({ name, index, start, count })
  }

  async #end(observer: Observer): Promise<void> {
    this.#observers.splice(this.#observers.indexOf(observer), 1)
    await observer.end()
    this.#wrong.push(...observer.wrong.map((text) => `${observer.what}: ${text}`))
  }

  readonly #acts: Record<keyof typeof weights, () => Promise<unknown>> = {
    create: async () => {
      const { random, world } = this.#scene
      for (const end of world.create()) {
        // Counts from the first packet on, before any capture has processed the event of the new interface.
        if (isWanted(end.name) && end.fresh && random.chance(0.5)) this.#promise(end.name, end.index)
      }
    },
    remove: async () => this.#scene.world.remove(),
    rename: async () => this.#scene.world.rename(),
    move: async () => {
      const { world, traffic } = this.#scene
      // Sometimes during traffic, so that the ring holds packets from before and after.
      const names = world.ends.filter(({ home, up }) => home && up).map(({ name }) => name)
      if (names.length > 0 && !traffic.busy) traffic.start(names)
      world.move()
    },
    flap: async () => this.#scene.world.flap(),
    flood: async () => this.#scene.world.flood(),
    send: async () => {
      const { random, world, traffic, other } = this.#scene
      if (traffic.busy) return
      const home = random.chance(0.8)
      const names = world.ends.filter((end) => end.home === home && end.up).map(({ name }) => name)
      const some = random.some(names, 8)
      if (home && random.chance(0.5)) some.push('eth0')
      if (some.length > 0) traffic.start(some, home ? undefined : other.pid)
    },
    sendKnown: async () => {
      const { random, world } = this.#scene
      this.#promise('eth0', this.#eth0)
      const end = random.pick(world.ends.length > 0 ? world.ends : [undefined])
      if (!end || !isWanted(end.name) || !world.carries(end)) return
      await world.sends(end)
      await waitUntil(
        () => this.#all.capture?.interfaces.some(({ name, index }) => name === end.name && index === end.index),
        `${end.name} to be captured`,
      )
      this.#promise(end.name, end.index)
    },
    open: async () => {
      const { random, traffic, other, tables } = this.#scene
      if (this.#observers.length >= maxObservers) return
      const observer = Observer.atRandom(random, traffic, tables, other.path)
      await observer.open(random.chance(0.1))
      if (observer.capture) this.#observers.push(observer)
    },
    close: async () => {
      const observer = this.#scene.random.pick(this.#observers)
      if (observer !== this.#all) await this.#end(observer)
    },
    setFilter: async () => {
      const { random } = this.#scene
      const observer = random.pick(this.#observers)
      if (observer === this.#all) return
      for (let i = random.between(1, 3); i > 0; i--) observer.setFilter()
    },
    busy: async () => block(this.#scene.random.between(10, 150)),
    idle: async () => await sleep(this.#scene.random.between(1, 50)),
  }
}

const weights = {
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
