import { Capture, type CaptureOptions, type CaptureStats } from 'ringtap'
import { type Seen, seen } from './collect.js'
import { links } from './network.js'
import { sequenceOf } from './send.js'
import { startTcpdump, tally } from './witness.js'

/** A sighting of a numbered packet at an interface and in a direction: `va in`. */
export interface Sighting {
  readonly number: number
  readonly at: string
}

export interface Run {
  readonly packets: Seen[]
  readonly stats: CaptureStats
}

/** Returns the packets captured with these options while `traffic` runs, and those tcpdump saw on all interfaces. */
export async function watch(
  options: readonly CaptureOptions[],
  traffic: (captures: readonly Capture[]) => unknown,
): Promise<{ sightings: Sighting[]; runs: Run[] }> {
  const nameOf = new Map(links().map(({ ifindex, ifname }) => [ifindex, ifname]))
  const witness = await startTcpdump({ interface: 'any' })
  const captures: Capture[] = []
  try {
    for (const one of options) captures.push(await Capture.open(one))
    const reading = captures.map(async (capture): Promise<Run> => {
      const packets: Seen[] = []
      capture.on('warning', () => {})
      for await (const chunk of capture) for (const packet of chunk) packets.push(seen(packet))
      return { packets, stats: capture.stats() }
    })
    await traffic(captures)
    // Add the interfaces that were added and removed in the meantime.
    for (const { index, name } of captures.flatMap((capture) => capture.stats().interfaces)) nameOf.set(index, name)
    const sightings = (await witness.stop()).flatMap(({ data, interfaceIndex, direction }) => {
      const number = sequenceOf(data)
      const name = nameOf.get(interfaceIndex as number)
      return number === undefined ? [] : [{ number, at: `${name} ${direction}` }]
    })
    for (const capture of captures) await capture.stop()
    return { sightings, runs: await Promise.all(reading) }
  } finally {
    for (const capture of captures) await capture.close()
  }
}

const nameIn = ({ at }: Sighting) => at.split(' ')[0] as string

/** Packets as sighting keys, for comparing multisets. */
export function keysOf(packets: readonly Seen[]): string[] {
  return packets.map(({ interface: name, direction, number }) => `${number} ${name} ${direction}`).sort()
}

/**
 * The expected deliveries: for each number, its first sighting at a captured interface.
 *
 * @param sightings in the witness's order
 * @param too selects sightings that are delivered although they are not the first
 */
export function firstOf(
  sightings: readonly Sighting[],
  captured: readonly string[],
  too: (sighting: Sighting) => boolean = () => false,
): string[] {
  const known = new Set<number>()
  const wanted: string[] = []
  for (const sighting of sightings) {
    if (!captured.includes(nameIn(sighting))) continue
    if (!known.has(sighting.number) || too(sighting)) wanted.push(`${sighting.number} ${sighting.at}`)
    known.add(sighting.number)
  }
  return wanted.sort()
}

/** The expected duplicate counts: the witness's sightings at each interface minus those delivered there. */
export function duplicatesAt(
  sightings: readonly Sighting[],
  captured: readonly string[],
  packets: readonly Seen[],
): [string, number][] {
  const there = tally(sightings.map(nameIn))
  const delivered = tally(packets.map((packet) => packet.interface))
  return captured.map((name) => [name, (there.get(name) ?? 0) - (delivered.get(name) ?? 0)])
}

/** The duplicate counts in the ledger. */
export function duplicatesIn(stats: CaptureStats, captured: readonly string[]): [string, number | undefined][] {
  return captured.map((name) => [name, stats.interfaces.find((one) => one.name === name)?.duplicates])
}
