import type { Dissector } from '../dissect/dissector.js'
import type { Packet } from '../packets/packet.js'
import { Index, Record } from '../packets/packet-record.js'

/**
 * Makes keys of connections for a Map, the same for both directions: the ends' addresses and ports, the smaller end first,
 * 16 bits in a character. Such a string is made faster than the text of two addresses, and its hash in a Map is seeded, so
 * that nobody can choose connections that collide.
 *
 * @internal
 */
export class ConnectionKeys {
  /** Whether the source of the packet is the second end in its key. */
  swapped = false

  /** The key of a packet of TCP that the dissector has dissected last. */
  of(d: Dissector, packet: Packet): string {
    const { view, u16: halves } = packet._memory
    const offset = (packet._entry >>> Index.LENGTH_BITS) << Index.UNIT
    const network = offset + (halves[(offset + Record.DATA) >>> 1] as number) + d.networkOffset
    const isFour = d.ipVersion === 4
    const source = network + (isFour ? 12 : 8)
    const destination = network + (isFour ? 16 : 24)
    this.swapped = this.#isSwapped(view, source, destination, isFour ? 4 : 16, d)
    const first = this.swapped ? destination : source
    const second = this.swapped ? source : destination
    const firstPort = this.swapped ? d.destinationPort : d.sourcePort
    const secondPort = this.swapped ? d.sourcePort : d.destinationPort
    const u16 = (at: number) => view.getUint16(at)
    if (isFour) {
      return String.fromCharCode(u16(first), u16(first + 2), u16(second), u16(second + 2), firstPort, secondPort)
    }
    return String.fromCharCode(
      u16(first),
      u16(first + 2),
      u16(first + 4),
      u16(first + 6),
      u16(first + 8),
      u16(first + 10),
      u16(first + 12),
      u16(first + 14),
      u16(second),
      u16(second + 2),
      u16(second + 4),
      u16(second + 6),
      u16(second + 8),
      u16(second + 10),
      u16(second + 12),
      u16(second + 14),
      firstPort,
      secondPort,
    )
  }

  #isSwapped(view: DataView, source: number, destination: number, length: number, d: Dissector): boolean {
    for (let i = 0; i < length; i += 4) {
      const one = view.getUint32(source + i)
      const other = view.getUint32(destination + i)
      if (one !== other) return one > other
    }
    return d.sourcePort > d.destinationPort
  }
}
