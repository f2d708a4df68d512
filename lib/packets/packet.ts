import { CaptureError } from '../errors.js'
import { native } from '../interfaces/native.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { ChunkMemory } from './chunk-memory.js'
import { commentsAt, commentsEnd } from './packet-comments.js'
import { Index, PacketType, Record, Status } from './packet-record.js'

/** The VLAN tag that the kernel took out of a packet (IEEE 802.1Q). */
export interface VlanTag {
  /** VLAN identifier, 0 to 4095. */
  readonly id: number
  /** Priority code point, 0 to 7. */
  readonly priority: number
  /** Drop eligible indicator. */
  readonly dropEligible: boolean
  /** The EtherType of the tag: 0x8100 (802.1Q) or 0x88a8 (802.1ad). */
  readonly protocol: number
}

/** How a packet came to the interface, or that it leaves (packet(7), sll_pkttype). */
export type PacketKind = 'host' | 'broadcast' | 'multicast' | 'other-host' | 'outgoing'

const none: readonly string[] = Object.freeze([])
const kinds: readonly PacketKind[] = ['host', 'broadcast', 'multicast', 'other-host', 'outgoing']

/** For a number that the kernel does not give packets, or not to everybody. */
function kindOf(type: number): PacketKind | undefined {
  return kinds[type] ?? (type === PacketType.INCOMING || type === PacketType.UNKNOWN ? undefined : 'other-host')
}

/**
 * One captured packet: a view on its chunk's memory, read when a property is asked for.
 *
 * A packet lives as long as its chunk. After the chunk was released `data` is empty, and the other properties throw
 * `ERR_RELEASED`; they never show another packet. What has to last longer: {@link Packet.copy}, or `chunk.retain()`.
 *
 * In `chunk.forEach` the same object is moved from packet to packet.
 */
export class Packet {
  /** @internal */
  _memory: ChunkMemory
  /** The packet's entry in the index of the memory. @internal */
  _entry: number
  // Not #private: the check of a private name at each access costs a quarter of forEach's speed (bench, drain).
  /** The view, once it was asked for. @internal */
  _data: Uint8Array | undefined

  /** @internal */
  constructor(memory: ChunkMemory, entry: number) {
    this._memory = memory
    this._entry = entry
  }

  /** Points a cursor at another packet. @internal */
  _move(entry: number): void {
    this._entry = entry
    this._data = undefined
  }

  /**
   * The captured bytes, from the link-layer header on (from the IP header where {@link linkType} is raw IP). A view
   * without a copy: empty once the chunk is released.
   */
  get data(): Uint8Array {
    const known = this._data
    if (known !== undefined) return known
    const memory = this._memory
    const offset = offsetOf(this._entry)
    const start = memory.u16[(offset + Record.DATA) >>> 1]
    if (start === undefined) return new Uint8Array(0)
    const data = new Uint8Array(memory.buffer, offset + start, this.capturedLength)
    this._data = data
    return data
  }

  /** Bytes captured; less than {@link originalLength} where the snapshot length cut the packet. */
  get capturedLength(): number {
    const length = this._entry & Index.MAX_LENGTH
    if (length === Index.MAX_LENGTH || this._memory.released) {
      return this._memory.u32[(offsetOf(this._entry) + Record.CAPTURED) >>> 2] ?? gone()
    }
    return length
  }

  /** Bytes of the packet as the kernel saw it, without a VLAN tag that it took out. */
  get originalLength(): number {
    return this._memory.u32[(offsetOf(this._entry) + Record.ORIGINAL) >>> 2] ?? gone()
  }

  /** When the kernel took the packet: nanoseconds since 1970-01-01 UTC. Neighbours may step back by a little. */
  get timestamp(): bigint {
    return this._memory.u64[(offsetOf(this._entry) + Record.TIMESTAMP) >>> 3] ?? gone()
  }

  /**
   * The interface, as it was when the packet was taken. The kernel says of a rename not when it was: packets between it
   * and the moment at which the capture heard of it show the old name.
   */
  get interface(): NetworkInterface {
    return this._memory.interfaceOf(offsetOf(this._entry)) ?? gone()
  }

