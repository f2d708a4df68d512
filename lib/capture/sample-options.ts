import { checkGroup, checkInteger, orElse } from '../arguments.js'
import { optionError } from '../errors.js'
import type { NativeSample } from './native.js'

/** Which flows are captured; see {@link CaptureOptions.sample}. */
export interface SampleOptions {
  /** The share of all flows, above 0 and up to 1: `1 / 8`. */
  readonly flows: number
  /**
   * Of captures with the same seed, those with a smaller share take part of the flows of those with a larger one; with
   * different seeds the choices are independent. 0 to 2³² − 1. Default 0.
   */
  readonly seed?: number | undefined
}

const hashes = 2 ** 32

/**
 * The hashes of the flows that are captured; `undefined`: all of them.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseSample(given: SampleOptions | undefined, label: string): NativeSample | undefined {
  if (given === undefined) return undefined
  const { flows, seed } = checkGroup(given, label, ['flows', 'seed'])
  if (typeof flows !== 'number' || !(flows > 0 && flows <= 1))
    throw optionError(`${label}.flows`, 'a share of the flows, above 0 and up to 1', flows)
  const sample = {
    below: Math.max(1, Math.round(flows * hashes)),
    seed: checkInteger(orElse(seed, 0), `${label}.seed`, 0, hashes - 1),
  }
  return sample.below === hashes ? undefined : sample
}

/** The share of all flows, and the seed, in the form in which they are given. @internal */
export function sampleOf(native: NativeSample | undefined): Required<SampleOptions> | undefined {
  return native && { flows: native.below / hashes, seed: native.seed }
}
