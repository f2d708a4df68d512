import { checkBoolean, checkGroup, checkInteger, orElse } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import type { ChunkMemory } from '../packets/chunk-memory.js'
import { Packet } from '../packets/packet.js'
import { Index, Record, Status } from '../packets/packet-record.js'
import { ipv4Text, ipv6Text, macText } from './address.js'
import { type Checksums, networkChecksum, transportChecksum } from './checksum.js'
import { commonPacket } from './common-packet.js'
import { clear, DissectorFields, fault, Group, presentEnd } from './fields.js'
import { communityId, flowHash } from './hash.js'
import { type Headers, headers } from './headers.js'
import { extensions, ip, ipv4, ipv6 } from './ip.js'
import { Layer, Malformed } from './layer.js'
import { addTag, ethernet, etherType, linkLayer, llc } from './link-layer.js'
import { ppp } from './ppp.js'
import { Step } from './step.js'
import { longestSummary, putSummary } from './summary.js'
import { sackRanges } from './tcp-options.js'
import { transport } from './transport.js'
import { checkTunnels, type Tunnel } from './tunnel-option.js'
import { gre, ipTunnel, mplsEthernet, udpTunnel } from './tunnels.js'

/** Options of a {@link Dissector}. */
export interface DissectorOptions {
  /**
   * The tunnels to follow, or `true` for all of them: the fields are then those of the innermost packet, and `tunnelDepth`
   * says how many tunnels it was in. VLAN tags, MPLS labels and PPPoE are always followed. Default: none.
   */
  tunnels?: readonly Tunnel[] | boolean
  /** Read the options of TCP. Default false. */
  tcpOptions?: boolean
}

/** More headers than any real packet has; bounds the time that a packet can take. */
const maxSteps = 64

/** Lengths are below 2^30, so that positions are small integers. Files can say more. */
const maxLength = 0x3fff_ffff

const nothing = new DataView(new ArrayBuffer(0))

/** For summaries that become texts. */
const scratch = Buffer.alloc(longestSummary)

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { LENGTH_BITS, MAX_LENGTH, UNIT } = Index
const { CAPTURED, ORIGINAL, STATUS, DATA, LINK_TYPE, VLAN_TCI, HARDWARE } = Record
const { CHECKSUM_NOT_READY, VLAN_VALID, LINK_TYPE: HAS_LINK_TYPE } = Status
const { END, ETHER_TYPE, IPV4, TRANSPORT } = Step
const { COUNTED } = Group
const sound = Malformed.None
/** ARPHRD_ETHER (linux/if_arp.h). */
const ethernetHardware = 1

/**
 * Reads the headers of packets into integer fields, without an object per packet or layer. One dissector is used for any
 * number of packets, one after another: its fields are those of the last one.
 *
 * ```ts
 * const dissector = new Dissector()
 * chunk.forEach((packet) => {
 *   const layers = dissector.dissect(packet)
 *   if ((layers & Layer.Tcp) !== 0) ports[dissector.destinationPort] += dissector.payloadLength
 * })
 * ```
 *
 * Whatever a packet holds, dissection does not throw: see {@link malformed} and {@link truncated}. Addresses, names and
 * the like are made when they are asked for; they read the packet's bytes, so they are valid as long as the packet
 * (`ERR_RELEASED` after that), and none is made that is not used.
 */
export class Dissector extends DissectorFields {
  /** On the whole memory that holds the packet. */
  #view: DataView = nothing
  /** The memory of the packet's chunk, whose view that is; `undefined` for bytes that are no packet. */
  #memory: ChunkMemory | undefined
  /** All bytes of `#bytesOf`, the view for which they were last needed. */
  #bytes: Uint8Array = new Uint8Array(0)
  #bytesOf: DataView = nothing

  /** @throws CaptureError `ERR_OPTION`. */
  constructor(options?: DissectorOptions) {
    super()
    const { tunnels, tcpOptions } = checkGroup(options, 'options', ['tunnels', 'tcpOptions'])
    this._tunnels = checkTunnels(orElse(tunnels, false))
    this._tcpOptions = checkBoolean(orElse(tcpOptions, false), 'options.tcpOptions') ? 1 : 0
    clear(this, Group.ALL)
  }

