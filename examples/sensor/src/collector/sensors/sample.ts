/** The figures of a report that are kept for charts. */
import { z } from 'zod'
import type { Report } from '../../wire/report.js'

const count = z.int().min(0)

/** Figures count from the sensor's start. Short names: a line of a file for each report. */
export const sampleSchema = z.object({
  /** When the report came, milliseconds since 1970-01-01 UTC. */
  time: count,
  boot: z.string(),
  captured: count,
  /** Bytes of captured packets. */
  bytes: count,
  lost: count,
  /** Bytes that the collector acknowledged, as compressed. */
  stored: count,
  spooled: count,
  /** Milliseconds. */
  lag: count,
  /** Of interfaces: name, packets, bytes, packets lost. */
  interfaces: z.array(z.tuple([z.string(), count, count, count])).optional(),
})

export type Sample = z.output<typeof sampleSchema>

/** Interfaces in a sample at most: those with the most packets. */
const maxInterfaces = 32

export function sampleOf(report: Report, time: number): Sample {
  const interfaces = report.interfaces
    .filter(({ delivered, dropped = 0 }) => delivered + dropped > 0)
    .sort((a, b) => b.delivered - a.delivered)
    .slice(0, maxInterfaces)
  return {
    time,
    boot: report.boot,
    captured: report.totals.captured,
    bytes: report.interfaces.reduce((sum, { bytes }) => sum + bytes, 0),
    lost: Object.values(report.lost).reduce((sum, packets) => sum + packets, 0),
    stored: report.totals.stored.bytes,
    spooled: report.spool.bytes,
    lag: report.lag,
    interfaces: interfaces.map(({ name, delivered, bytes, dropped = 0 }) => [name, delivered, bytes, dropped]),
  }
}

/** What happened between two samples. Rates are per second. */
export interface Rate {
  readonly time: number
  readonly packets: number
  readonly bytes: number
  /** Share of the packets that were lost, 0 to 1. */
  readonly loss: number
  readonly sent: number
  readonly spooled: number
  readonly lag: number
  /** Packets per second by interface. */
  readonly interfaces: Readonly<Record<string, number>>
}

/** The rates between each sample and the one before of the same boot, at most `max` of them: sums over several, if more. */
export function ratesOf(samples: readonly Sample[], max: number): Rate[] {
  const step = Math.max(1, Math.ceil(samples.length / max))
  const rates: Rate[] = []
  let before: Sample | undefined
  for (let at = 0; at < samples.length; at++) {
    const sample = samples[at]!
    if (before && before.boot !== sample.boot) before = undefined
    if (before && at % step !== 0 && samples[at + 1]?.boot === sample.boot) continue
    if (before && sample.time > before.time) rates.push(rateBetween(before, sample))
    before = sample
  }
  return rates
}

function rateBetween(before: Sample, after: Sample): Rate {
  const seconds = (after.time - before.time) / 1000
  const grown = (name: 'captured' | 'bytes' | 'lost' | 'stored') => Math.max(0, after[name] - before[name])
  const earlier = new Map(before.interfaces?.map(([name, packets]) => [name, packets]))
  return {
    time: after.time,
    packets: grown('captured') / seconds,
    bytes: grown('bytes') / seconds,
    // Packets that were captured earlier may be lost now.
    loss: grown('lost') === 0 ? 0 : Math.min(1, grown('lost') / Math.max(grown('captured'), grown('lost'))),
    sent: grown('stored') / seconds,
    spooled: after.spooled,
    lag: after.lag,
    interfaces: Object.fromEntries(
      (after.interfaces ?? []).map(([name, packets]) => [
        name,
        Math.max(0, packets - (earlier.get(name) ?? 0)) / seconds,
      ]),
    ),
  }
}
