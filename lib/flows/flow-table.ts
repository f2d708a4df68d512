import { randomBytes } from 'node:crypto'
import { checkInteger, checkTime, checkWord } from '../arguments.js'
import { Dissector } from '../dissect/dissector.js'
import { Layer } from '../dissect/layer.js'
import { CaptureError, optionError } from '../errors.js'
import { Packet } from '../packets/packet.js'
import { Index, Record } from '../packets/packet-record.js'
import type { Flow, FlowEnd } from './flow.js'
import { FlowIndex } from './flow-index.js'
import { FlowInterfaces } from './flow-interfaces.js'
import { FlowKey } from './flow-key.js'
import { checkFlowOptions, type FlowSettings, type FlowTableOptions, flowLimit } from './flow-options.js'
import { FlowQueue } from './flow-queue.js'
import { FlowReader } from './flow-reader.js'
import { FlowSlots, Rare, RareSum, Sum, slotDoubles, slotWords, Tcp } from './flow-slots.js'
import { FlowTimers } from './flow-timers.js'
import { type FlowOrder, flowOrders, largestFlows, slotsInOrder } from './largest-flows.js'
import { hasEnded, noteData, noteFlip, trackSegment } from './tcp-tracker.js'

/** What a {@link FlowTable} has counted. */
export interface FlowTableStats {
  /** Flows in the table. */
  readonly flows: number
  /** Flows that have begun. */
  readonly begun: number
  /** Flows that have ended, by the cause. */
  readonly ended: Readonly<Record<FlowEnd, number>>
  /** Packets that belong to a flow. */
  readonly packets: number
  /** Packets that do not, because they are not IP. */
  readonly notIp: number
  /** Ended flows that wait to be taken. */
  readonly waiting: number
  /** Ended flows that were dropped because too many waited. */
  readonly dropped: number
}

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { PACKETS, BYTES, PAYLOAD, LAST } = Sum
const rowDoubles = slotDoubles
const { LENGTH_BITS, UNIT } = Index
const { DATA } = Record
const tcpLayer = Layer.Tcp
const SYN_ACK = 0x12
const SYN = 2

/**
 * Assigns packets to flows, both directions to one, and counts. It makes no object per packet; a {@link Flow} is made when
 * a flow ends, or is looked at.
 *
 * ```ts
 * const flows = new FlowTable({ onEnd: (flow) => console.log(JSON.stringify(flow)) })
 * for await (const chunk of capture) chunk.forEach((packet) => flows.add(packet))
 * flows.end()
 * ```
 *
 * Time is the packets' time, so that files work as captures do. On a capture whose interfaces may be silent, call
 * {@link advance} now and then. Fragments other than the first have no ports: they count as a flow with ports 0, unless a
 * {@link Defragmenter} puts them together first.
 */
export class FlowTable implements AsyncIterable<Flow> {
  readonly #slots: FlowSlots
  readonly #index = new FlowIndex()
  readonly #timers: FlowTimers
  readonly #interfaces = new FlowInterfaces()
  readonly #reader: FlowReader
  readonly #dissector: Dissector
  readonly #options: FlowSettings
  /** The key of the packet. */
  readonly #key = new FlowKey(randomBytes(4).readInt32LE())
  readonly #due = (slot: number): void => this.#look(slot)
  /** The latest time of a packet. */
  #time = Number.NEGATIVE_INFINITY
  #packets = 0
  #notIp = 0
  #begun = 0
  #dropped = 0
  readonly #ended: Record<FlowEnd, number> = { idle: 0, active: 0, closed: 0, reused: 0, evicted: 0, ended: 0 }
  readonly #waiting = new FlowQueue()
  #isDelivering = false
  #wake: (() => void)[] = []
  #over = false
  /** The slots of the flows that end() ends, and how many it has ended. */
  #last: Int32Array | undefined
  #lastEnded = 0

