import { CaptureError, construction, notConstructible, optionError, printable } from '../errors.js'
import { native } from '../interfaces/native.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { ChunkMemory } from './chunk-memory.js'
import { commentsAt, commentsEnd } from './packet-comments.js'
import { makeRecord, type PacketOptions, type VlanTag } from './packet-options.js'
import { Index, PacketType, Record, Status } from './packet-record.js'

/** To whom a received packet was addressed, or that it was sent (packet(7), sll_pkttype). */
export type PacketKind = 'host' | 'broadcast' | 'multicast' | 'other-host' | 'outgoing'

/**
 * A packet as {@link Packet.toJSON} returns it: all properties that JSON can represent, and the bytes of this packet.
 */
export interface PacketJson {
  /** Nanoseconds since 1970-01-01 UTC, in decimal digits. */
  readonly timestamp: string
  /** Absent if it is not known. */
  readonly timestampSource?: 'system' | 'hardware'
  /** The interface. */
  readonly interface: {
    /** Its interface index. */
    readonly index: number
    /** Its name, see {@link Packet.interface}. */
    readonly name: string
  }
  /** Absent if it is not known; this also applies to the fields that follow. */
  readonly direction?: 'in' | 'out'
  /** To whom the link layer addressed it. */
  readonly kind?: PacketKind
  /** A LINKTYPE_ number, such as those of {@link LinkType}. */
  readonly linkType?: number
  /** The VLAN tag that was removed from the bytes. */
  readonly vlan?: VlanTag
  /** Bytes captured. */
  readonly capturedLength: number
  /** Bytes of the whole packet. */
  readonly originalLength: number
  /** See {@link Packet.checksumVerified}. */
  readonly checksumVerified: boolean
  /** See {@link Packet.checksumPending}. */
  readonly checksumPending: boolean
  /** Absent if there are none. */
  readonly comments?: readonly string[]
  /** The captured bytes in base64. */
  readonly data: string
}

const noMemory = new ChunkMemory(new ArrayBuffer(0), gone, true)
const none: readonly string[] = Object.freeze([])
const kinds: readonly PacketKind[] = ['host', 'broadcast', 'multicast', 'other-host', 'outgoing']

/** Types that packet sockets do not normally show (PACKET_LOOPBACK and above) count as `'other-host'`. */
function kindOf(type: number): PacketKind | undefined {
  return kinds[type] ?? (type === PacketType.INCOMING || type === PacketType.UNKNOWN ? undefined : 'other-host')
}

/** Where no device has stamped the packet, the kernel reads the system clock as late as in the ring (tpacket_rcv()). */
function timeSourceOf(status: number): 'system' | 'hardware' | undefined {
  if ((status & (Status.TIME_RAW_HARDWARE | Status.TIME_SYSTEM_HARDWARE)) !== 0) return 'hardware'
  return (status & (Status.TIME_SOFTWARE | Status.USER)) !== 0 ? 'system' : undefined
}

/**
 * One captured packet: a view on its chunk's memory. Each property is read from there when it is accessed.
 *
 * A packet is valid as long as its chunk. After the chunk was released `data` is empty, and the other properties throw
 * `ERR_RELEASED`; they never show another packet. To keep packets for longer: {@link Packet.copy}, or `chunk.retain()`.
 *
 * In `chunk.forEach` the same object is moved from packet to packet.
 */
export class Packet {
  /**
   * Makes `structuredClone(packet)` and `postMessage(packet)` throw, with this text: a clone would be an empty object.
   * The structured clone algorithm refuses symbols, and looks at enumerable properties alone.
   *
   * @internal
   */
  readonly cloning: symbol = noClone
  // Initial values of the final kind, so that V8 need not check the kind at each access.
  #memory = noMemory
  /** The packet's entry in the index of the memory, as a signed number: those of large chunks have the highest bit set. */
  #entry = 0
  /** The view that {@link data} returned. */
  #data: Uint8Array | undefined

  private constructor(by: typeof construction, memory: ChunkMemory, entry: number) {
    if (by !== construction) throw notConstructible('Packet', 'packets come from a capture or a savefile')
    this.#memory = memory
    this.#entry = entry | 0
  }