  /**
   * `'out'` for what this host sends (or forwards) through the interface, `'in'` for everything else. `undefined` where
   * the source does not tell: with `backend: 'pcap'`, unless only one direction is captured, or on loopback; and in most
   * files.
   */
  get direction(): 'in' | 'out' | undefined {
    const type = this.#packetType()
    if (type === PacketType.UNKNOWN) return undefined
    return type === PacketType.OUTGOING ? 'out' : 'in'
  }

  /** To whom the link layer addressed it; `undefined` where the source does not tell (`backend: 'pcap'`, most files). */
  get kind(): PacketKind | undefined {
    return kindOf(this.#packetType())
  }

  /** What {@link data} starts with: a LINKTYPE_ number (https://www.tcpdump.org/linktypes.html), `undefined` where none fits. */
  get linkType(): number | undefined {
    const offset = offsetOf(this._entry)
    if ((this.#status() & Status.LINK_TYPE) !== 0) return this._memory.u32[(offset + Record.LINK_TYPE) >>> 2]
    const hardwareType = this._memory.u16[(offset + Record.HARDWARE) >>> 1] ?? gone()
    const iface = this.interface
    return iface.hardwareType === hardwareType ? iface.linkType : native().linkTypeOf(hardwareType)
  }

  /** The VLAN tag that was taken out of {@link data} by the kernel or the network card, if there was one. */
  get vlan(): VlanTag | undefined {
    const { u32, u16 } = this._memory
    const status = u32[(offsetOf(this._entry) + Record.STATUS) >>> 2] ?? gone()
    if ((status & Status.VLAN_VALID) === 0) return undefined
    const tci = u32[(offsetOf(this._entry) + Record.VLAN_TCI) >>> 2] as number
    const tpid = u16[(offsetOf(this._entry) + Record.VLAN_TPID) >>> 1] as number
    return {
      id: tci & 0xfff,
      priority: (tci >>> 13) & 7,
      dropEligible: (tci & 0x1000) !== 0,
      protocol: (status & Status.VLAN_TPID_VALID) !== 0 ? tpid : 0x8100,
    }
  }

  /** The kernel or the network card has found the transport checksum to be right. False says nothing against it. */
  get checksumVerified(): boolean {
    return (this.#status() & Status.CHECKSUM_VALID) !== 0
  }

  /** The transport checksum is not filled in yet: the packet was sent by this host, and the network card is to do it. */
  get checksumPending(): boolean {
    return (this.#status() & Status.CHECKSUM_NOT_READY) !== 0
  }

  /** Comments on this packet, as pcapng files have them. A live capture has none. */
  get comments(): readonly string[] {
    if ((this.#status() & Status.COMMENTS) === 0) return none
    return commentsAt(this._memory, offsetOf(this._entry))
  }

  /** A packet of its own, with a copy of the bytes, that outlives the chunk. */
  copy(): Packet {
    const captured = this.capturedLength
    const offset = offsetOf(this._entry)
    const length =
      (this.#status() & Status.COMMENTS) === 0
        ? (this._memory.u16[(offset + Record.DATA) >>> 1] as number) + captured
        : commentsEnd(this._memory, offset) - offset
    const buffer = new ArrayBuffer((length + 7) & ~7)
    new Uint8Array(buffer).set(this._memory.u8.subarray(offset, offset + length))
    const iface = this.interface
    // The record stands at the start of a memory of its own.
    return new Packet(new ChunkMemory(buffer, () => iface, true), this._entry & Index.MAX_LENGTH)
  }

  /** For util.inspect and console.log. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    if (this._memory.released) return 'Packet (released)'
    const { interface: iface, direction, capturedLength, originalLength, timestamp } = this
    const length = capturedLength === originalLength ? `${capturedLength}` : `${capturedLength} of ${originalLength}`
    return `Packet ${iface.name} ${direction ?? 'in or out'} ${length} bytes at ${timestamp}`
  }

  #packetType(): number {
    return this._memory.u8[offsetOf(this._entry) + Record.PACKET_TYPE] ?? gone()
  }

  #status(): number {
    return this._memory.u32[(offsetOf(this._entry) + Record.STATUS) >>> 2] ?? gone()
  }
}

function offsetOf(entry: number): number {
  return (entry >>> Index.LENGTH_BITS) << Index.UNIT
}

function gone(): never {
  throw new CaptureError(
    'ERR_RELEASED',
    'the chunk of this packet was released; to keep a packet, take packet.copy() or chunk.retain() before that',
  )
}
