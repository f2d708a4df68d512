import { checkTime } from '../arguments.js'
import { Dissector } from '../dissect/dissector.js'
import { Layer } from '../dissect/layer.js'
import { CaptureError, optionError } from '../errors.js'
import { Packet } from '../packets/packet.js'
import { ConnectionKeys } from './connection-keys.js'
import { checkReassemblerOptions, type ReassemblerSettings, type TcpReassemblerOptions } from './reassembler-options.js'
import type { ReceiveBuffer } from './receive-buffer.js'
import { TcpStream, type TcpStreamEnd } from './tcp-stream.js'

/** What a {@link TcpReassembler} has counted. */
export interface TcpReassemblerStats {
  /** Connections that are followed now. */
  readonly streams: number
  /** Connections that were announced. */
  readonly begun: number
  /** Bytes that wait for what precedes them. */
  readonly memory: number
  /** Segments of TCP. */
  readonly segments: number
  /** Segments that were ignored: with a wrong checksum, or a sequence number out of every window. */
  readonly ignored: number
  /** Fragments of IP, which need a {@link Defragmenter} first. */
  readonly fragments: number
}

const Flag = { FIN: 1, SYN: 2, RST: 4, ACK: 16 } as const

/** No window is larger (RFC 7323, section 2.3). */
const largestWindow = 2 ** 30

/** Milliseconds for which a connection that has ended may still have packets. */
const lateness = 10_000

/** A connection and its place in the list of all, which begins with the one that was silent for the longest time. */
interface Entry {
  key: string
  /** Whether the originator is the second end in the key. */
  swapped: boolean
  stream: TcpStream
  last: number
  /** What it holds, as it is counted in the sum of all. */
  memory: number
  /** Sequence number of a SYN that differs from that of the connection, until a SYN-ACK confirms it. */
  renewal: number | undefined
}

/**
 * Puts the segments of TCP connections into order, and hands over what each end has sent, from any number of connections,
 * in bounded memory.
 *
 * ```ts
 * const reassembler = new TcpReassembler({
 *   onStream: (stream) => {
 *     stream.onData = (data, end) => console.log(stream.sourceIp, end, data.length)
 *   },
 * })
 * for await (const chunk of capture) chunk.forEach((packet) => reassembler.add(packet))
 * reassembler.end()
 * ```
 *
 * An observer cannot be certain which bytes an end has accepted, and an attacker can exploit that. These are the rules:
 *
 * - Of several bytes for the same place the first seen count. They are counted as conflicts if they differ.
 * - A segment more than 2^30 bytes away from what is expected is ignored. Smaller windows are not enforced.
 * - A reset outside of what was sent is ignored, and so is a FIN before bytes that were handed over.
 * - The first segment of the responder must acknowledge what the originator has sent, if the beginning was seen.
 * - A SYN for a connection that exists begins another one when a SYN-ACK confirms it.
 * - Bytes that were acknowledged are missing only if their sender's segments show that they were sent.
 * - Checksums count only with the option `verifyChecksums`; time to live, timestamps (PAWS) and urgent pointers do not.
 *
 * docs/guides/evasion.md says what follows from them.
 *
 * Time is the packets' time, so that files work as captures do. On a capture whose interfaces may be silent, call
 * {@link advance} now and then.
 */
export class TcpReassembler {
  readonly #options: Omit<ReassemblerSettings, 'tunnels'>
  readonly #dissector: Dissector
  readonly #keys = new ConnectionKeys()
  readonly #entries = new Map<string, Entry>()
  /** Connections that have ended, and the time of their last packet. */
  readonly #closed = new Map<string, number>()
  #time = Number.NEGATIVE_INFINITY
  #memory = 0
  #begun = 0
  #segments = 0
  #ignored = 0
  #fragments = 0
  /** Whether a packet is being added. */
  #busy = false
  #over = false

  /** @throws CaptureError `ERR_OPTION`. */
  constructor(options: TcpReassemblerOptions) {
    const { tunnels, ...checked } = checkReassemblerOptions(options)
    this.#options = checked
    this.#dissector = new Dissector(tunnels === undefined ? {} : { tunnels })
  }

