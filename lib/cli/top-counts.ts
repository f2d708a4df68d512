import {
  type Chunk,
  type Flow,
  FlowTable,
  type NetworkInterface,
  type Packet,
  type PacketOwners,
  serviceName,
} from '../index.js'
import { flowEnds, isPorted, protocolName } from './flow-text.js'
import { ownerLabel } from './owner-text.js'
import { Owners } from './peers.js'
import { oneLine } from './terminal.js'

/** What the rows of `ringtap top` are. */
export const groupings = ['flow', 'host', 'port', 'interface', 'container', 'process'] as const
export type Grouping = (typeof groupings)[number]

/** Those that a file cannot have, with the reason. */
export const liveGroupings: Partial<Record<Grouping, string>> = {
  container: 'a file does not say whose its interfaces were',
  process: 'the sockets of its packets are gone',
}

/** Those that are counted; the rows of containers are sums over interfaces. */
type Counted = Exclude<Grouping, 'container'>
const counted = groupings.filter((one): one is Counted => one !== 'container')

/** What they are sorted by. */
export const orders = ['rate', 'bytes', 'packets'] as const
export type Order = (typeof orders)[number]

/** One row: counts since the beginning, and rates. */
export interface Row {
  /** Without control characters. */
  readonly label: string
  packets: number
  /** By interface: of whole packets; otherwise of IP packets, without the link layer. */
  bytes: number
  /** Of the bytes, those that the first end, the host, the port or the interface has sent. */
  bytesOut: number
  /** Those it has received. Both are less than all where the direction is unknown. */
  bytesIn: number
  packetsPerSecond: number
  bytesPerSecond: number
}

/** Rows that had to go because there were too many. Their counts are here, so that nothing is missing in the sum. */
export interface Others {
  rows: number
  packets: number
  bytes: number
}

/** A row with the counts since rates were computed last. */
interface Entry extends Row {
  newPackets: number
  newOut: number
  newIn: number
  newBytes: number
}

/** Rows of one kind. When there are more than twice `maxRows`, those with the fewest bytes make room. */
class Tally {
  readonly #rows = new Map<string, Entry>()
  readonly others: Others = { rows: 0, packets: 0, bytes: 0 }

