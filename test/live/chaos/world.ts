import { type HeldNamespace, ipBatch, link, up } from '../support/network.js'
import { standStill } from '../support/stand-still.js'
import { waitUntil } from '../support/wait.js'
import type { Random } from './random.js'

/** One end of a veth pair. */
export interface End {
  name: string
  readonly index: number
  /** In the test's own namespace; otherwise in the other one. */
  home: boolean
  up: boolean
  /** Not changed since it was made, and its index was not used before. */
  fresh: boolean
}

interface Pair {
  readonly ends: readonly [End, End]
}

/** Maximum number of pairs at a time. */
const maxPairs = 40
/** Maximum number of devices made per round: a capture's ledger lists the latest 1024 removed devices. */
const maxDevices = 900

/** Whether the captures of this test select this name. */
export const isWanted = (name: string): boolean => /^(eth|hot)/.test(name)

/**
 * Veth pairs in two namespaces, which are added, removed, renamed, moved between the namespaces and set down and up.
 * Names and indexes are reused soon. The pair `eth0`, `far0` is never changed.
 */
export class World {
  #pairs: Pair[] = []
  #freeIndexes: number[] = []
  #nextIndex = 1000
  #made = 0

  constructor(
    private readonly random: Random,
    private readonly other: HeldNamespace,
  ) {}

  /** Begins a round: {@link maxDevices} more devices may be made. */
  newRound(): void {
    this.#made = 0
  }

  get ends(): End[] {
    return this.#pairs.flatMap(({ ends }) => ends)
  }

  /** Makes some pairs and sets them up; returns their first ends, which can send immediately. */
  create(): End[] {
    const created: End[] = []
    const lines: string[] = []
    for (let i = this.random.between(1, 6); i > 0; i--) {
      if (this.#pairs.length >= maxPairs || this.#made + 2 > maxDevices) break
      this.#made += 2
      const first = this.#end()
      const second = this.#end(first.name)
      lines.push(
        `link add name ${first.name} index ${first.index} type veth peer name ${second.name} index ${second.index}`,
        `link set dev ${second.name} up`,
        `link set dev ${first.name} up`,
      )
      this.#pairs.push({ ends: [first, second] })
      created.push(first)
    }
    this.#run(lines)
    return created
  }

  remove(max = 6): void {
    for (const pair of this.random.some(this.#pairs, max)) this.#remove(pair)
  }

  removeAll(): void {
    for (const pair of this.#pairs) this.#remove(pair)
  }

  rename(): void {
    for (const end of this.random.some(this.ends, 4)) {
      const name = this.#freeName()
      const { home } = end
      // Before Linux 6.3 only a down interface can be renamed.
      const lines = [`link set dev ${end.name} down`, `link set dev ${end.name} name ${name}`]
      if (end.up) lines.push(`link set dev ${name} up`)
      end.name = name
      end.fresh = false
      this.#run(lines, home)
    }
  }

  /** Moves some devices to the other namespace or back; some of them back and forth. */
  move(): void {
    for (const end of this.random.some(this.ends, 4)) {
      this.#move(end)
      if (this.random.chance(0.4)) this.#move(end)
    }
  }

  flap(): void {
    for (const end of this.random.some(this.ends, 4)) {
      const times = this.random.between(1, 5)
      const lines = Array.from({ length: times }, () => [
        `link set dev ${end.name} down`,
        `link set dev ${end.name} up`,
      ]).flat()
      if (this.random.chance(0.2)) lines.pop()
      end.up = lines.length % 2 === 0
      end.fresh = false
      this.#run(lines, end.home)
    }
  }

  /** Stops this process with all its threads while more interface events occur than its netlink sockets can queue. */
  flood(): void {
    const names = this.ends.filter(({ home }) => home).map(({ name }) => name)
    if (names.length === 0) return
    const lines = Array.from(
      { length: 16_000 },
      (_, i) => `link set dev ${names[i % names.length]} mtu ${1400 + (Math.floor(i / names.length) % 2)}`,
    )
    // This removal is among the lost events: it is found when the interface list is read again.
    const [gone] = this.#pairs.filter(({ ends }) => ends.every(({ home }) => home))
    if (gone) {
      lines.push(`link del dev ${gone.ends[0].name}`)
      this.#forget(gone)
    }
    standStill('ip -batch "$1"', lines)
  }

  /** Waits until the kernel transmits frames sent on this end: a veth drops frames for a while after it is set up. */
  async sends(end: End): Promise<void> {
    await waitUntil(() => link(end.name).operstate === 'UP', `${end.name} to be up`)
    up(end.name) // the kernel's link watch holds a lock until it is done
  }

  /** Whether frames sent on this end reach the taps. */
  carries(end: End): boolean {
    const pair = this.#pairs.find(({ ends }) => ends.includes(end))
    return end.home && pair?.ends.every((one) => one.up) === true
  }

  #end(taken?: string): End {
    const used = this.#freeIndexes.length > 0 && this.random.chance(0.4)
    const index = used ? (this.#freeIndexes.shift() as number) : this.#nextIndex++
    return { name: this.#freeName(taken), index, home: true, up: true, fresh: !used }
  }

  #freeName(taken?: string): string {
    const used = new Set(this.ends.map(({ name }) => name))
    for (;;) {
      const name = `${this.random.pick(['hot', 'cold'])}${this.random.between(0, 99)}`
      if (name !== taken && !used.has(name)) return name
    }
  }

  #move(end: End): void {
    const to = end.home ? this.other.pid : process.pid
    this.#run([`link set dev ${end.name} netns ${to}`], end.home)
    end.home = !end.home
    end.up = this.random.chance(0.9)
    end.fresh = false
    if (end.up) this.#run([`link set dev ${end.name} up`], end.home)
  }

  #remove(pair: Pair): void {
    const end = this.random.pick(pair.ends)
    this.#run([`link del dev ${end.name}`], end.home)
    this.#forget(pair)
  }

  #forget(pair: Pair): void {
    this.#pairs = this.#pairs.filter((one) => one !== pair)
    this.#freeIndexes.push(...pair.ends.map(({ index }) => index))
  }

  #run(lines: string[], home = true): void {
    if (lines.length > 0) ipBatch(lines, { namespace: home ? undefined : this.other.pid })
  }
}
