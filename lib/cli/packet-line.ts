import {
  Dissector,
  formatTimestamp,
  hexdump,
  Layer,
  type NetworkInterface,
  type Packet,
  type PacketOwners,
} from '../index.js'
import type { LineBuffer } from './line-buffer.js'
import { ownersJson, ownersText } from './owner-text.js'
import { oneLine, type Paint, paintFor, withFixedColors } from './terminal.js'
import { type TimeStyle, TimeText } from './time-text.js'

/** No summary has more bytes ({@link Dissector.summaryInto}). */
const longestSummary = 4096

const nothing: Uint8Array = new Uint8Array(0)
const lineFeed = Buffer.from('\n')

export interface LineOptions {
  readonly json?: boolean | undefined
  /** The addresses of the link layer (tcpdump's -e). */
  readonly link?: boolean | undefined
  /** Bytes below the line: 1 from the IP header on, 2 the link layer too. */
  readonly hex?: number | undefined
  /** More of the IP header, and checksums (tcpdump's -v). */
  readonly verbose?: boolean | undefined
  readonly time?: TimeStyle | undefined
  readonly nanoseconds?: boolean | undefined
  readonly color?: boolean | undefined
  /** Whose a packet is, to be shown. */
  readonly owners?: ((packet: Packet) => PacketOwners) | undefined
}

/** Formats packets, each as a line like tcpdump's or as a line of JSON. */
export class PacketLines {
  readonly #dissector = new Dissector()
  readonly #options: LineOptions
  readonly #paint: Paint
  readonly #time: TimeText
  readonly #places = new WeakMap<NetworkInterface, Uint8Array>()
  /** Most packets are of the interface of the packet before. */
  #lastInterface: NetworkInterface | undefined
  #lastPlace = nothing
  readonly #directions: Record<'In' | 'Out' | 'B' | 'M' | 'P', Uint8Array>

  constructor(options: LineOptions) {
    this.#options = options
    this.#paint = paintFor(options.color ?? false)
    const { green, yellow } = this.#paint
    this.#directions = {
      Out: Buffer.from(yellow('Out ')),
      In: Buffer.from(green('In  ')),
      B: Buffer.from(green('B   ')),
      M: Buffer.from(green('M   ')),
      P: Buffer.from(green('P   ')),
    }
    this.#time = new TimeText(options.time ?? 'clock', options.nanoseconds ?? false)
  }

  /** Appends the packet's line with its line feed, and the lines of bytes below it. */
  write(packet: Packet, out: LineBuffer): void {
    if (this.#options.json) {
      out.text(`${this.#json(packet)}\n`)
      return
    }
    const d = this.#dissector
    d.dissect(packet)
    const { color, link, verbose, hex, owners } = this.#options
    const start = out.length
    this.#time.write(packet.timestamp, out)
    if (color) out.rewrite(start, this.#paint.dim)
    out.append(this.#place(packet.interface))
    out.append(this.#direction(packet))
    if (link) out.text(linkText(d, packet))
    const summary = out.length
    out.reserve(longestSummary)
    out.length += d.summaryInto(out.bytes, summary)
    if (color) out.rewrite(summary, (text) => this.#painted(text))
    if (verbose) out.text(verboseText(d))
    if (owners) out.text(ownersText(owners(packet)))
    out.append(lineFeed)
    if (hex) out.text(this.#bytes(packet, hex))
  }

  /** The interface's name, padded like tcpdump's. */
  #place(iface: NetworkInterface): Uint8Array {
    if (iface === this.#lastInterface) return this.#lastPlace
    let place = this.#places.get(iface)
    if (place === undefined) {
      place = iface.name === '' ? nothing : Buffer.from(`${this.#paint.cyan(oneLine(iface.name).padEnd(5))} `)
      this.#places.set(iface, place)
    }
    this.#lastInterface = iface
    this.#lastPlace = place
    return place
  }

  /** tcpdump's words: what was sent, and to whom what came in was addressed. */
  #direction(packet: Packet): Uint8Array {
    const { Out, In, B, M, P } = this.#directions
    switch (packet.kind) {
      case 'outgoing':
        return Out
      case 'broadcast':
        return B
      case 'multicast':
        return M
      case 'other-host':
        return P
      case 'host':
        return In
    }
    const { direction } = packet
    if (direction === undefined) return nothing
    return direction === 'out' ? Out : In
  }

  #painted(summary: string): string {
    const paint = this.#paint
    const space = summary.indexOf(' ')
    const reset = (this.#dissector.layers & Layer.Tcp) !== 0 && (this.#dissector.tcpFlags & 4) !== 0
    if (space < 0) return summary
    return paint.bold(summary.slice(0, space)) + (reset ? paint.red(summary.slice(space)) : summary.slice(space))
  }

  #bytes(packet: Packet, level: number): string {
    const d = this.#dissector
    const outer = d.outerNetworkOffset >= 0 ? d.outerNetworkOffset : d.networkOffset
    const start = level > 1 ? 0 : Math.max(0, outer >= 0 ? outer : d.arpOffset)
    const { color } = this.#options
    const plain = hexdump(packet.data.subarray(start), { style: 'tcpdump', color })
    const dump = color ? withFixedColors(plain) : plain
    return dump === '' || dump.endsWith('\n') ? dump : `${dump}\n`
  }

  #json(packet: Packet): string {
    const d = this.#dissector
    d.dissect(packet)
    const { name } = packet.interface
    const { owners } = this.#options
    return JSON.stringify({
      timestamp: formatTimestamp(packet.timestamp),
      ...(name !== '' && { interface: name }),
      direction: packet.direction,
      kind: packet.kind,
      length: packet.originalLength,
      ...(packet.capturedLength < packet.originalLength && { captured: packet.capturedLength }),
      summary: d.summary(),
      ...d.headers(),
      ...(owners && { owners: ownersJson(owners(packet)) }),
      ...(this.#options.hex && { data: Buffer.from(packet.data).toString('hex') }),
    })
  }
}

function linkText(d: Dissector, packet: Packet): string {
  const { sourceMac, destinationMac } = d
  const tag = packet.vlan ? `vlan ${packet.vlan.id}, p ${packet.vlan.priority}, ` : ''
  if (sourceMac === undefined) return `${tag}length ${packet.originalLength}: `
  const type = d.etherType < 0 ? '' : `, ethertype 0x${d.etherType.toString(16).padStart(4, '0')}`
  const to = destinationMac === undefined ? '' : ` > ${destinationMac}`
  return `${sourceMac}${to}${type}, ${tag}length ${packet.originalLength}: `
}

function verboseText(d: Dissector): string {
  if (d.ipVersion === 0) return ''
  const parts = d.ipVersion === 4 ? [`ttl ${d.hopLimit}`, `id ${d.identification}`] : [`hlim ${d.hopLimit}`]
  if (d.trafficClass > 0) parts.push(`tos 0x${d.trafficClass.toString(16)}`)
  if (d.flowLabel > 0) parts.push(`flowlabel 0x${d.flowLabel.toString(16)}`)
  if (d.fragment) parts.push(`fragment at ${d.fragmentOffset}${d.moreFragments ? ', more follow' : ''}`)
  const { network, transport } = d.checksums()
  if (network.state === 'wrong') parts.push('bad IP checksum')
  if (transport.state === 'wrong') parts.push('bad checksum')
  return ` (${parts.join(', ')})`
}
