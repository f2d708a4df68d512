import { Dissector, formatTimestamp, hexdump, Layer, type NetworkInterface, type Packet } from '../index.js'
import { oneLine, type Paint, paintFor } from './terminal.js'
import { type TimeStyle, TimeText } from './time-text.js'

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
}

/** Formats packets, each as a line like tcpdump's or as a line of JSON. */
export class PacketLines {
  readonly #dissector = new Dissector()
  readonly #options: LineOptions
  readonly #paint: Paint
  readonly #time: TimeText
  readonly #places = new WeakMap<NetworkInterface, string>()

  constructor(options: LineOptions) {
    this.#options = options
    this.#paint = paintFor(options.color ?? false)
    this.#time = new TimeText(options.time ?? 'clock', options.nanoseconds ?? false)
  }

  /** The packet's line with its line feed, and the lines of bytes below it. */
  format(packet: Packet): string {
    if (this.#options.json) return `${this.#json(packet)}\n`
    const d = this.#dissector
    d.dissect(packet)
    const { color, link, verbose, hex } = this.#options
    const time = this.#time.of(packet.timestamp)
    let line = color ? this.#paint.dim(time) : time
    line += this.#place(packet.interface)
    line += this.#direction(packet)
    if (link) line += linkText(d, packet)
    const summary = d.summary()
    line += color ? this.#painted(summary) : summary
    if (verbose) line += verboseText(d)
    line += '\n'
    return hex ? line + this.#bytes(packet, hex) : line
  }

  /** The interface's name, padded like tcpdump's. */
  #place(iface: NetworkInterface): string {
    let text = this.#places.get(iface)
    if (text === undefined) {
      text = iface.name === '' ? '' : `${this.#paint.cyan(oneLine(iface.name).padEnd(5))} `
      this.#places.set(iface, text)
    }
    return text
  }

  /** tcpdump's words: what was sent, and to whom what came in was addressed. */
  #direction(packet: Packet): string {
    switch (packet.kind) {
      case 'outgoing':
        return this.#paint.yellow('Out ')
      case 'broadcast':
        return this.#paint.green('B   ')
      case 'multicast':
        return this.#paint.green('M   ')
      case 'other-host':
        return this.#paint.green('P   ')
      case 'host':
        return this.#paint.green('In  ')
    }
    const { direction } = packet
    if (direction === undefined) return ''
    return direction === 'out' ? this.#paint.yellow('Out ') : this.#paint.green('In  ')
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
    const dump = hexdump(packet.data.subarray(start), { style: 'tcpdump', color: this.#options.color })
    return dump === '' || dump.endsWith('\n') ? dump : `${dump}\n`
  }

  #json(packet: Packet): string {
    const d = this.#dissector
    d.dissect(packet)
    const { name } = packet.interface
    return JSON.stringify({
      timestamp: formatTimestamp(packet.timestamp),
      ...(name !== '' && { interface: name }),
      direction: packet.direction,
      kind: packet.kind,
      length: packet.originalLength,
      ...(packet.capturedLength < packet.originalLength && { captured: packet.capturedLength }),
      summary: d.summary(),
      ...d.headers(),
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