  /**
   * A packet of one's own: for tests, and wherever a packet is expected (`SavefileWriter`, `Injector`, {@link Dissector}).
   *
   * @param bytes the packet from its link-layer header on, up to 262144 bytes; they are copied.
   * @throws CaptureError `ERR_OPTION`.
   */
  static from(bytes: Uint8Array, options?: PacketOptions): Packet {
    const { buffer, iface } = makeRecord(bytes, options)
    return Packet._make(new ChunkMemory(buffer, () => iface, true), Math.min(bytes.length, Index.MAX_LENGTH))
  }

  /** @internal */
  static _make(memory: ChunkMemory, entry: number): Packet {
    return new Packet(construction, memory, entry)
  }

  /**
   * As `instanceof`, at less cost: V8 compiles it to the comparison of types that the next access needs anyway.
   *
   * @internal
   */
  static _is(value: unknown): value is Packet {
    return typeof value === 'object' && value !== null && #entry in value
  }

  /** @internal */
  get _memory(): ChunkMemory {
    return this.#memory
  }

  /** @internal */
  get _entry(): number {
    return this.#entry
  }

  /** Moves a cursor to another packet. @internal */
  _move(entry: number): void {
    this.#entry = entry | 0
    this.#data = undefined
  }

  /**
   * The captured bytes, from the link-layer header on (from the IP header where {@link linkType} is raw IP). A view
   * of the chunk's memory: empty once the chunk is released.
   *
   * Functions that use it later or on another thread (`zlib.gzip`, `fs.write`, `socket.write`) must get a copy:
   * `packet.copy().data`. After the release such a function may read zeros in place of the bytes it has not read yet,
   * and what it writes is lost; it never reads or changes another packet. A function of Node.js that continues with a
   * view in several steps (zlib with more than 16 KiB of output) may end the process when it finds the view empty.
   *
   * The same applies to messages: `postMessage(packet.data)` clones the memory of the whole chunk, with all of its
   * packets, because a view is cloned together with its buffer. Send `packet.copy().data` and transfer its buffer, or
   * send `Uint8Array.from(packet.data)`.
   *
   * What a program writes into it stays in this chunk: a recording of the same capture has the bytes as they came.
   */
  get data(): Uint8Array {
    const known = this.#data
    if (known !== undefined) return known
    const memory = this.#memory
    const offset = offsetOf(this.#entry)
    const start = memory.u16[(offset + Record.DATA) >>> 1]
    if (start === undefined) return new Uint8Array(0)
    const data = new Uint8Array(memory.buffer, offset + start, this.capturedLength)
    memory.exposed = true
    this.#data = data
    return data
  }

  /** Bytes captured; less than {@link originalLength} if the packet was cut at the snapshot length. */
  get capturedLength(): number {
    const length = this.#entry & MAX_LENGTH
    if (length === MAX_LENGTH || this.#memory.released) {
      return this.#memory.u32[(offsetOf(this.#entry) + CAPTURED) >>> 2] ?? gone()
    }
    return length
  }

  /** Length of the packet as the kernel saw it, in bytes, without a VLAN tag that was removed. */
  get originalLength(): number {
    return this.#memory.u32[(offsetOf(this.#entry) + Record.ORIGINAL) >>> 2] ?? gone()
  }

  /**
   * When the kernel took the packet: nanoseconds since 1970-01-01 UTC. It may be slightly before the preceding
   * packet's.
   */
  get timestamp(): bigint {
    return this.#memory.u64[(offsetOf(this.#entry) + TIMESTAMP) >>> 3] ?? gone()
  }

  /**
   * Whose clock {@link timestamp} is from: the system's, or that of the network card that received the packet
   * (`CaptureOptions.timestamps`). `undefined` where it is not known: in files, for devices of `backend: 'pcap'` that are
   * no network interfaces, and for {@link Packet.from}.
   */
  get timestampSource(): 'system' | 'hardware' | undefined {
    return timeSourceOf(this.#status())
  }

  /**
   * As {@link timestamp}: milliseconds since 1970-01-01 UTC with fractions, a number as that of `Date.now()`. It is exact
   * to a quarter of a microsecond, which is as much as a number can hold for times of this century.
   */
  get timestampMs(): number {
    const { u32 } = this.#memory
    const at = (offsetOf(this.#entry) + TIMESTAMP) >>> 2
    const high = u32[at + highWord] ?? gone()
    return (high * 2 ** 32 + (u32[at + 1 - highWord] as number)) / 1e6
  }

  /**
   * The interface, as it was when the packet was taken. The kernel does not report the time of a rename: packets taken
   * between a rename and the moment at which the capture reads of it have the old name.
   */
  get interface(): NetworkInterface {
    return this.#memory.interfaceOf(offsetOf(this.#entry)) ?? gone()
  }

  /**
   * `'out'` for what this host sends (or forwards) through the interface, `'in'` for everything else. `undefined` where
   * the source has no direction: most files, and `backend: 'pcap'` unless only one direction is captured or the
   * interface is loopback.
   */
  get direction(): 'in' | 'out' | undefined {
    const type = this.#packetType()
    if (type === PacketType.UNKNOWN) return undefined
    return type === PacketType.OUTGOING ? 'out' : 'in'
  }

  /**
   * To whom the link layer addressed it; `undefined` if the source does not have it (`backend: 'pcap'`, most files).
   */
  get kind(): PacketKind | undefined {
    return kindOf(this.#packetType())
  }

  /**
   * The type of the header that {@link data} starts with: a LINKTYPE_ number ({@link LinkType},
   * https://www.tcpdump.org/linktypes.html); `undefined` if none fits the device.
   */
  get linkType(): number | undefined {
    const offset = offsetOf(this.#entry)
    if ((this.#status() & Status.LINK_TYPE) !== 0) return this.#memory.u32[(offset + Record.LINK_TYPE) >>> 2]
    const hardwareType = this.#memory.u16[(offset + Record.HARDWARE) >>> 1] ?? gone()
    const iface = this.interface
    return iface.hardwareType === hardwareType ? iface.linkType : native().linkTypeOf(hardwareType)
  }

  /** The VLAN tag that the kernel or the network card removed from {@link data}, if there was one. */
  get vlan(): VlanTag | undefined {
    const { u32, u16 } = this.#memory
    const status = u32[(offsetOf(this.#entry) + Record.STATUS) >>> 2] ?? gone()
    if ((status & Status.VLAN_VALID) === 0) return undefined
    const tci = u32[(offsetOf(this.#entry) + Record.VLAN_TCI) >>> 2] as number
    const tpid = u16[(offsetOf(this.#entry) + Record.VLAN_TPID) >>> 1] as number
    return {
      id: tci & 0xfff,
      priority: (tci >>> 13) & 7,
      dropEligible: (tci & 0x1000) !== 0,
      protocol: (status & Status.VLAN_TPID_VALID) !== 0 ? tpid : 0x8100,
    }
  }

  /**
   * The kernel or the network card has verified the transport checksum. False: not checked, which does not mean wrong.
   */
  get checksumVerified(): boolean {
    return (this.#status() & Status.CHECKSUM_VALID) !== 0
  }

  /** The transport checksum is not filled in: this host sent the packet, and left the checksum to the network card. */
  get checksumPending(): boolean {
    return (this.#status() & Status.CHECKSUM_NOT_READY) !== 0
  }

  /** The comments on this packet in a pcapng file. Packets of a live capture have none. */
  get comments(): readonly string[] {
    if ((this.#status() & Status.OPTIONS) === 0) return none
    return commentsAt(this.#memory, offsetOf(this.#entry))
  }

  /**
   * Reads a byte of the packet, as `data[offset]` does, without making a view. With `forEach`, this and the following are
   * the fastest way to read packets.
   *
   * @param offset from the packet's first byte.
   * @throws CaptureError `ERR_OUT_OF_RANGE`: not within the captured bytes; `ERR_RELEASED`; `ERR_OPTION`.
   */
  readUInt8(offset: number): number {
    return this.#memory.view.getUint8(this.#place(offset, 1))
  }

  /** Reads 16 bits in network byte order; as {@link readUInt8}. */
  readUInt16BE(offset: number): number {
    return this.#memory.view.getUint16(this.#place(offset, 2))
  }

  /** Reads 16 bits in little-endian byte order; as {@link readUInt8}. */
  readUInt16LE(offset: number): number {
    return this.#memory.view.getUint16(this.#place(offset, 2), true)
  }

  /** Reads 32 bits without sign in network byte order; as {@link readUInt8}. */
  readUInt32BE(offset: number): number {
    return this.#memory.view.getUint32(this.#place(offset, 4))
  }

  /** Reads 32 bits without sign in little-endian byte order; as {@link readUInt8}. */
  readUInt32LE(offset: number): number {
    return this.#memory.view.getUint32(this.#place(offset, 4), true)
  }

  /** A copy of the packet in separate memory, which stays valid after the chunk was released. */
  copy(): Packet {
    const captured = this.capturedLength
    const offset = offsetOf(this.#entry)
    const length =
      (this.#status() & Status.OPTIONS) === 0
        ? (this.#memory.u16[(offset + Record.DATA) >>> 1] as number) + captured
        : commentsEnd(this.#memory, offset) - offset
    const buffer = new ArrayBuffer((length + 7) & ~7)
    new Uint8Array(buffer).set(this.#memory.u8.subarray(offset, offset + length))
    const iface = this.interface
    // The record is at offset 0 of the new memory.
    return Packet._make(new ChunkMemory(buffer, () => iface, true), this.#entry & Index.MAX_LENGTH)
  }

  /**
   * For JSON.stringify(): the packet's properties, the timestamp as a string and the bytes in base64. Of a packet whose
   * chunk was released, `{ released: true }`.
   */
  toJSON():
    | PacketJson
    | {
        /** The chunk was released. */
        released: true
      } {
    if (this.#memory.released) return { released: true }
    const { interface: iface, timestampSource, direction, kind, linkType, vlan, comments, data } = this
    return {
      timestamp: String(this.timestamp),
      ...(timestampSource && { timestampSource }),
      interface: { index: iface.index, name: iface.name },
      ...(direction && { direction }),
      ...(kind && { kind }),
      ...(linkType !== undefined && { linkType }),
      ...(vlan && { vlan }),
      capturedLength: this.capturedLength,
      originalLength: this.originalLength,
      checksumVerified: this.checksumVerified,
      checksumPending: this.checksumPending,
      ...(comments.length > 0 && { comments }),
      data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
    }
  }

  /** For util.inspect and console.log. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    if (this.#memory.released) return 'Packet (released)'
    const { interface: iface, direction, capturedLength, originalLength, timestamp } = this
    const length = capturedLength === originalLength ? `${capturedLength}` : `${capturedLength} of ${originalLength}`
    return `Packet ${printable(iface.name)} ${direction ?? 'in or out'} ${length} bytes at ${timestamp}`
  }

  /** Where in the memory `size` bytes of the packet begin; throws unless all of them are its own. */
  #place(offset: number, size: number): number {
    const entry = this.#entry
    const record = offsetOf(entry)
    const start = this.#memory.u16[(record + DATA) >>> 1]
    const known = entry & MAX_LENGTH
    const length = known === MAX_LENGTH ? this.capturedLength : known
    const isWithin = typeof offset === 'number' && offset >= 0 && offset + size <= length
    // No start: the chunk was released.
    if (!isWithin || (offset | 0) !== offset || start === undefined) return unreadable(this, offset, size)
    return record + start + offset
  }

  #packetType(): number {
    return this.#memory.u8[offsetOf(this.#entry) + Record.PACKET_TYPE] ?? gone()
  }

  #status(): number {
    return this.#memory.u32[(offsetOf(this.#entry) + Record.STATUS) >>> 2] ?? gone()
  }
}

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { LENGTH_BITS, MAX_LENGTH, UNIT } = Index
const { CAPTURED, DATA, TIMESTAMP } = Record

const noClone = Symbol('a Packet is a view on its chunk: send packet.copy().data or packet.toJSON() instead')

function offsetOf(entry: number): number {
  return (entry >>> LENGTH_BITS) << UNIT
}

/** Which of the two words of the timestamp is the upper one: numbers are in the machine's byte order. */
const highWord = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0

/** The error for a read of `size` bytes. */
function unreadable(packet: Packet, offset: unknown, size: number): never {
  if (typeof offset !== 'number') throw optionError('offset', 'a number', offset)
  const length = packet.capturedLength
  const bytes = size === 1 ? '1 byte' : `${size} bytes`
  throw new CaptureError(
    'ERR_OUT_OF_RANGE',
    `offset must be a whole number, with ${bytes} from there within the ${length} that were captured; got ${offset}`,
  )
}

function gone(): never {
  throw new CaptureError(
    'ERR_RELEASED',
    'the chunk of this packet was released; to keep a packet, take packet.copy() or chunk.retain() before that',
  )
}