  /**
   * Dissects a packet, of its link type and with the VLAN tag that was removed from it.
   *
   * @returns the layers found, bits of {@link Layer}; also in `layers`.
   * @throws CaptureError `ERR_OPTION`: not a packet; `ERR_RELEASED`.
   */
  dissect(packet: Packet): number
  /**
   * Dissects bytes.
   *
   * @param bytes they are not copied. For each ArrayBuffer that differs from the call before a small view is made.
   * @param linkType a LINKTYPE_ number. Default: 1, Ethernet.
   * @param originalLength the length of the whole packet, if `bytes` are only its beginning.
   * @returns the layers found, bits of {@link Layer}; also in `layers`.
   * @throws CaptureError `ERR_OPTION`.
   */
  dissect(bytes: Uint8Array, linkType?: number, originalLength?: number): number
  dissect(from: Packet | Uint8Array, linkType?: number, originalLength?: number): number {
    return Packet._is(from) ? this.#packet(from) : this.#frame(from, linkType, originalLength)
  }

  #frame(from: Uint8Array, linkType: number | undefined, originalLength: number | undefined): number {
    if (!(from instanceof Uint8Array)) throw optionError('packet', 'a Packet or a Uint8Array', from)
    const type = linkType === undefined ? 1 : checkInteger(linkType, 'linkType', 0, 0xffff)
    const original =
      originalLength === undefined
        ? from.length
        : checkInteger(originalLength, 'originalLength', from.length, maxLength)
    if (from.buffer !== this.#view.buffer) {
      // No view can be made on memory that was taken away; its bytes are none.
      this.#view = from.buffer.byteLength === 0 ? nothing : new DataView(from.buffer)
      this.#memory = undefined
    }
    this.checksumPending = 0
    const base = from.byteOffset
    if (type === 1 && commonPacket(this, this.#view, base, base + from.length, base + original)) return this.layers
    this.#begin(base, from.length, original, type)
    return this.#read(type)
  }

  #packet(packet: Packet): number {
    // Read from the record in place: the properties of Packet check again what is checked here once.
    const memory = packet._memory
    const { u32, u16 } = memory
    const entry = packet._entry
    const offset = (entry >>> LENGTH_BITS) << UNIT
    const status = u32[(offset + STATUS) >>> 2]
    if (status === undefined) throw released()
    const length = entry & MAX_LENGTH
    const captured = length === MAX_LENGTH ? (u32[(offset + CAPTURED) >>> 2] as number) | 0 : length
    const wire = u32[(offset + ORIGINAL) >>> 2] as number
    const original = wire > maxLength ? maxLength : wire | 0
    let linkType: number
    if ((status & HAS_LINK_TYPE) !== 0) linkType = (u32[(offset + LINK_TYPE) >>> 2] as number) | 0
    else if (u16[(offset + HARDWARE) >>> 1] === ethernetHardware) linkType = 1
    else linkType = packet.linkType ?? -1
    // Not for each packet: the store of a reference costs more than the comparison.
    if (this.#view !== memory.view) {
      this.#view = memory.view
      this.#memory = memory
    }
    this.checksumPending = (status & CHECKSUM_NOT_READY) >> 3
    const base = offset + (u16[(offset + DATA) >>> 1] as number)
    const hasTag = (status & VLAN_VALID) !== 0
    if (linkType === 1 && !hasTag) {
      const end = base + Math.max(original, captured)
      if (commonPacket(this, memory.view, base, base + captured, end)) return this.layers
    }
    this.#begin(base, captured, original, linkType)
    if (hasTag) addTag(this, u32[(offset + VLAN_TCI) >>> 2] as number)
    return this.#read(linkType)
  }

  /** Whether this packet is what was dissected last. @internal */
  _has(packet: Packet): boolean {
    const { view, u16 } = packet._memory
    const offset = (packet._entry >>> LENGTH_BITS) << UNIT
    return view === this.#view && offset + (u16[(offset + DATA) >>> 1] as number) === this._base
  }

