import {
  Capture,
  type CaptureError,
  type CaptureOptions,
  type Chunk,
  type NetworkInterface,
  type Packet,
} from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { expectedFrame, labelOf, sequenceOf } from '../support/frame.js'
import { imbalances } from '../support/ledger.js'
import { sleep, within } from '../support/wait.js'
import type { Random } from './random.js'
import type { Traffic } from './traffic.js'
import { isWanted } from './world.js'

/** How chunks are consumed. */
const manners = ['swift', 'slow', 'hoarding', 'packets', 'two', 'never'] as const
type Manner = (typeof manners)[number]

/** How a capture ends: closed or aborted, or stopped, drained and its ledger checked. */
const ends = ['stop', 'stop', 'stop', 'close', 'abort'] as const

/** Filters, each with the ports whose packets it accepts; `undefined` for no filter. */
const filters: readonly (readonly [string | undefined, readonly number[]])[] = [
  [undefined, [7, 8, 9]],
  ['udp', [7, 8, 9]],
  ['udp dst port 7', [7]],
  ['udp dst port 8 or udp dst port 9', [8, 9]],
  ['not udp dst port 9', [7, 8]],
]

function identity({ index, generation }: NetworkInterface): string {
  return `${index} ${generation}`
}

/** A capture, its reader, and the faults found in what it delivered. */
export class Observer {
  /** A description of each fault. */
  readonly wrong: string[] = []
  /** Numbers of the frames sent by each interface, by interface index, since the name may have changed. */
  readonly left = new Map<number, Set<number>>()
  capture: Capture | undefined
  readonly what: string
  readonly #options: CaptureOptions
  readonly #manner: Manner
  readonly #random: Random
  readonly #traffic: Traffic
  readonly #end: (typeof ends)[number]
  readonly #abort = new AbortController()
  readonly #seen = new Set<string>()
  /** Without hotplug: the devices present at open, which stay selected when they are renamed. */
  readonly #first = new Set<string>()
  readonly #filtering: Promise<void>[] = []
  #ports: readonly number[] | undefined
  #reading: Promise<unknown> = Promise.resolve()
  #ended = false

  private constructor(
    random: Random,
    traffic: Traffic,
    { options, manner, end }: { options: CaptureOptions; manner: Manner; end: (typeof ends)[number] },
  ) {
    this.#random = random
    this.#traffic = traffic
    this.#manner = manner
    this.#end = end
    this.#options = options
    this.what = `capture ${JSON.stringify({ ...options, signal: undefined })}, ${manner} and ${end}`
    this.#ports = filters.find(([expression]) => expression === options.filter)?.[1]
  }

  /** An observer with random options. */
  static atRandom(random: Random, traffic: Traffic, tables: readonly ('ebpf' | 'classic')[], netns: string): Observer {
    const blockSize = 1 << 18
    const options: CaptureOptions = {
      interfaces: { include: '^(eth|hot)', hotplug: random.chance(0.9) },
      filter: random.pick(filters)[0],
      direction: random.pick(['both', 'both', 'in', 'out']),
      promiscuous: random.chance(0.5),
      snapshotLength: random.pick([1 << 18, 1 << 18, 100]),
      ring: {
        blockSize,
        memory: blockSize * random.pick([8, 16, 64]),
        ...random.pick([{}, {}, { count: 2 }, { perInterface: 1 }]),
        table: random.pick(tables),
      },
      chunk: { maxDelay: random.pick([5, 20, 60]), copy: random.chance(0.2) },
      overflow: { memory: random.pick([0, 1 << 20, 1 << 24]) },
      ...(random.chance(0.2) && { netns }),
    }
    return new Observer(random, traffic, { options, manner: random.pick(manners), end: random.pick(ends) })
  }

  /** An observer whose capture must deliver every packet. */
  static ofAll(random: Random, traffic: Traffic, table: 'ebpf' | 'classic'): Observer {
    const memory = 1 << 25
    const options: CaptureOptions = {
      interfaces: { include: '^(eth|hot)', hotplug: true },
      promiscuous: true,
      ring: { blockSize: 1 << 18, table, ...random.pick([{ memory }, { memory: memory * 4, perInterface: 3 }]) },
      chunk: { maxDelay: random.pick([20, 100, 500]) },
      overflow: { memory: 1 << 28 },
    }
    return new Observer(random, traffic, { options, manner: 'swift', end: 'stop' })
  }

