import { checkBoolean, checkGroup, checkInteger, checkList, checkWord, orElse } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { Packet } from '../packets/packet.js'
import { Index, Record, Status } from '../packets/packet-record.js'
import { ipv4Text, ipv6Text, macText } from './address.js'
import { u16 } from './bytes.js'
import { type Checksums, networkChecksum, transportChecksum } from './checksum.js'
import { clear, DissectorFields, fault, Group } from './fields.js'
import { communityId, flowHash } from './hash.js'
import { type Headers, headers } from './headers.js'
import { extensions, ip, ipv4, ipv6 } from './ip.js'
import { Layer, Malformed } from './layer.js'
import { addTag, ethernet, etherType, linkLayer, llc } from './link-layer.js'
import { ppp } from './ppp.js'
import { Step } from './step.js'
import { sackRanges, summary } from './summary.js'
import { TcpOption, tcpOptionPlaces } from './tcp-options.js'
import { tcp, transport } from './transport.js'
import { gre, ipTunnel, mplsEthernet, udpTunnel } from './tunnels.js'

/**
 * A tunnel that a {@link Dissector} can follow:
 *
 * - `'ipip'`: IPv4 or IPv6 directly in IPv4 or IPv6
 * - `'gre'`: IP, Ethernet and MPLS in GRE, and PPP in PPTP's
 * - `'erspan'`: mirrored frames in GRE, types I to III
 * - `'vxlan'`: UDP to port 4789 or 8472 (Linux's default)
 * - `'geneve'`: UDP to port 6081
 * - `'gtpu'`: version 1, UDP from or to port 2152
 * - `'mpls'`: Ethernet pseudowires with a control word. IP behind MPLS labels is always read.
 */
export type Tunnel = 'ipip' | 'gre' | 'erspan' | 'vxlan' | 'geneve' | 'gtpu' | 'mpls'

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

const tunnelLayers: { readonly [name in Tunnel]: number } = {
  ipip: Layer.IPv4 | Layer.IPv6,
  gre: Layer.Gre,
  erspan: Layer.Erspan,
  vxlan: Layer.Vxlan,
  geneve: Layer.Geneve,
  gtpu: Layer.Gtpu,
  mpls: Layer.Mpls,
}
const tunnelNames = Object.keys(tunnelLayers) as Tunnel[]

/** More headers than any real packet has; bounds the time that a packet can take. */
const maxSteps = 64

/** Lengths are below 2^30, so that positions are small integers. Files can say more. */
const maxLength = 0x3fff_ffff

const nothing = new DataView(new ArrayBuffer(0))

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { LENGTH_BITS, MAX_LENGTH, UNIT } = Index
const { CAPTURED, ORIGINAL, STATUS, DATA, LINK_TYPE, VLAN_TCI, HARDWARE } = Record
const { CHECKSUM_NOT_READY, VLAN_VALID, LINK_TYPE: HAS_LINK_TYPE } = Status
const { END, ETHER_TYPE, IPV4, TRANSPORT } = Step
const { COUNTED } = Group
const sound = Malformed.None
/** ARPHRD_ETHER (linux/if_arp.h). */
const ethernetHardware = 1
const ipv4Type = 0x0800
const tcpProtocol = 6
const ethernetLayer = Layer.Ethernet

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

  /** @throws CaptureError `ERR_OPTION`. */
  constructor(options?: DissectorOptions) {
    super()
    const { tunnels, tcpOptions } = checkGroup(options, 'options', ['tunnels', 'tcpOptions'])
    this._tunnels = checkTunnels(orElse(tunnels, false))
    this._tcpOptions = checkBoolean(orElse(tcpOptions, false), 'options.tcpOptions')
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
    if (from instanceof Packet) return this.#packet(from)
    if (!(from instanceof Uint8Array)) throw optionError('packet', 'a Packet or a Uint8Array', from)
    const type = linkType === undefined ? 1 : checkInteger(linkType, 'linkType', 0, 0xffff)
    const original =
      originalLength === undefined
        ? from.length
        : checkInteger(originalLength, 'originalLength', from.length, maxLength)
    if (from.buffer !== this.#view.buffer) this.#view = new DataView(from.buffer)
    this.checksumPending = 0
    this.#begin(from.byteOffset, from.length, original, type)
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
    const original = u32[(offset + ORIGINAL) >>> 2] as number
    let linkType: number
    if ((status & HAS_LINK_TYPE) !== 0) linkType = (u32[(offset + LINK_TYPE) >>> 2] as number) | 0
    else if (u16[(offset + HARDWARE) >>> 1] === ethernetHardware) linkType = 1
    else linkType = packet.linkType ?? -1
    // Not for each packet: the store of a reference costs more than the comparison.
    if (this.#view !== memory.view) this.#view = memory.view
    this.checksumPending = (status & CHECKSUM_NOT_READY) >> 3
    const base = offset + (u16[(offset + DATA) >>> 1] as number)
    this.#begin(base, captured, original > maxLength ? maxLength : original | 0, linkType)
    if ((status & VLAN_VALID) !== 0) addTag(this, u32[(offset + VLAN_TCI) >>> 2] as number)
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
    // The common kinds of packets, without the switch of next(), and IPv4 in Ethernet without the calls.
    const at = this._at
    let step: number
    if (linkType === 1 && at + 14 <= this._end && u16(view, at + 12) === ipv4Type) {
      this.layers |= ethernetLayer
      this.etherType = ipv4Type
      this._destinationMac = at
      this._sourceMac = at + 6
      this._at = at + 14
      step = IPV4
    } else {
      step = linkType === 1 ? ethernet(this, view) : linkLayer(this, view, linkType)
      if (step === ETHER_TYPE) step = etherType(this, view)
    }
    if (step === IPV4) step = ipv4(this, view)
    if (step === TRANSPORT) step = this.protocol === tcpProtocol ? tcp(this, view) : transport(this, view)
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

  /** What was captured of the payload: a view on the packet's bytes, without a copy. Empty once the chunk is released. */
  get payload(): Uint8Array {
    const { buffer } = this.#view
    const end = Math.min(this._limit, this._captured)
    const start = Math.min(this._at, end)
    return buffer.byteLength === 0 ? new Uint8Array(0) : new Uint8Array(buffer, start, end - start)
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
    const places = tcpOptionPlaces(this.#view, this._base + this.transportOffset, Math.min(this._limit, this._captured))
    const sack = places.find(({ kind }) => kind === TcpOption.SACK)
    return sack ? sackRanges(this.#view, sack.at, sack.length) : []
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
    const bytes = this.#valid()
    return summary(this, this.#view, bytes)
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
    return new Uint8Array(this.#view.buffer)
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

function checkTunnels(given: unknown): number {
  if (typeof given === 'boolean') return given ? tunnelNames.reduce((bits, name) => bits | tunnelLayers[name], 0) : 0
  const names = checkList(given, 'options.tunnels', `a boolean, or a list of ${tunnelNames.join(', ')}`, 100)
  return names.reduce<number>(
    (bits, name, i) => bits | tunnelLayers[checkWord(name, `options.tunnels[${i}]`, tunnelNames)],
    0,
  )
}

function released(): CaptureError {
  return new CaptureError('ERR_RELEASED', 'the chunk of the dissected packet was released')
}