  /**
   * Adds a packet; what is not TCP has no effect.
   *
   * @throws CaptureError `ERR_OPTION`: not a packet, or called by a function of a stream; `ERR_RELEASED`; `ERR_CLOSED`:
   *   after {@link end}. What the functions of a stream throw: the bytes that such a function was given count as handed
   *   over, and the connection goes on with the next packet.
   */
  add(packet: Packet): void {
    this.#check('add', 'packet')
    if (!Packet._is(packet)) throw optionError('packet', 'a Packet', packet)
    const d = this.#dissector
    d.dissect(packet)
    if ((d.layers & Layer.Tcp) === 0 || d.tcpFlags < 0) return
    this.#busy = true
    try {
      this.#add(d, packet)
    } finally {
      this.#busy = false
    }
    if (this.#over) this.#endAll()
  }

  /**
   * Moves the time on: connections that were silent for too long end, and acknowledged bytes that have not come in time count
   * as missing, so that what follows them is handed over. Needed only where no packets come that would do so; it looks at all
   * connections, so once a second is enough.
   *
   * @param time milliseconds since 1970. A time before that of the latest packet changes nothing.
   * @throws CaptureError `ERR_OPTION`: not a time, or called by a function of a stream; `ERR_CLOSED`: after {@link end}. What
   *   the functions of a stream throw: the other connections go on with the next call.
   */
  advance(time: number): void {
    this.#check('advance', 'time')
    if (checkTime(time) <= this.#time) return
    this.#time = time
    this.#busy = true
    try {
      this.#expire()
      for (const entry of this.#entries.values()) this.#skipMissingOf(entry, time)
    } finally {
      this.#busy = false
    }
    if (this.#over) this.#endAll()
  }

  #skipMissingOf(entry: Entry, time: number): void {
    const { stream } = entry
    if (stream._buffers.every(({ missingSince }) => Number.isNaN(missingSince))) return
    stream._time = time
    try {
      for (const buffer of stream._buffers) {
        buffer.proceed()
        this.#skipMissing(buffer, time)
      }
      if (stream._buffers.every(({ finished }) => finished)) this.#finish(entry, 'closed')
    } finally {
      this.#account(entry)
    }
  }

  #check(method: string, option: string): void {
    if (this.#over) throw new CaptureError('ERR_CLOSED', 'the reassembler has ended')
    if (!this.#busy) return
    throw new CaptureError('ERR_OPTION', `${method}() must not be called by a function of a stream`, { option })
  }

  #add(d: Dissector, packet: Packet): void {
    this.#segments++
    if (d.fragment !== 0) {
      this.#fragments++
      return
    }
    if (this.#options.verifyChecksums && isDamaged(d)) {
      this.#ignored++
      return
    }
    const time = packet.timestampMs
    if (time > this.#time) {
      this.#time = time
      this.#expire()
    } else if (time < this.#time - this.#options.idleTimeout) {
      // The clock was set back, or the packet before had a wrong time.
      this.#time = time
    }
    const found = this.#entryOf(d, packet, time)
    if (!found) return
    const [entry, own] = found
    if (Math.abs(time - entry.last) > 1000) {
      this.#entries.delete(entry.key)
      this.#entries.set(entry.key, entry)
      entry.last = time
    } else if (time > entry.last) {
      entry.last = time
    }
    try {
      const cause = this.#take(entry, own, d, time)
      if (cause) this.#finish(entry, cause)
    } finally {
      this.#account(entry)
    }
    while (this.#memory > this.#options.maxMemory) this.#evict()
  }

  /**
   * Ends all connections, with what they hold and the gaps in it; called by a function of a stream, when that has returned.
   * Calling it again does nothing.
   *
   * @throws What the functions of a stream throw first, when all connections have ended.
   */
  end(): void {
    if (this.#over) return
    this.#over = true
    if (!this.#busy) this.#endAll()
  }

  #endAll(): void {
    const errors: unknown[] = []
    for (const entry of this.#entries.values()) {
      try {
        this.#finish(entry, 'ended')
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  /** The counts so far. */
  stats(): TcpReassemblerStats {
    return {
      streams: this.#entries.size,
      begun: this.#begun,
      memory: this.#memory,
      segments: this.#segments,
      ignored: this.#ignored,
      fragments: this.#fragments,
    }
  }

  /** The connection of the packet and which end sent it (0: the originator); begins one if it can. */
  #entryOf(d: Dissector, packet: Packet, time: number): [Entry, 0 | 1] | undefined {
    const key = this.#keys.of(d, packet)
    const found = this.#entries.get(key)
    if (found) return [found, this.#keys.swapped === found.swapped ? 0 : 1]

    const syn = (d.tcpFlags & Flag.SYN) !== 0
    if (!syn) {
      if (!this.#options.midstream || (d.tcpFlags & Flag.RST) !== 0) return undefined
      // What comes late of a connection that has ended is not another one.
      if (this.#closed.has(key)) return undefined
    }
    const own = syn && (d.tcpFlags & Flag.ACK) !== 0 ? 1 : 0
    return [this.#begin(d, time, key, own, !syn), own]
  }

  #begin(d: Dissector, time: number, key: string, own: 0 | 1, midstream: boolean): Entry {
    while (this.#entries.size >= this.#options.maxConnections) this.#evict()
    const ends = [
      { ip: d.sourceIp as string, port: d.sourcePort },
      { ip: d.destinationIp as string, port: d.destinationPort },
    ] as const
    const [from, to] = [ends[own], ends[own === 0 ? 1 : 0]]
    const stream = new TcpStream(
      { sourceIp: from.ip, sourcePort: from.port, destinationIp: to.ip, destinationPort: to.port },
      time,
      midstream,
    )
    const swapped = this.#keys.swapped !== (own === 1)
    const entry: Entry = { key, swapped, stream, last: time, memory: 0, renewal: undefined }
    this.#entries.set(key, entry)
    this.#closed.delete(key)
    this.#begun++
    this.#options.onStream(stream)
    return entry
  }

  /** Takes a segment; returns why the connection has ended, if it has. */
  #take(entry: Entry, own: 0 | 1, d: Dissector, time: number): TcpStreamEnd | undefined {
    const { stream } = entry
    stream._time = time
    const mine = stream._buffers[own]
    const theirs = stream._buffers[own === 0 ? 1 : 0]
    const flags = d.tcpFlags
    const syn = (flags & Flag.SYN) !== 0
    const acknowledges = (flags & Flag.ACK) !== 0
    if (syn && this.#renews(entry, own, d)) return this.#renew(entry, d, time)
    if (!mine.begun) {
      if (theirs.begun && !stream.midstream && !answers(d, theirs)) {
        this.#ignored++
        return undefined
      }
      mine.begin(syn ? d.tcpSequence + 1 : d.tcpSequence)
    }
    if (acknowledges && !theirs.begun) theirs.begin(d.tcpAcknowledgment)
    // The data of a SYN follow it (RFC 7413).
    const start = mine.offsetOf(syn ? d.tcpSequence + 1 : d.tcpSequence)
    if (Math.abs(start - mine.offset) > largestWindow) {
      this.#ignored++
      return undefined
    }
    if ((flags & Flag.RST) !== 0) {
      if (start < mine.offset || start > Math.max(mine.heldEnd, mine.offset)) {
        this.#ignored++
        return undefined
      }
      return 'reset'
    }
    mine.sent = Math.max(mine.sent, start + d.payloadLength)
    if (stream._ignored) mine.pass(start + d.payloadLength)
    else if (d.payloadLength > 0) this.#addData(mine, start, d)
    if ((flags & Flag.FIN) !== 0) mine.finish(start + d.payloadLength)
    if (acknowledges) this.#acknowledge(theirs, theirs.offsetOf(d.tcpAcknowledgment), time)
    this.#skipMissing(mine, time)
    this.#skipMissing(theirs, time)
    const done = (buffer: ReceiveBuffer) =>
      buffer.finished || (stream._ignored && buffer.end < Number.POSITIVE_INFINITY)
    return done(mine) && done(theirs) ? 'closed' : undefined
  }

  #addData(buffer: ReceiveBuffer, start: number, d: Dissector): void {
    buffer.add(start, d.payloadLength, d.payload)
    // Memory is returned by giving up on what is missing, the oldest first.
    while (buffer.memory > this.#options.maxBuffered && buffer.skip(Number.POSITIVE_INFINITY));
  }

  /** Whether this segment begins a new connection between the ports of one whose end was not seen. */
  #renews(entry: Entry, own: 0 | 1, d: Dissector): boolean {
    const buffer = entry.stream._buffers[own]
    const offset = buffer.offsetOf(d.tcpSequence + 1)
    const again = buffer.begun && offset <= buffer.offset && offset >= 0
    if (again) return false
    if ((d.tcpFlags & Flag.ACK) === 0) {
      if (!buffer.begun) return false
      // It may be forged: the receiver would not accept it. Its answer decides (RFC 5961, section 4).
      entry.renewal = d.tcpSequence
      return entry.stream._buffers.every(({ end }) => end < Number.POSITIVE_INFINITY)
    }
    return entry.renewal !== undefined && ((entry.renewal + 1) | 0) === (d.tcpAcknowledgment | 0)
  }

  /** Ends a connection, and begins the one that has taken its place. */
  #renew(entry: Entry, d: Dissector, time: number): TcpStreamEnd | undefined {
    this.#finish(entry, 'reused')
    const again = this.#begin(d, time, entry.key, (d.tcpFlags & Flag.ACK) !== 0 ? 1 : 0, false)
    try {
      const end = this.#keys.swapped === again.swapped ? 0 : 1
      const cause = this.#take(again, end, d, time)
      if (cause) this.#finish(again, cause)
    } finally {
      this.#account(again)
    }
    return undefined
  }

  /** The peer has received everything before `offset`. */
  #acknowledge(buffer: ReceiveBuffer, offset: number, time: number): void {
    const known = Math.min(offset, buffer.end)
    if (known <= buffer.acknowledged || offset - buffer.offset > largestWindow) return
    buffer.acknowledged = known
    if (known > buffer.offset && Number.isNaN(buffer.missingSince)) buffer.missingSince = time
  }

  /** What was acknowledged and has not come in time was not captured. */
  #skipMissing(buffer: ReceiveBuffer, time: number): void {
    if (Number.isNaN(buffer.missingSince)) return
    if (buffer.acknowledged <= buffer.offset) {
      buffer.missingSince = Number.NaN
      return
    }
    if (time - buffer.missingSince < this.#options.reorderTimeout) return
    // An end can acknowledge what was never sent: what the other end's segments show counts too.
    const missed = Math.min(buffer.acknowledged, buffer.sent)
    while (buffer.skip(missed));
    if (buffer.acknowledged <= buffer.offset) buffer.missingSince = Number.NaN
  }

  /** Brings what a connection holds into the sum of all. */
  #account(entry: Entry): void {
    const [one, other] = entry.stream._buffers
    const memory = one.memory + other.memory
    this.#memory += memory - entry.memory
    entry.memory = memory
  }

  #expire(): void {
    for (const [key, time] of this.#closed) {
      if (Math.abs(this.#time - time) < lateness) break
      this.#closed.delete(key)
    }
    for (const entry of this.#entries.values()) {
      // The order is exact to a second.
      if (Math.abs(this.#time - entry.last) < this.#options.idleTimeout + 1000) return
      this.#finish(entry, 'idle')
    }
  }

  #evict(): void {
    const [oldest] = this.#entries.values()
    if (oldest) this.#finish(oldest, 'evicted')
  }

  #finish(entry: Entry, cause: TcpStreamEnd): void {
    this.#entries.delete(entry.key)
    if (cause === 'closed' || cause === 'reset') this.#rememberClosed(entry)
    const { stream } = entry
    try {
      for (const buffer of stream._buffers) {
        buffer.flush()
        // What the peer has acknowledged was sent, even if it was not captured.
        buffer.skip(buffer.acknowledged)
      }
    } finally {
      for (const buffer of stream._buffers) buffer.clear()
      this.#account(entry)
      stream.onEnd?.(cause)
    }
  }

  #rememberClosed({ key, last }: Entry): void {
    this.#closed.delete(key)
    this.#closed.set(key, last)
    if (this.#closed.size <= this.#options.maxConnections) return
    const [oldest] = this.#closed.keys()
    this.#closed.delete(oldest as string)
  }
}

/** Whether a segment without a known sequence number acknowledges what the other end has sent, as only that end's peer can. */
function answers(d: Dissector, theirs: ReceiveBuffer): boolean {
  if ((d.tcpFlags & Flag.ACK) === 0) return (d.tcpFlags & (Flag.SYN | Flag.RST)) === Flag.SYN // both ends open it at once
  const offset = theirs.offsetOf(d.tcpAcknowledgment)
  return offset >= 0 && offset <= Math.max(theirs.sent, theirs.offset)
}

/** Whether no receiver would take the packet. */
function isDamaged(d: Dissector): boolean {
  const { network, transport } = d.checksums()
  return network.state === 'wrong' || transport.state === 'wrong'
}
