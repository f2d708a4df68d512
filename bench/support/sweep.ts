import { options } from './options.js'
import type { Results } from './rounds.js'
import { figure } from './table.js'
import { median } from './trial.js'

/** What a trial at one rate measures. */
export interface Sample {
  /** Packets that arrived at the interface and were not delivered, or are missing from the file. */
  lost: number
  /** The same, as a percentage of the packets that arrived. */
  loss: number
  /** Microseconds of processor time per packet that was not lost. */
  cpu: number
  /** Packets that arrived at the interface per second. */
  rate: number
}

/** The trials of all contestants at one rate. */
export interface Step<Contestant extends { name: string }, Trial extends Sample> {
  /** Packets that arrived per second, in millions: the median of all trials. */
  rate: number
  count: number
  rows: (Contestant & Results<Trial>)[]
}

/** The values of one field in all trials. */
export const field = <Trial>({ samples }: Results<Trial>, of: keyof Trial): number[] =>
  samples.map((sample) => Number(sample[of]))

export const middle = <Trial>(row: Results<Trial>, of: keyof Trial): number => median(field(row, of))

/** The median and, if the trials differ, the least and the largest. */
export function spread<Trial>(row: Results<Trial>, of: keyof Trial): string {
  const all = field(row, of)
  if (all.length === 0) return '-'
  const [low, mid, high] = [Math.min(...all), median(all), Math.max(...all)].map(figure)
  return low === high ? `${mid}` : `${mid} (${low} to ${high})`
}

/** The rates of a sweep in millions of packets a second (`--rate` replaces them); 0: as many as possible. */
export const ratesOf = (all: readonly number[]): readonly number[] => (options.rates.length > 0 ? options.rates : all)

/** A sender that reaches less than this share of a rate cannot make it. */
const reached = 0.95

/** Whether a sender that was to send at this rate did so; at rate 0 any. */
export const reaches = (packetsPerSecond: number, rate: number): boolean => packetsPerSecond >= rate * 1e6 * reached

export function stepOf<Contestant extends { name: string }, Trial extends Sample>(
  count: number,
  rows: (Contestant & Results<Trial>)[],
): Step<Contestant, Trial> {
  const rate = median(rows.flatMap((row) => (row.samples.length > 0 ? [middle(row, 'rate')] : []))) / 1e6
  return { rate, count, rows }
}

/** The highest rate of the sweep up to which no trial lost a packet, in millions a second; 0: none. */
export function losslessRate<Contestant extends { name: string }, Trial extends Sample>(
  steps: readonly Step<Contestant, Trial>[],
  name: string,
): number {
  let best = 0
  for (const { rate, rows } of [...steps].sort((a, b) => a.rate - b.rate)) {
    const row = rows.find((one) => one.name === name)
    if (!row || row.samples.length === 0 || field(row, 'lost').some((lost) => lost > 0)) break
    best = rate
  }
  return best
}