  /** @throws CaptureError `ERR_OPTION`. */
  constructor(options?: FlowTableOptions) {
    this.#options = checkFlowOptions(options)
    const { maxFlows, span, tunnels } = this.#options
    this.#dissector = new Dissector({ ...(tunnels !== undefined && { tunnels }) })
    this.#slots = new FlowSlots(maxFlows)
    this.#timers = new FlowTimers(this.#slots, span)
    this.#reader = new FlowReader(this.#slots, this.#interfaces)
  }

  /**
   * Adds a packet.
   *
   * @throws CaptureError `ERR_OPTION`: not a packet; `ERR_RELEASED`; `ERR_CLOSED`: after {@link end}. What `onEnd` throws.
   */
  add(packet: Packet): void
  /**
   * Adds a packet that was dissected.
   *
   * @param dissector what has dissected this packet last; its choice of tunnels applies.
   * @throws CaptureError as above.
   */
  add(dissector: Dissector, packet: Packet): void
  add(first: Packet | Dissector, second?: Packet): void {
    if (this.#over) throw new CaptureError('ERR_CLOSED', 'the flow table has ended')
    if (second === undefined) {
      if (!Packet._is(first)) throw optionError('packet', 'a Packet', first)
      this.#dissector.dissect(first)
      this.#add(this.#dissector, first)
    } else {
      if (!(first instanceof Dissector)) throw optionError('dissector', 'a Dissector', first)
      if (!Packet._is(second)) throw optionError('packet', 'a Packet', second)
      if (!first._has(second)) throw optionError('dissector', 'what has dissected this packet last', first)
      this.#add(first, second)
    }
    if (this.#waiting.length > 0) this.#deliver()
  }

  /**
   * Moves the table's time on, and ends the flows whose time has come. Needed only where no packets come that would do so:
   * on a capture whose interfaces are silent.
   *
   * ```ts
   * // Packets reach the table some time after the kernel has taken them: a second is enough.
   * setInterval(() => flows.advance(Date.now() - 1000), 1000)
   * ```
   *
   * @param time milliseconds since 1970. A time before that of the latest packet changes nothing.
   * @throws CaptureError `ERR_OPTION`; `ERR_CLOSED`: after {@link end}. What `onEnd` throws.
   */
  advance(time: number): void {
    if (this.#over) throw new CaptureError('ERR_CLOSED', 'the flow table has ended')
    if (checkTime(time) > this.#time) this.#time = time
    if (this.#time >= this.#timers.next) this.#timers.advance(this.#time, this.#due)
    if (this.#waiting.length > 0) this.#deliver()
  }

  #add(d: Dissector, packet: Packet): void {
    const time = packet.timestampMs
    if (time > this.#time) this.#time = time
    else if (time < this.#time - this.#options.span) this.#turnBack(time)
    if (this.#time >= this.#timers.next) this.#timers.advance(this.#time, this.#due)
    if (d.ipVersion === 0) {
      this.#notIp++
      return
    }
    this.#packets++
    const memory = packet._memory
    const offset = (packet._entry >>> LENGTH_BITS) << UNIT
    const key = this.#key
    key.read(d, memory.view, offset + (memory.u16[(offset + DATA) >>> 1] as number) + d.networkOffset)
    if (this.#options.divided) this.#divide(d, packet)
    let slot = key.find(this.#index, this.#slots.words)
    const isTcp = (d.layers & tcpLayer) !== 0 && d.tcpFlags >= 0
    if (slot >= 0 && isTcp && (d.tcpFlags & SYN_ACK) === SYN && this.#isClosed(slot)) {
      this.#take(slot, 'reused')
      slot = -1
    } else if (slot >= 0 && this.#timers.isPartial && this.#deadline(slot) <= this.#time) {
      this.#timers.clear(slot)
      this.#look(slot)
      slot = -1
    }
    if (slot < 0) slot = this.#begin(packet, time, isTcp && (d.tcpFlags & SYN_ACK) === SYN_ACK)
    this.#count(d, packet, slot, key.end, time, isTcp)
  }

  #count(d: Dissector, packet: Packet, slot: number, end: number, time: number, isTcp: boolean): void {
    const { doubles } = this.#slots
    const sum = slot * rowDoubles + end
    const packets = doubles[sum + PACKETS] as number
    const payload = d.payloadLength
    doubles[sum + PACKETS] = packets + 1
    doubles[sum + BYTES] = (doubles[sum + BYTES] as number) + (d.payloadOffset + payload - d.networkOffset)
    doubles[sum + PAYLOAD] = (doubles[sum + PAYLOAD] as number) + payload
    const last = slot * rowDoubles + LAST
    if (time > (doubles[last] as number)) doubles[last] = time
    if (packets === 0) this.#enterInterface(packet, slot, end)
    if (!isTcp) {
      if (payload > 0) noteData(this.#slots, slot, end)
    } else if (trackSegment(this.#slots, slot, end, d, time)) {
      this.#timers.clear(slot)
      this.#set(slot)
    }
  }

  #enterInterface(packet: Packet, slot: number, end: number): void {
    const at = slot * slotWords + Rare.INTERFACES + end
    const { rareWords } = this.#slots
    if (rareWords[at] === 0) rareWords[at] = this.#interfaces.enter(packet.interface)
  }

  #divide(d: Dissector, packet: Packet): void {
    const { byInterface, byVlan, byTunnel } = this.#options
    const iface = byInterface ? packet.interface : undefined
    this.#key.divide(
      iface ? this.#interfaces.numberOf(iface) : -1,
      iface ? iface.index : -1,
      byVlan ? d.vlanId : -1,
      byTunnel ? d.tunnelId : -1,
    )
  }

  /** Begins the flow of a packet that was not found. `answered`: the packet is the responder's. */
  #begin(packet: Packet, time: number, answered: boolean): number {
    let slot = this.#index.reserve() ? this.#slots.take() : -1
    if (slot < 0) {
      this.#evict()
      slot = this.#slots.take()
    }
    this.#begun++
    const iface = this.#interfaces.enter(packet.interface)
    if (this.#options.byInterface) this.#key.interface = iface
    const { words, doubles, rareWords, rareDoubles } = this.#slots
    const { hash } = this.#key
    this.#key.write(words, slot, answered)
    rareWords[slot * slotWords + Rare.HASH] = hash
    rareWords[slot * slotWords + Rare.INTERFACES + this.#key.end] = iface
    rareDoubles[slot * slotDoubles + RareSum.FIRST] = time
    doubles[slot * slotDoubles + Sum.LAST] = time
    if (answered) noteFlip(this.#slots, slot)
    this.#index.insert(hash, slot)
    this.#set(slot)
    return slot
  }

  #isClosed(slot: number): boolean {
    return hasEnded(this.#slots.words[slot * slotWords + Tcp.STATES] as number)
  }

  /** When a flow ends unless further packets come. */
  #deadline(slot: number): number {
    const first = this.#slots.rareDoubles[slot * slotDoubles + RareSum.FIRST] as number
    return Math.min(this.#silentFrom(slot), first + this.#options.activeTimeout)
  }

  /** When a flow has been without a packet for long enough. */
  #silentFrom(slot: number): number {
    const { idleTimeout, closeTimeout, span } = this.#options
    const last = this.#slots.doubles[slot * slotDoubles + Sum.LAST] as number
    // Its time is that of a clock that was set back since.
    if (last > this.#time + span) return Number.NEGATIVE_INFINITY
    return last + (this.#isClosed(slot) ? closeTimeout : idleTimeout)
  }

  #set(slot: number): void {
    this.#timers.set(slot, this.#deadline(slot))
  }

  /** Decides on a flow whose time may have come. */
  #look(slot: number): void {
    if (this.#deadline(slot) > this.#time) {
      this.#set(slot)
      return
    }
    const isSilent = this.#silentFrom(slot) <= this.#time
    this.#finish(slot, this.#isClosed(slot) ? 'closed' : isSilent ? 'idle' : 'active')
  }

  /** The clock was set back, or a packet before had a wrong time. */
  #turnBack(time: number): void {
    this.#time = time
    this.#timers.turnBack(time)
  }

  /** Ends the flow that would end next. */
  #evict(): void {
    let slot = this.#timers.first()
    // Packets do not move a flow in the wheel: one that has had some meanwhile is not the next.
    while (this.#timers.defer(slot, this.#deadline(slot))) slot = this.#timers.first()
    this.#take(slot, 'evicted')
  }

  /** Ends a flow before its time. */
  #take(slot: number, cause: FlowEnd): void {
    this.#timers.clear(slot)
    this.#finish(slot, cause)
  }

  /** Ends a flow that has no timer. It is announced later: the table is being changed. */
  #finish(slot: number, cause: FlowEnd): void {
    this.#ended[cause]++
    const { onEnd, maxWaiting } = this.#options
    if (!onEnd && !this.#over && this.#waiting.length === maxWaiting) {
      this.#waiting.shift()
      this.#dropped++
    }
    this.#waiting.push(this.#reader.read(slot, cause))
    const { rareWords } = this.#slots
    const row = slot * slotWords
    for (let end = 0; end < 2; end++) this.#interfaces.leave(rareWords[row + Rare.INTERFACES + end] as number)
    this.#index.remove(rareWords[row + Rare.HASH] as number, slot)
    this.#slots.release(slot)
  }

  #deliver(): void {
    const { onEnd } = this.#options
    if (!onEnd) {
      if (this.#wake.length > 0) for (const wake of this.#wake.splice(0)) wake()
      return
    }
    if (this.#isDelivering) return
    this.#isDelivering = true
    try {
      for (let flow = this.#waiting.shift(); flow; flow = this.#waiting.shift()) onEnd(flow)
    } finally {
      this.#isDelivering = false
    }
  }

  /** Takes the flows that have ended since the last call, in the order in which they ended. */
  take(): Flow[] {
    return this.#waiting.takeAll()
  }

  /**
   * Ends all flows, in the order of their first packets, and iterations over ended flows once they have been taken. Calling it
   * again does nothing; if `onEnd` has thrown, it goes on with the next flow.
   *
   * @throws What `onEnd` throws.
   */
  end(): void {
    this.#over = true
    this.#last ??= slotsInOrder(this.#slots, this.#index)
    try {
      // From where a call before was left by an exception, or where the call is that `onEnd` was called by.
      while (this.#lastEnded < this.#last.length) {
        this.#deliver()
        const slot = this.#last[this.#lastEnded++]
        if (slot !== undefined) this.#take(slot, 'ended')
      }
      this.#deliver()
    } finally {
      for (const wake of this.#wake.splice(0)) wake()
    }
  }

  /** Iterates over flows that have ended, until {@link end}. Each flow goes to one iteration. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Flow, void, undefined> {
    for (;;) {
      const flow = this.#waiting.shift()
      if (flow) yield flow
      else if (this.#over) return
      else await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  /** The flows in the table, as they are now, in no particular order. The table must not be changed meanwhile. */
  *current(): Generator<Flow, void, undefined> {
    for (const slot of this.#index.slots()) yield this.#reader.read(slot)
  }

  /**
   * The largest flows in the table, the largest first.
   *
   * @param count how many at most, 1 to 16777216.
   * @param by what they are compared by. Default `'bytes'`.
   * @throws CaptureError `ERR_OPTION`.
   */
  top(count: number, by: FlowOrder = 'bytes'): Flow[] {
    checkInteger(count, 'count', 1, flowLimit)
    checkWord(by, 'by', flowOrders)
    return largestFlows(this.#slots, this.#index, count, by).map((slot) => this.#reader.read(slot))
  }

  /** The counts of the table, as of now. */
  stats(): FlowTableStats {
    return {
      flows: this.#slots.used,
      begun: this.#begun,
      ended: { ...this.#ended },
      packets: this.#packets,
      notIp: this.#notIp,
      waiting: this.#waiting.length,
      dropped: this.#dropped,
    }
  }
}
