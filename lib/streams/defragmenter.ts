import { checkGroup, checkInteger, checkTime, orElse } from '../arguments.js'
import { internetChecksum } from '../dissect/checksum.js'
import { Dissector } from '../dissect/dissector.js'
import { optionError } from '../errors.js'
import { Packet } from '../packets/packet.js'

/** Options of a {@link Defragmenter}. All are optional. */
export interface DefragmenterOptions {
  /** The most bytes of fragments that wait for others. Beyond it, the oldest packet is given up. 65536 to 2^40, default 16 MiB. */
  maxMemory?: number | undefined
  /** Milliseconds after its first fragment until a packet is given up, by the packets' time. 1 to 3600000, default 30000. */
  timeout?: number | undefined
}

/** What a {@link Defragmenter} has counted. */
export interface DefragmenterStats {
  /** Packets that were put together. */
  readonly packets: number
  /** Fragments seen. */
  readonly fragments: number
  /** Fragments that came twice, with the same bytes. */
  readonly duplicates: number
  /** Packets that were given up: fragments of theirs overlap (RFC 5722). */
  readonly overlapping: number
  /** Packets that were given up: a fragment's length or place is impossible, or was cut at the snapshot length. */
  readonly malformed: number
  /** Packets that were given up: not all fragments came in time. */
  readonly timedOut: number
  /** Packets that were given up: there was no room. */
  readonly evicted: number
  /** Bytes of fragments that wait for others. */
  readonly memory: number
}

type Origin = Pick<Packet, 'linkType' | 'direction' | 'vlan' | 'interface'>

interface Fragment {
  start: number
  bytes: Uint8Array
}

/** A packet of which fragments have come. */
interface Datagram {
  /** Time of the first fragment that came. */
  time: number
  /** Length of the data, once the last fragment has come. */
  length: number
  /** Bytes that have come. */
  gathered: number
  fragments: Fragment[]
  /** What precedes the data in the first fragment: link layer, IP header and extension headers. */
  head: Uint8Array | undefined
  /** What the packet has of its first fragment besides the bytes. */
  first: Origin | undefined
  /** Where things are in the head. */
  place: Place | undefined
  /** Given up: what comes later of it is dropped. */
  dead: boolean
  memory: number
}

/** The most fragments of one packet: 64 KiB in pieces of 8 bytes. */
const maxFragments = 8192
const largest = 65535
const fragmentOverhead = 128
const datagramOverhead = 512
const fragmentHeader = 44

/**
 * Puts fragments of IPv4 and IPv6 together, in bounded memory.
 *
 * ```ts
 * const defragmenter = new Defragmenter()
 * chunk.forEach((packet) => {
 *   const whole = defragmenter.add(packet)
 *   if (whole) flows.add(whole)
 * })
 * ```
 *
 * A packet whose fragments overlap, before it is complete, is given up and counted: hosts differ in which bytes they take, so
 * that what one of them receives cannot be known (RFC 5722; for IPv4 RFC 1858 and 3128 describe what it is used for).
 * Only the outermost IP header counts: fragments in tunnels are not put together.
 */
export class Defragmenter {
  readonly #maxMemory: number
  readonly #timeout: number
  readonly #dissector = new Dissector()
  readonly #datagrams = new Map<string, Datagram>()
  #time = Number.NEGATIVE_INFINITY
  #memory = 0
  readonly #counts = { packets: 0, fragments: 0, duplicates: 0, overlapping: 0, malformed: 0, timedOut: 0, evicted: 0 }

  /** @throws CaptureError `ERR_OPTION`. */
  constructor(options?: DefragmenterOptions) {
    const given = checkGroup<DefragmenterOptions>(options, 'options', ['maxMemory', 'timeout'])
    this.#maxMemory = checkInteger(orElse(given.maxMemory, 16 << 20), 'maxMemory', 65536, 2 ** 40, 'bytes')
    this.#timeout = checkInteger(orElse(given.timeout, 30_000), 'timeout', 1, 3_600_000, 'milliseconds')
  }