  /** Opens the capture; sometimes it is aborted while opening, in which case `capture` stays undefined. */
  async open(abort = false): Promise<void> {
    const opening = Capture.open({ ...this.#options, signal: this.#abort.signal })
    if (abort) setTimeout(() => this.#abort.abort(), this.#random.between(0, 10))
    try {
      this.capture = await within(opening, `the opening of a ${this.what}`)
    } catch (error) {
      // Without hotplug, opening fails if no interface matches.
      if (this.#abort.signal.aborted || (error as CaptureError).code === 'ERR_NO_INTERFACE') return
      throw error
    }
    for (const iface of this.capture.interfaces) this.#first.add(identity(iface))
    this.capture.on('error', (error) => this.#complain(`error event: ${error.message}`))
    this.capture.on('warning', (warning) => {
      // The last of its interfaces may be removed.
      if (this.#hotplug || warning.code !== 'ERR_NO_INTERFACE') this.#complain(`warning: ${warning.message}`)
    })
    this.#reading = this.#guard(this.#read(this.capture))
  }

  /** Changes the filter, sometimes to an invalid one, and sometimes several times in parallel. */
  setFilter(): void {
    const { capture } = this
    if (!capture || this.#ended) return
    this.#ports = undefined // changes are not awaited: which filter applies to which packet is undetermined
    const bad = this.#random.chance(0.2)
    const [expression] = this.#random.pick(filters)
    const done = capture.setFilter(bad ? 'udp port eighty' : expression).then(
      () => bad && this.#complain('a wrong filter was taken'),
      ({ code, message }: CaptureError) => {
        const expected = bad ? ['ERR_FILTER_SYNTAX', 'ERR_CLOSED'] : ['ERR_CLOSED']
        if (!expected.includes(code)) this.#complain(`setFilter: ${code} ${message}`)
      },
    )
    this.#filtering.push(done.then(() => {}))
  }

  /** Ends the capture in the way chosen for it. */
  async end(): Promise<void> {
    const { capture, what } = this
    this.#ended = true
    if (!capture) return
    if (this.#end === 'stop' && !this.#abort.signal.aborted) {
      await within(capture.stop(), `the stop of a ${what}`)
      if (this.#manner === 'never') this.#reading = this.#guard(this.#drain(capture))
      await within(this.#reading, `the end of the iteration of a ${what}`)
      for (const text of imbalances(capture.stats())) this.#complain(`its ledger: ${text}`)
    } else if (this.#end === 'abort') {
      this.#abort.abort()
    }
    await within(capture.close(), `the closing of a ${what}`)
    await within(this.#reading, `the end of the iteration after close() of a ${what}`)
    await within(Promise.all(this.#filtering), `the changes of the filter of a ${what}`)
  }

  /** Checks that only an abort makes an iteration reject. */
  async #guard(reading: Promise<void>): Promise<void> {
    try {
      await reading
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#complain(`the iteration threw ${String(error)}`)
    }
  }

  async #read(capture: Capture): Promise<void> {
    switch (this.#manner) {
      case 'never':
        return
      case 'two':
        await Promise.all([this.#drain(capture), this.#drain(capture)])
        return
      case 'packets':
        for await (const packet of capture.packets()) this.#take(packet)
        return
      case 'slow':
        for await (const chunk of capture) {
          this.#takeAll(chunk)
          if (!this.#ended) await sleep(this.#random.between(0, 200))
        }
        return
      case 'hoarding':
        await this.#hoard(capture)
        return
      default:
        await this.#drain(capture)
    }
  }

  async #drain(capture: Capture): Promise<void> {
    for await (const chunk of capture) this.#takeAll(chunk)
  }

  /** Holds chunks, reads them late and releases them in any order. */
  async #hoard(capture: Capture): Promise<void> {
    const held: Chunk[] = []
    for (;;) {
      // A new iterator for each chunk: an iterator releases its chunk when next() is called again.
      const { value, done } = await capture[Symbol.asyncIterator]().next()
      if (done) break
      held.push(value)
      if (this.#random.chance(0.1)) value.retain().release()
      if (held.length <= this.#random.between(0, 12)) continue
      const [chunk] = held.splice(this.#random.between(0, held.length - 1), 1) as [Chunk]
      this.#takeAll(chunk)
      chunk.release()
    }
    for (const chunk of held) {
      if (chunk.released) continue // released by close()
      this.#takeAll(chunk)
      chunk.release()
    }
  }

  #takeAll(chunk: Chunk): void {
    if (chunk.released) return
    let count = 0
    chunk.forEach((packet) => {
      count++
      this.#take(packet)
    })
    if (count !== chunk.packetCount) this.#complain(`${count} packets in a chunk of ${chunk.packetCount}`)
  }

  #take(packet: Packet): void {
    const { data, interface: iface, direction } = packet
    const number = sequenceOf(data)
    if (number === undefined) {
      this.#complain(`a packet of nobody on ${iface.name}: ${hex(data)}`)
      return
    }
    const key = `${number} ${iface.index} ${direction}`
    if (this.#seen.has(key)) this.#complain(`frame ${key} came twice`)
    this.#seen.add(key)
    const wanted = this.#hotplug ? isWanted(iface.name) : this.#first.has(identity(iface))
    if (!wanted) this.#complain(`frame ${key} is of ${iface.name || 'a nameless interface'}`)
    const asked = this.#options.direction ?? 'both'
    if (asked !== 'both' && asked !== direction) this.#complain(`frame ${key} goes ${direction}`)

    const shape = this.#traffic.frameOf(number)
    if (!shape) {
      this.#complain(`frame ${key} was never sent`)
      return
    }
    if (this.#ports && !this.#ports.includes(shape.port as number)) {
      this.#complain(`frame ${key} of port ${shape.port} passed the filter ${this.#options.filter}`)
    }
    const expected = expectedFrame(number, { ...shape, label: labelOf(data) ?? 0 })
    const kept = Math.min(expected.length, this.#options.snapshotLength ?? expected.length)
    if (packet.originalLength !== expected.length || Buffer.compare(data, expected.subarray(0, kept)) !== 0) {
      this.#complain(`frame ${key} has other bytes than were sent`)
    }
    if (direction === 'out') {
      const numbers = this.left.get(iface.index)
      if (numbers) numbers.add(number)
      else this.left.set(iface.index, new Set([number]))
    }
  }

  get #hotplug(): boolean {
    return (this.#options.interfaces as { hotplug: boolean }).hotplug
  }

  #complain(text: string): void {
    if (this.wrong.length < 20) this.wrong.push(text)
  }
}
