// Compares what was sent with what was captured.
import { type CaptureStats, Dissector, Layer, type Packet } from 'ringtap'
import { count } from '../format.js'
import { balanced, equation } from '../ledger.js'
import { paint, table } from '../style.js'

const dissector = new Dissector()

/** `udp 7777` (the lower port, the service), `tcp`, `icmp`, or `other`. */
export function kindOf(packet: Packet): string {
  const layers = dissector.dissect(packet)
  if ((layers & Layer.IPv4) === 0) return 'other'
  if ((layers & Layer.Udp) !== 0) return `udp ${Math.min(dissector.sourcePort, dissector.destinationPort)}`
  return (layers & Layer.Tcp) !== 0 ? 'tcp' : (layers & Layer.Icmp) !== 0 ? 'icmp' : 'other'
}

/** Packets by interface and kind. */
export class Tally {
  readonly #packets = new Map<string, number>()

  add(packet: Packet): void {
    const key = `${packet.interface.name} ${kindOf(packet)}`
    this.#packets.set(key, (this.#packets.get(key) ?? 0) + 1)
  }

  /** Packets on an interface: of one kind, or of all. */
  on(name: string, kind?: string): number {
    if (kind !== undefined) return this.#packets.get(`${name} ${kind}`) ?? 0
    let sum = 0
    for (const [key, packets] of this.#packets) if (key.startsWith(`${name} `)) sum += packets
    return sum
  }
}

/** One line of the comparison. */
export interface Row {
  readonly name: string
  readonly what: string
  /** Frames that crossed the interface. */
  readonly sent: number
  /** Whether they should have been captured. */
  readonly wanted: boolean
  readonly captured: number
}

/** The comparison as a table. */
export function comparison(rows: readonly Row[]): string {
  const lines = table(
    [
      ['interface', 'frames', 'sent', 'captured', ''],
      ...rows.map((row) => [row.name, row.what, count(row.sent), count(row.captured), fits(row) ? 'ok' : 'WRONG']),
    ],
    [2, 3],
  ).split('\n')
  return [paint('bold', lines[0] ?? ''), ...lines.slice(1)].join('\n')
}

/** The differences, in sentences; empty if there are none. */
export function mistakes(rows: readonly Row[], stats: CaptureStats, seen: number): string[] {
  const found = rows
    .filter((row) => !fits(row))
    .map(({ name, what, sent, wanted, captured }) => {
      return `${name}, ${what}: ${count(captured)} captured, ${count(wanted ? sent : 0)} expected`
    })
  if (!balanced(stats)) found.push(`the ledger does not balance: ${equation(stats)}`)
  if (stats.delivered !== seen) found.push(`${count(stats.delivered)} delivered, ${count(seen)} seen in the chunks`)
  for (const { name, received, delivered, dropped, unselected } of stats.interfaces) {
    if (received !== undefined && received !== delivered + (dropped ?? 0) + unselected) {
      found.push(`the ledger of ${name} does not balance`)
    }
  }
  return found
}

function fits({ sent, wanted, captured }: Row): boolean {
  return captured === (wanted ? sent : 0)
}