  /**
   * Adds a packet.
   *
   * @returns The packet itself if it is not a fragment; of the fragment that completes a packet, that packet, with memory
   *   of its own and the completing fragment's time; `undefined` for all other fragments.
   * @throws CaptureError `ERR_OPTION`: not a packet; `ERR_RELEASED`.
   */
  add(packet: Packet): Packet | undefined {
    if (!Packet._is(packet)) throw optionError('packet', 'a Packet', packet)
    const d = this.#dissector
    d.dissect(packet)
    if (d.fragment === 0) return packet
    this.#counts.fragments++
    const time = packet.timestampMs
    // Set back: the clock was, or a packet before had a wrong time.
    if (time > this.#time || time < this.#time - this.#timeout) {
      this.#time = time
      this.#expire()
    }
    const key = `${d.sourceIp} ${d.destinationIp} ${d.identification} ${d.ipVersion === 4 ? d.protocol : 6} ${d.vlanId}`
    let datagram = this.#datagrams.get(key)
    if (!datagram) {
      datagram = {
        time,
        length: -1,
        gathered: 0,
        fragments: [],
        head: undefined,
        first: undefined,
        place: undefined,
        dead: false,
        memory: 0,
      }
      this.#datagrams.set(key, datagram)
      this.#charge(datagram, datagramOverhead)
    }
    if (datagram.dead) return undefined
    const fault = this.#take(datagram, d, packet)
    if (fault === 'duplicate') {
      this.#counts.duplicates++
    } else if (fault) {
      this.#counts[fault]++
      this.#bury(datagram)
    } else if (datagram.gathered === datagram.length) {
      this.#remove(key, datagram)
      this.#counts.packets++
      return assemble(datagram, packet.timestamp)
    }
    while (this.#memory > this.#maxMemory) this.#evict()
    return undefined
  }

  /**
   * Moves the time on, and gives up packets whose time has come. Needed only where no fragments come that would do so.
   *
   * @param time milliseconds since 1970. A time before that of the latest fragment changes nothing.
   * @throws CaptureError `ERR_OPTION`.
   */
  advance(time: number): void {
    if (checkTime(time) <= this.#time) return
    this.#time = time
    this.#expire()
  }

  /** The counts so far. */
  stats(): DefragmenterStats {
    return { ...this.#counts, memory: this.#memory }
  }

  /** Takes a fragment; returns what is wrong with it. */
  #take(datagram: Datagram, d: Dissector, packet: Packet): 'duplicate' | 'overlapping' | 'malformed' | undefined {
    const { data: whole } = packet
    const place = placeOf(whole, d.networkOffset, d.ipVersion)
    if (!place) return 'malformed'
    const { length } = place
    const start = d.fragmentOffset
    const end = start + length
    const data = whole.subarray(place.data, place.data + length)
    const headers = place.data - place.network - (d.ipVersion === 4 ? 0 : 40)
    if (data.length < length || length === 0 || headers + end > largest) return 'malformed'
    if (d.moreFragments === 1 && length % 8 !== 0) return 'malformed'
    for (const { start: from, bytes } of datagram.fragments) {
      if (start >= from + bytes.length || end <= from) continue
      const same = start === from && length === bytes.length && Buffer.compare(data, bytes) === 0
      return same ? 'duplicate' : 'overlapping'
    }
    if (d.moreFragments === 0) {
      if (datagram.length >= 0) return 'malformed'
      datagram.length = end
    }
    if (datagram.fragments.length === maxFragments) return 'malformed'
    if (start === 0) {
      const { linkType, direction, vlan, interface: iface } = packet
      datagram.first = { linkType, direction, vlan, interface: iface }
      datagram.place = place
      datagram.head = Uint8Array.from(whole.subarray(0, place.data))
      this.#charge(datagram, datagram.head.length)
    }
    datagram.fragments.push({ start, bytes: Uint8Array.from(data) })
    datagram.gathered += length
    this.#charge(datagram, length + fragmentOverhead)
    const beyond =
      datagram.length >= 0 && datagram.fragments.some((one) => one.start + one.bytes.length > datagram.length)
    return beyond ? 'malformed' : undefined
  }

  #charge(datagram: Datagram, bytes: number): void {
    datagram.memory += bytes
    this.#memory += bytes
  }

  #remove(key: string, datagram: Datagram): void {
    this.#datagrams.delete(key)
    this.#memory -= datagram.memory
  }