  row(key: string, label: () => string): Entry {
    let row = this.#rows.get(key)
    if (row) return row
    if (this.#rows.size >= 2 * maxRows) this.#makeRoom()
    row = {
      label: label(),
      packets: 0,
      bytes: 0,
      bytesOut: 0,
      bytesIn: 0,
      packetsPerSecond: 0,
      bytesPerSecond: 0,
      newPackets: 0,
      newOut: 0,
      newIn: 0,
      newBytes: 0,
    }
    this.#rows.set(key, row)
    return row
  }

  /** Adds what is new to the counts. The rates are those of what is new, or (`average`) of everything. */
  advance(seconds: number, average: boolean): void {
    for (const row of this.#rows.values()) {
      row.packets += row.newPackets
      row.bytes += row.newBytes
      row.bytesOut += row.newOut
      row.bytesIn += row.newIn
      row.packetsPerSecond = seconds > 0 ? (average ? row.packets : row.newPackets) / seconds : 0
      row.bytesPerSecond = seconds > 0 ? (average ? row.bytes : row.newBytes) / seconds : 0
      row.newPackets = row.newBytes = row.newOut = row.newIn = 0
    }
  }

  sorted(order: Order): Row[] {
    return sortedRows([...this.#rows.values()], order)
  }

  /** The rows with their keys. */
  get entries(): Iterable<[string, Row]> {
    return this.#rows
  }

  #makeRoom(): void {
    const size = (row: Entry) => row.bytes + row.newBytes
    const smallestFirst = [...this.#rows].sort(([, a], [, b]) => size(a) - size(b))
    for (const [key, row] of smallestFirst.slice(0, this.#rows.size - maxRows)) {
      this.#rows.delete(key)
      this.others.rows++
      this.others.packets += row.packets + row.newPackets
      this.others.bytes += size(row)
    }
  }
}

function sortedRows(rows: readonly Row[], order: Order): Row[] {
  const by: (row: Row) => number = {
    rate: (row: Row) => row.bytesPerSecond,
    bytes: (row: Row) => row.bytes,
    packets: (row: Row) => row.packets,
  }[order]
  // Equal rows must not change places from one screen to the next.
  return rows
    .filter((row) => row.packets > 0)
    .sort((a, b) => by(b) - by(a) || b.bytes - a.bytes || (a.label < b.label ? -1 : 1))
}

const maxRows = 10_000
/** Flows between two calls of `advance`; 290 bytes each. */
const maxFlows = 65_536

/**
 * Counts packets by flow, host, port and interface at once, in bounded memory. Rows show what was added before the last
 * `advance`, so that a paused screen stands still while packets are counted.
 */
export class TrafficCounts {
  readonly #tallies: Record<Counted, Tally> = newTallies()
  readonly #ownerOf: (interfaceKey: string) => string | undefined
  readonly #ownersOf: (flow: Flow) => PacketOwners | undefined
  /** The flows since the last `advance`: only their sums are kept. */
  #flows = this.#newTable()
  #interface: NetworkInterface | undefined
  #interfaceRow: Entry | undefined
  #earliest = Number.POSITIVE_INFINITY
  #latest = Number.NEGATIVE_INFINITY
  /** All packets added, and their bytes with the link layer. */
  packets = 0
  bytes = 0
  /** Packets without an IP header, which have a row by interface only. */
  notIp = 0

  /**
   * @param ownerOf whose the far end of an interface is, see {@link Owners}
   * @param ownersOf the processes at the ends of a flow; `undefined` while they are not asked for
   */
  constructor(
    ownerOf: (interfaceKey: string) => string | undefined = () => undefined,
    ownersOf: (flow: Flow) => PacketOwners | undefined = () => undefined,
  ) {
    this.#ownerOf = ownerOf
    this.#ownersOf = ownersOf
  }

  add(chunk: Chunk): void {
    chunk.forEach((packet) => this.#add(packet))
  }

  /** The time between the earliest and the latest packet. */
  get span(): number {
    return this.packets === 0 ? 0 : (this.#latest - this.#earliest) / 1000
  }

  /**
   * Makes what was added visible.
   *
   * @param seconds the time of the rates: since the last call, or (`average`) that of all packets.
   */
  advance(seconds: number, average = false): void {
    this.notIp += this.#flows.stats().notIp
    this.#flows.end()
    this.#flows = this.#newTable()
    for (const grouping of counted) this.#tallies[grouping].advance(seconds, average)
  }

  rows(grouping: Grouping, order: Order): Row[] {
    return grouping === 'container' ? this.#containers(order) : this.#tallies[grouping].sorted(order)
  }

  others(grouping: Grouping): Readonly<Others> {
    return this.#tallies[grouping === 'container' ? 'interface' : grouping].others
  }

  /** What a container sends, the near end of its veth receives. */
  #containers(order: Order): Row[] {
    const rows = new Map<string, Row>()
    for (const [key, row] of this.#tallies.interface.entries) {
      const owner = this.#ownerOf(key)
      const label = owner ?? noContainer
      const sum = rows.get(label) ?? emptyRow(label)
      rows.set(label, sum)
      sum.packets += row.packets
      sum.bytes += row.bytes
      sum.bytesOut += owner === undefined ? row.bytesOut : row.bytesIn
      sum.bytesIn += owner === undefined ? row.bytesIn : row.bytesOut
      sum.packetsPerSecond += row.packetsPerSecond
      sum.bytesPerSecond += row.bytesPerSecond
    }
    return sortedRows([...rows.values()], order)
  }

  /** A flow counts for both of its ends, if both are local. */
  #addToProcesses(flow: Flow): void {
    const owners = this.#ownersOf(flow)
    if (!owners) return
    const { originator, responder } = flow
    const packets = originator.packets + responder.packets
    const [from, to] = [ownerLabel(owners.source), ownerLabel(owners.destination)]
    const row = (label: string) => this.#tallies.process.row(label, () => label)
    if (from !== undefined || to === undefined)
      addTo(row(from ?? noProcess), packets, originator.bytes, responder.bytes)
    if (to !== undefined && to !== from) addTo(row(to), packets, responder.bytes, originator.bytes)
  }

  #newTable(): FlowTable {
    return new FlowTable({ maxFlows, onEnd: (flow) => this.#addFlow(flow) })
  }

  #add(packet: Packet): void {
    const length = packet.originalLength
    const time = packet.timestampMs
    this.packets++
    this.bytes += length
    if (time < this.#earliest) this.#earliest = time
    if (time > this.#latest) this.#latest = time
    this.#flows.add(packet)
    const row = this.#rowOf(packet.interface)
    row.newPackets++
    row.newBytes += length
    const { direction } = packet
    if (direction === 'out') row.newOut += length
    else if (direction === 'in') row.newIn += length
  }

  /** Packets of one interface follow each other, so its row is looked up once. */
  #rowOf(iface: NetworkInterface): Entry {
    if (iface === this.#interface && this.#interfaceRow) return this.#interfaceRow
    this.#interface = iface
    this.#interfaceRow = this.#tallies.interface.row(Owners.keyOf(iface), () =>
      iface.name === '' ? 'not named' : oneLine(iface.name),
    )
    return this.#interfaceRow
  }

  #addFlow(flow: Flow): void {
    this.#addToProcesses(flow)
    const { originator, responder } = flow
    const packets = originator.packets + responder.packets
    const protocol = protocolName(flow.protocol)
    const [from, to] = flowEnds(flow)
    // Which end is the originator may differ from one interval to the next.
    const key = from < to ? `${protocol} ${from} ${to}` : `${protocol} ${to} ${from}`
    const label = `${protocol} ${from} > ${to}`
    const row = this.#tallies.flow.row(key, () => label)
    const asBefore = row.label === label
    addTo(row, packets, asBefore ? originator.bytes : responder.bytes, asBefore ? responder.bytes : originator.bytes)
    const source = this.#tallies.host.row(flow.sourceIp, () => flow.sourceIp)
    addTo(source, packets, originator.bytes, responder.bytes)
    if (flow.destinationIp !== flow.sourceIp) {
      const destination = this.#tallies.host.row(flow.destinationIp, () => flow.destinationIp)
      addTo(destination, packets, responder.bytes, originator.bytes)
    }
    const fromService = isPorted(flow) && servicePort(flow) === flow.sourcePort
    const port = this.#tallies.port.row(...portRow(flow, protocol))
    addTo(
      port,
      packets,
      fromService ? originator.bytes : responder.bytes,
      fromService ? responder.bytes : originator.bytes,
    )
  }
}

const noProcess = 'no process here'
const noContainer = 'no container'

const emptyRow = (label: string): Row => ({
  label,
  packets: 0,
  bytes: 0,
  bytesOut: 0,
  bytesIn: 0,
  packetsPerSecond: 0,
  bytesPerSecond: 0,
})

function newTallies(): Record<Counted, Tally> {
  return { flow: new Tally(), host: new Tally(), port: new Tally(), interface: new Tally(), process: new Tally() }
}

function addTo(row: Entry, packets: number, out: number, into: number): void {
  row.newPackets += packets
  row.newBytes += out + into
  row.newOut += out
  row.newIn += into
}

/** The port of the service: the one that has a name, or the lower one. The other one was chosen by the client's system. */
function servicePort({ sourcePort, destinationPort }: Flow): number {
  const named = serviceName(sourcePort) !== undefined
  if (named !== (serviceName(destinationPort) !== undefined)) return named ? sourcePort : destinationPort
  return Math.min(sourcePort, destinationPort)
}

function portRow(flow: Flow, protocol: string): [string, () => string] {
  if (!isPorted(flow)) return [protocol, () => protocol]
  const port = servicePort(flow)
  return [`${protocol} ${port}`, () => `${protocol} ${port}${suffix(serviceName(port))}`]
}

const suffix = (service: string | undefined) => (service ? ` (${service})` : '')
