import { Dissector, formatTimestamp, Layer, type Packet } from '../index.js'
import { openInput } from './input.js'
import { interruptible } from './interrupt.js'
import { write } from './output.js'
import { showReading } from './progress.js'
import { grouped, metric, oneLine, quantity, StatusLine, table } from './terminal.js'

const kinds = ['Tcp', 'Udp', 'Icmp', 'Icmp6', 'Arp', 'IPv4', 'IPv6', 'Vlan', 'Sctp', 'Vxlan'] as const

/** What is counted of the packets of a file. */
class FileCounts {
  readonly #dissector = new Dissector()
  readonly #masks = kinds.map((kind) => Layer[kind])
  readonly #layers = new Float64Array(kinds.length)
  packets = 0
  bytes = 0
  truncated = 0
  /** Nanoseconds since 1970; `undefined` without packets. */
  first: bigint | undefined
  last = 0n
  // As numbers, which are faster to compare, and exact enough to leave only few packets to compare in nanoseconds.
  #earliest = Number.POSITIVE_INFINITY
  #latest = Number.NEGATIVE_INFINITY

  add(packet: Packet): void {
    const layers = this.#dissector.dissect(packet)
    // Packets may be out of order, so that those at a chunk's ends need not be its earliest and latest.
    const milliseconds = packet.timestampMs
    if (milliseconds <= this.#earliest) {
      this.#earliest = milliseconds
      if (this.first === undefined || packet.timestamp < this.first) this.first = packet.timestamp
    }
    if (milliseconds >= this.#latest) {
      this.#latest = milliseconds
      if (packet.timestamp > this.last) this.last = packet.timestamp
    }
    this.packets++
    this.bytes += packet.originalLength
    if (packet.capturedLength < packet.originalLength) this.truncated++
    const masks = this.#masks
    for (let i = 0; i < masks.length; i++) if ((layers & masks[i]!) !== 0) this.#layers[i]!++
  }

  /** The time between the earliest and the latest packet. */
  get seconds(): number {
    return this.first === undefined ? 0 : Number(this.last - this.first) / 1e9
  }

  /** Packets by layer, without layers that no packet has. */
  get layers(): Record<string, number> {
    return Object.fromEntries(
      kinds.map((kind, i) => [kind, this.#layers[i]!] as const).filter(([, count]) => count > 0),
    )
  }
}

/** `ringtap stats`: what a file contains, in numbers. */
export async function statsCommand(file: string, words: string[], options: { json?: boolean }): Promise<void> {
  const filter = words.length > 0 ? words.join(' ') : undefined
  const savefile = await openInput(file, filter)
  const status = new StatusLine()
  showReading(savefile, status, false)
  const interrupt = interruptible(() => void savefile.close())
  const counts = new FileCounts()
  try {
    for await (const chunk of savefile) chunk.forEach((packet) => counts.add(packet))
    interrupt.check()
  } finally {
    interrupt.end()
    status.clear()
    await savefile.close()
  }
  const { packets, bytes, truncated, first, last, seconds, layers } = counts
  const interfaces = savefile.interfaces.map(({ name }) => name).filter((name) => name !== '')
  const times = first === undefined ? {} : { first: formatTimestamp(first), last: formatTimestamp(last) }
  if (options.json) {
    const all = { format: savefile.format, interfaces, packets, bytes, truncated, seconds, ...times, layers }
    return write(`${JSON.stringify(all)}\n`)
  }
  const rate =
    seconds > 0 ? [['rate', `${metric(packets / seconds)} packets/s, ${quantity((bytes * 8) / seconds, 'bit')}/s`]] : []
  await write(
    table([
      ['format', savefile.format],
      ['interfaces', interfaces.map(oneLine).join(', ') || 'not named'],
      ['packets', grouped(packets)],
      ['bytes', grouped(bytes)],
      ['truncated', grouped(truncated)],
      ...Object.entries(times),
      ['duration', `${seconds.toFixed(6)} s`],
      ...rate,
      ...Object.entries(layers).map(([kind, count]) => [kind, grouped(count)]),
    ]),
  )
}