  /** Frees what has come, and remembers that what comes later is of no use. */
  #bury(datagram: Datagram): void {
    this.#memory -= datagram.memory - datagramOverhead
    datagram.memory = datagramOverhead
    datagram.fragments = []
    datagram.head = undefined
    datagram.first = undefined
    datagram.dead = true
  }

  #expire(): void {
    for (const [key, datagram] of this.#datagrams) {
      if (Math.abs(this.#time - datagram.time) < this.#timeout) return
      this.#remove(key, datagram)
      if (!datagram.dead) this.#counts.timedOut++
    }
  }

  #evict(): void {
    const [oldest] = this.#datagrams
    if (!oldest) return
    this.#remove(...oldest)
    if (!oldest[1].dead) this.#counts.evicted++
  }
}

/** Where things are in a fragment, in bytes from its start. */
interface Place {
  version: number
  network: number
  /** IPv6: the fragment header, and the byte that announces it. */
  fragment: number
  announcedBy: number
  data: number
  /** Bytes of data, as the IP header says. */
  length: number
}

/** The headers were dissected before: they are within the captured bytes. */
function placeOf(bytes: Uint8Array, network: number, version: number): Place | undefined {
  const u16 = (at: number) => ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  if (version === 4) {
    const header = ((bytes[network] as number) & 15) << 2
    const length = u16(network + 2) - header
    const place = { version, network, fragment: -1, announcedBy: -1, data: network + header, length }
    return length >= 0 ? place : undefined
  }
  let announcedBy = network + 6
  let at = network + 40
  while (bytes[announcedBy] !== fragmentHeader) {
    announcedBy = at
    at += ((bytes[at + 1] as number) + 1) << 3
    if (!(at + 8 <= bytes.length)) return undefined
  }
  const data = at + 8
  const length = u16(network + 4) - (data - network - 40)
  return length >= 0 ? { version, network, fragment: at, announcedBy, data, length } : undefined
}

/** The packet that the fragments are of. */
function assemble({ head, first, place, fragments, length }: Datagram, timestamp: bigint): Packet | undefined {
  if (!head || !first || !place) return undefined // cannot be: its first fragment is there
  const { version, network, fragment, announcedBy } = place
  const removed = version === 4 ? 0 : 8
  const bytes = new Uint8Array(head.length - removed + length)
  const view = new DataView(bytes.buffer)
  if (version === 4) {
    bytes.set(head)
    view.setUint16(network + 2, head.length - network + length)
    view.setUint16(network + 6, view.getUint16(network + 6) & 0x4000)
    view.setUint16(network + 10, 0)
    view.setUint16(network + 10, internetChecksum(bytes.subarray(network, head.length)))
  } else {
    bytes.set(head.subarray(0, fragment))
    bytes[announcedBy] = head[fragment] as number
    view.setUint16(network + 4, fragment - network - 40 + length)
  }
  for (const { start, bytes: data } of fragments) bytes.set(data, head.length - removed + start)
  const { linkType, direction, vlan } = first
  return Packet.from(bytes, {
    timestamp,
    interface: first.interface,
    ...(linkType !== undefined && { linkType }),
    ...(direction && { direction }),
    ...(vlan && { vlan }),
  })
}