  #begin(base: number, captured: number, original: number, linkType: number): void {
    const counted = this._groups & COUNTED
    if (counted !== 0) clear(this, counted)
    this._previous = this._groups
    this._groups = 0
    this._common = 0
    this._inFragment = false
    this.layers = 0
    this.linkType = linkType
    this.etherType = -1
    this.malformed = sound
    this._sourceMac = -1
    this._destinationMac = -1
    this._base = base
    this._at = base
    const end = base + captured
    this._captured = end
    this._wire = original > captured ? base + original : end
    this._limit = this._wire
    this._end = end
  }

  #read(linkType: number): number {
    const view = this.#view
    let step = linkType === 1 ? ethernet(this, view) : linkLayer(this, view, linkType)
    // The usual ways, without the switch of next().
    if (step === ETHER_TYPE) step = etherType(this, view)
    if (step === IPV4) step = ipv4(this, view)
    if (step === TRANSPORT) step = transport(this, view)
    for (let count = 0; step !== END; count++) {
      if (count === maxSteps) step = fault(this, Malformed.TooMany)
      else step = next(this, view, step)
    }
    const stale = this._previous & ~this._groups
    if (stale !== 0) clear(this, stale)
    const end = this._at
    this.payloadOffset = end - this._base
    this.payloadLength = this._limit > end ? this._limit - end : 0
    this.truncated = this._limit > this._captured ? 1 : 0
    return this.layers
  }

  /** The source address as text, in the form of RFC 5952; `undefined` if the packet is not IP. */
  get sourceIp(): string | undefined {
    return this.#ipText(12, 8)
  }

  /** The destination address as text, in the form of RFC 5952; `undefined` if the packet is not IP. */
  get destinationIp(): string | undefined {
    return this.#ipText(16, 24)
  }

  /** The source's hardware address as text, such as `02:00:5e:10:00:ff`; `undefined` if the link type has none. */
  get sourceMac(): string | undefined {
    return this._sourceMac < 0 ? undefined : macText(this.#valid(), this._sourceMac)
  }

  /** The destination's hardware address as text; `undefined` if the link type has none (SLL). */
  get destinationMac(): string | undefined {
    return this._destinationMac < 0 ? undefined : macText(this.#valid(), this._destinationMac)
  }

  /**
   * What was captured of the payload: a view on the packet's bytes, without a copy. Empty once the chunk is released. As
   * {@link Packet.data}, it must be copied for functions that use it later or on another thread.
   */
  get payload(): Uint8Array {
    const { buffer } = this.#view
    if (buffer.byteLength === 0) return new Uint8Array(0)
    if (this.#memory) this.#memory.exposed = true
    const end = presentEnd(this)
    const start = Math.min(this._at, end)
    return new Uint8Array(buffer, start, end - start)
  }

  /**
   * A hash of 32 bits that is the same for both directions of a flow: of the addresses, the ports and the protocol; of a
   * packet that is not IP, of its hardware addresses and EtherType. Fragments other than the first have no ports, so
   * their hash is another one. It is not stable between versions of this library, and no defence against chosen
   * collisions.
   */
  get flowHash(): number {
    if (this.#released) throw released()
    return flowHash(this, this.#view)
  }

  /**
   * The Community ID of the packet's flow, version 1 (https://github.com/corelight/community-id-spec), such as
   * `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`; `undefined` if the packet is not IP.
   *
   * @param seed 0 to 65535. Default 0.
   * @throws CaptureError `ERR_OPTION`; `ERR_RELEASED`.
   */
  communityId(seed = 0): string | undefined {
    checkInteger(seed, 'seed', 0, 65_535)
    if (this.#released) throw released()
    return communityId(this, this.#view, seed)
  }

  /** The four addresses and the operation of ARP; `undefined` if the packet is not ARP. */
  get arp(): Headers['arp'] {
    if (this.arpOffset < 0) return undefined
    const bytes = this.#valid()
    const at = this._base + this.arpOffset
    return {
      operation: this.arpOperation,
      senderMac: macText(bytes, at + 8),
      senderIp: ipv4Text(bytes, at + 14),
      targetMac: macText(bytes, at + 18),
      targetIp: ipv4Text(bytes, at + 24),
    }
  }

  /** The ranges of TCP's SACK option, first and one past the last sequence number of each; also without `tcpOptions`. */
  get tcpSackRanges(): [number, number][] {
    if (this.tcpFlags < 0) return []
    this.#valid()
    return sackRanges(this.#view, this._base + this.transportOffset, presentEnd(this))
  }

  /** Verifies the checksums of the innermost packet, and computes what they should be. */
  checksums(): Checksums {
    const bytes = this.#valid()
    return {
      network: networkChecksum(this, bytes),
      transport: transportChecksum(this, bytes, this.checksumPending !== 0),
    }
  }

  /** The headers as a plain object, for people and for JSON. */
  headers(): Headers {
    return headers(this)
  }

  /** For JSON.stringify(): {@link headers}. */
  toJSON(): Headers {
    return headers(this)
  }

  /**
   * A line about the packet as tcpdump writes it with `-n -t -S`, of the innermost packet:
   * `IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 64240, length 0`. Payloads are not decoded.
   */
  summary(): string {
    return scratch.toString('latin1', 0, this.summaryInto(scratch))
  }

  /**
   * Writes {@link summary} as bytes of ASCII, which costs less than a text: for those who print many packets.
   *
   * @param target no summary needs more than 4096 bytes.
   * @param offset where in `target` the summary begins. Default 0.
   * @returns the number of bytes written.
   * @throws CaptureError `ERR_OUT_OF_RANGE`: it does not fit, and `target` holds its beginning; `ERR_OPTION`; `ERR_RELEASED`.
   */
  summaryInto(target: Uint8Array, offset = 0): number {
    if (!(target instanceof Uint8Array)) throw optionError('target', 'a Uint8Array', target)
    checkInteger(offset, 'offset', 0, target.length)
    const end = putSummary(this, this.#view, this.#valid(), target, offset)
    if (end > target.length) {
      throw new CaptureError(
        'ERR_OUT_OF_RANGE',
        `target must have room for the summary: ${end - offset} bytes from offset ${offset}; it has ${target.length} in all`,
      )
    }
    return end - offset
  }

  #ipText(in4: number, in6: number): string | undefined {
    if (this.ipVersion === 0) return undefined
    const bytes = this.#valid()
    const at = this._base + this.networkOffset
    return this.ipVersion === 4 ? ipv4Text(bytes, at + in4) : ipv6Text(bytes, at + in6)
  }

  get #released(): boolean {
    return this._captured > 0 && this.#view.buffer.byteLength === 0
  }

  /** The memory, which must not have been released; `_at` and so on are positions in it. */
  #valid(): Uint8Array {
    if (this.#released) throw released()
    const view = this.#view
    if (this.#bytesOf !== view) {
      // A view cannot be made on memory that was taken away; of a packet without bytes nothing is read.
      this.#bytes = view.buffer.byteLength === 0 ? new Uint8Array(0) : new Uint8Array(view.buffer)
      this.#bytesOf = view
    }
    return this.#bytes
  }
}

function next(d: Dissector, view: DataView, step: number): number {
  switch (step) {
    case Step.ETHERNET:
      return ethernet(d, view)
    case Step.ETHER_TYPE:
      return etherType(d, view)
    case Step.IPV4:
      return ipv4(d, view)
    case Step.TRANSPORT:
      return transport(d, view)
    case Step.IPV6:
      return ipv6(d, view)
    case Step.IP:
      return ip(d, view)
    case Step.LLC:
      return llc(d, view)
    case Step.PPP:
      return ppp(d, view)
    case Step.GRE:
      return gre(d, view)
    case Step.UDP_TUNNEL:
      return udpTunnel(d, view)
    case Step.IP_TUNNEL:
      return ipTunnel(d)
    case Step.MPLS_ETHERNET:
      return mplsEthernet(d)
    case Step.EXTENSIONS:
      return extensions(d, view)
    default:
      return Step.END
  }
}

function released(): CaptureError {
  return new CaptureError('ERR_RELEASED', 'the chunk of the dissected packet was released')
}
