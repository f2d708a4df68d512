// Who makes contact with whom, and who scans.
import { type Dissector, Layer } from 'ringtap'

/** One end making contact with another: by a TCP SYN, or a packet of another protocol that is not an answer. */
export interface Contact {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  /** Of the destination; 0 where the protocol has none. */
  readonly port: number
}

/** What a source has done when its packets reach the limit. */
export interface Scan {
  readonly source: string
  readonly packets: number
  /** Different destinations, and different pairs of protocol and port. */
  readonly destinations: number
  readonly ports: number
}

/** What {@link Contacts.add} found in a packet. */
export interface Finding {
  /** It is the first of its kind. */
  readonly contact?: Contact
  /** With it, its source has reached the limit. */
  readonly scan?: Scan
}

/** The maximum number of sources, and of flows, that are remembered: a flood of made-up addresses must not use up the memory. */
const maxRemembered = 100_000

const SYN = 0x02
const ACK = 0x10

interface Source {
  packets: number
  readonly contacts: Map<string, Contact>
}

export class Contacts {
  readonly #limit: number
  readonly #sources = new Map<string, Source>()
  /** Flows of which a packet has been seen: one in the opposite direction answers it. */
  readonly #flows = new Set<string>()
  scans = 0
  contacts = 0

  /** @param limit packets by which a source makes contact until it is called a scan */
  constructor(limit: number) {
    this.#limit = limit
  }

  get sources(): number {
    return this.#sources.size
  }

  /** The finding of the packet that was dissected last; `undefined` if it makes no contact. */
  add(packet: Dissector): Finding | undefined {
    const { sourceIp: source, destinationIp: destination, protocol, sourcePort, destinationPort } = packet
    // Only the first fragment has ports.
    if (source === undefined || destination === undefined || packet.fragmentOffset > 0) return undefined
    if ((packet.layers & Layer.Tcp) !== 0) {
      if ((packet.tcpFlags & (SYN | ACK)) !== SYN) return undefined
    } else {
      if (this.#flows.has(`${protocol} ${destination} ${destinationPort} ${source} ${sourcePort}`)) return undefined
      if (this.#flows.size >= maxRemembered) this.#flows.clear()
      this.#flows.add(`${protocol} ${source} ${sourcePort} ${destination} ${destinationPort}`)
    }
    return this.#note({ source, destination, protocol, port: destinationPort })
  }

  #note(contact: Contact): Finding {
    if (this.#sources.size >= maxRemembered) this.#sources.clear()
    let source = this.#sources.get(contact.source)
    if (!source) {
      source = { packets: 0, contacts: new Map() }
      this.#sources.set(contact.source, source)
    }
    source.packets++
    const scan = source.packets === this.#limit
    if (scan) this.scans++
    const key = `${contact.destination} ${contact.protocol} ${contact.port}`
    const first = !source.contacts.has(key)
    // A source that scans may try every port of every address.
    if (source.contacts.size >= maxRemembered) source.contacts.clear()
    source.contacts.set(key, contact)
    if (first) this.contacts++
    return { ...(first && { contact }), ...(scan && { scan: describe(contact.source, source) }) }
  }
}

function describe(name: string, { packets, contacts }: Source): Scan {
  const all = [...contacts.values()]
  return {
    source: name,
    packets,
    destinations: new Set(all.map(({ destination }) => destination)).size,
    ports: new Set(all.map(({ protocol, port }) => `${protocol} ${port}`)).size,
  }
}
