import { options } from './options.js'

/** The results of one contestant's trials. */
export interface Results<Sample> {
  samples: Sample[]
  /** Why samples are missing. */
  note: string
}

/**
 * Runs `--trials` trials of each contestant, in turns (A B C A B C …), so that a temporary slowdown affects all of
 * them. A contestant that fails is not run again; its note has the reason.
 */
export async function takeTurns<Contestant extends { missing?: string | undefined }, Sample>(
  contestants: readonly Contestant[],
  trial: (contestant: Contestant) => Promise<Sample>,
): Promise<(Contestant & Results<Sample>)[]> {
  const results = contestants.map((contestant) => ({
    ...contestant,
    samples: [] as Sample[],
    note: contestant.missing === undefined ? '' : `MISSING: ${contestant.missing}`,
  }))
  for (let i = 0; i < options.trials; i++) {
    for (const result of results) {
      if (result.note) continue
      try {
        result.samples.push(await trial(result))
      } catch (error) {
        result.note = `FAILED: ${(error as Error).message}`
      }
    }
  }
  return results
}
