import { randomBytes } from 'node:crypto'
import { checkInteger, checkWord } from '../arguments.js'
import { i32 } from '../dissect/bytes.js'
import { Dissector } from '../dissect/dissector.js'
import { Layer } from '../dissect/layer.js'
import { CaptureError, optionError } from '../errors.js'
import { Packet } from '../packets/packet.js'
import { Index, Record } from '../packets/packet-record.js'
import type { Flow, FlowEnd } from './flow.js'
import { FlowIndex } from './flow-index.js'
import { FlowInterfaces } from './flow-interfaces.js'
import { endHash, icmpPorts, mix, same } from './flow-key.js'
import { checkFlowOptions, type FlowSettings, type FlowTableOptions, mostFlows } from './flow-options.js'
import { FlowQueue } from './flow-queue.js'
import { FlowReader } from './flow-reader.js'
import { FlowSlots, Key, Sum, slotDoubles, slotWords, Tcp } from './flow-slots.js'
import { FlowTimers } from './flow-timers.js'
import { type FlowOrder, flowOrders, largestFlows } from './largest-flows.js'
import { noteData, noteFlip, type Segment, State, trackSegment } from './tcp-tracker.js'

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

/** Milliseconds since 1970 that a packet's timestamp can hold: 2^64 nanoseconds. */
const latestTime = 18_446_744_073_709
const closedBoth = State.CLOSED | (State.CLOSED << 4)

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
  /** Makes the hashes of this table its own: nobody can choose flows that collide. */
  readonly #seed = randomBytes(4).readInt32LE()
  /** Addresses of the packet: source in words 0 to 3, destination in 4 to 7. */
  readonly #address = new Int32Array(8)
  readonly #segment: Segment = { flags: 0, sequence: 0, window: 0, length: 0, time: 0 }
  readonly #due = (slot: number): void => this.#look(slot)
  /** 0 if the packet that was found last is the originator's, 1 if it is the responder's. */
  #end = 0
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
      this.#dissector.dissect(first as Packet)
      this.#add(this.#dissector, first as Packet)
    } else {
      if (!(first instanceof Dissector)) throw optionError('dissector', 'a Dissector', first)
      if (!(second instanceof Packet)) throw optionError('packet', 'a Packet', second)
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
    if (typeof time !== 'number' || !(time >= 0 && time <= latestTime)) {
      throw optionError('time', `milliseconds since 1970, from 0 to ${latestTime}`, time)
    }
    if (time > this.#time) this.#time = time
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
    const offset = (packet._entry >>> Index.LENGTH_BITS) << Index.UNIT
    const network = offset + (memory.u16[(offset + Record.DATA) >>> 1] as number) + d.networkOffset
    const device = memory.u32[(offset + Record.INTERFACE) >>> 2] as number
    const ports =
      d.sourcePort >= 0
        ? (d.sourcePort << 16) | d.destinationPort
        : d.icmpCode >= 0
          ? icmpPorts(d.protocol, d.icmpType, d.icmpCode)
          : 0
    let slot = this.#find(d, memory.view, network, ports, device)
    const isTcp = (d.layers & Layer.Tcp) !== 0 && d.tcpFlags >= 0
    if (slot >= 0 && isTcp && (d.tcpFlags & 0x12) === 2 && this.#isClosed(slot)) {
      this.#take(slot, 'reused')
      slot = -1
    } else if (slot >= 0 && this.#timers.isPartial && this.#deadline(slot) <= this.#time) {
      this.#timers.clear(slot)
      this.#look(slot)
      slot = -1
    }
    if (slot < 0) slot = this.#begin(d, ports, device, time, isTcp && (d.tcpFlags & 0x12) === 0x12)

    const { words, doubles } = this.#slots
    const end = this.#end
    const sum = slot * slotDoubles
    doubles[sum + Sum.PACKETS + end] = (doubles[sum + Sum.PACKETS + end] as number) + 1
    const bytes = d.payloadOffset + d.payloadLength - d.networkOffset
    doubles[sum + Sum.BYTES + end] = (doubles[sum + Sum.BYTES + end] as number) + bytes
    doubles[sum + Sum.PAYLOAD + end] = (doubles[sum + Sum.PAYLOAD + end] as number) + d.payloadLength
    if (time > (doubles[sum + Sum.LAST] as number)) doubles[sum + Sum.LAST] = time
    const row = slot * slotWords
    if (words[row + Tcp.INTERFACES + end] === 0) {
      words[row + Tcp.INTERFACES + end] = this.#interfaces.enter(device, packet.interface)
    }
    if (isTcp) this.#track(d, slot, end, time)
    else if (d.payloadLength > 0) noteData(this.#slots, slot, end)
  }

  #track(d: Dissector, slot: number, end: number, time: number): void {
    const segment = this.#segment
    segment.flags = d.tcpFlags
    segment.sequence = d.tcpSequence | 0
    segment.window = d.tcpWindow
    segment.length = d.payloadLength
    segment.time = time
    const before = this.#isClosed(slot)
    if (!trackSegment(this.#slots, slot, end, segment) || before) return
    this.#timers.clear(slot)
    this.#set(slot)
  }

  /** The flow's slot, or -1; sets `#end`. */
  #find(d: Dissector, bytes: DataView, network: number, ports: number, device: number): number {
    const address = this.#address
    const length = d.ipVersion === 4 ? 1 : 4
    const source = network + (length === 1 ? 12 : 8)
    const destination = source + 4 * length
    for (let i = 0; i < length; i++) {
      address[i] = i32(bytes, source + 4 * i)
      address[4 + i] = i32(bytes, destination + 4 * i)
    }
    const protocol = d.protocol | (d.ipVersion << 8)
    const back = (ports << 16) | (ports >>> 16)
    let iface = -1
    let vlan = -1
    let tunnel = -1
    // The same for both directions: the ends' hashes are added.
    const seed = this.#seed
    const ends = endHash(address, 0, length, ports >>> 16, seed) + endHash(address, 4, length, ports & 0xffff, seed)
    let hash = (ends + protocol) | 0
    if (this.#options.divided) {
      const { byInterface, byVlan, byTunnel } = this.#options
      if (byInterface) iface = device | 0
      if (byVlan) vlan = d.vlanId
      if (byTunnel) tunnel = d.tunnelId | 0
      hash = (mix(hash ^ iface) + mix(vlan ^ Math.imul(tunnel, 0x9e3779b1))) | 0
    }
    hash = mix(hash)
    this.#hash = hash

    const { places, mask } = this.#index
    const { words } = this.#slots
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = (places[2 * at + 1] as number) - 1
      if (slot < 0) break
      if (places[2 * at] !== hash) continue
      const key = slot * slotWords
      if (words[key + Key.PROTOCOL] !== protocol || words[key + Key.INTERFACE] !== iface) continue
      if (words[key + Key.VLAN] !== vlan || words[key + Key.TUNNEL] !== tunnel) continue
      if (words[key + Key.PORTS] === ports && same(words, key, address, 0, 4, length)) {
        this.#end = 0
        return slot
      }
      if (words[key + Key.PORTS] === back && same(words, key, address, 4, 0, length)) {
        this.#end = 1
        return slot
      }
    }
    return -1
  }

  /** Of the packet that was looked for last. */
  #hash = 0

  /** Begins the flow of a packet that was not found. `answered`: the packet is the responder's. Sets `#end`. */
  #begin(d: Dissector, ports: number, device: number, time: number, answered: boolean): number {
    const { byInterface, byVlan, byTunnel } = this.#options
    let slot = this.#index.reserve() ? this.#slots.take() : -1
    if (slot < 0) {
      this.#evict()
      slot = this.#slots.take()
    }
    this.#begun++
    const { words, doubles } = this.#slots
    const key = slot * slotWords
    const [source, destination] = answered ? [4, 0] : [0, 4]
    const length = d.ipVersion === 4 ? 1 : 4
    for (let i = 0; i < length; i++) {
      words[key + Key.SOURCE + i] = this.#address[source + i] as number
      words[key + Key.DESTINATION + i] = this.#address[destination + i] as number
    }
    words[key + Key.PORTS] = answered ? (ports << 16) | (ports >>> 16) : ports
    words[key + Key.PROTOCOL] = d.protocol | (d.ipVersion << 8)
    words[key + Key.INTERFACE] = byInterface ? device : -1
    words[key + Key.VLAN] = byVlan ? d.vlanId : -1
    words[key + Key.TUNNEL] = byTunnel ? d.tunnelId : -1
    words[key + Key.HASH] = this.#hash
    doubles[slot * slotDoubles + Sum.FIRST] = time
    doubles[slot * slotDoubles + Sum.LAST] = time
    this.#end = answered ? 1 : 0
    if (answered) noteFlip(this.#slots, slot)
    this.#index.insert(this.#hash, slot)
    this.#set(slot)
    return slot
  }

  #isClosed(slot: number): boolean {
    const states = (this.#slots.words[slot * slotWords + Tcp.STATES] as number) & 0xff
    return states === closedBoth || (states & 15) === State.RESET || states >>> 4 === State.RESET
  }

  /** When a flow ends unless further packets come. */
  #deadline(slot: number): number {
    const { doubles } = this.#slots
    return Math.min(
      this.#silentFrom(slot),
      (doubles[slot * slotDoubles + Sum.FIRST] as number) + this.#options.activeTimeout,
    )
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
    for (let end = 0; end < 2; end++) {
      this.#interfaces.leave(this.#slots.words[slot * slotWords + Tcp.INTERFACES + end] as number)
    }
    this.#index.remove(this.#slots.words[slot * slotWords + Key.HASH] as number, slot)
    this.#slots.release(slot)
  }

  #deliver(): void {
    const { onEnd } = this.#options
    if (!onEnd) {
      for (const wake of this.#wake.splice(0)) wake()
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
   * Ends all flows, and iterations over ended flows once they have been taken. Calling it again does nothing; if `onEnd` has
   * thrown, it goes on with the next flow.
   *
   * @throws What `onEnd` throws.
   */
  end(): void {
    this.#over = true
    try {
      for (let slot = this.#timers.first(); slot >= 0; slot = this.#timers.first()) {
        this.#deliver()
        this.#take(slot, 'ended')
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
    const { places } = this.#index
    for (let at = 1; at < places.length; at += 2) {
      const entry = places[at] as number
      if (entry !== 0) yield this.#reader.read(entry - 1)
    }
  }

  /**
   * The largest flows in the table, the largest first.
   *
   * @param count how many at most, 1 to 16777216.
   * @param by what they are compared by. Default `'bytes'`.
   * @throws CaptureError `ERR_OPTION`.
   */
  top(count: number, by: FlowOrder = 'bytes'): Flow[] {
    checkInteger(count, 'count', 1, mostFlows)
    checkWord(by, 'by', flowOrders)
    return largestFlows(this.#slots, this.#index, count, by).map((slot) => this.#reader.read(slot))
  }

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
