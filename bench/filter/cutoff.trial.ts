// One recording of everything, or of less: reports that it is ready, records until SIGINT, and reports the ledger.
//
//   node dist/work/bench/filter/cutoff.trial.js '{"interface":"near","path":"…","options":{"cutoff":{"bytes":20000}}}'
import { Capture, type CaptureOptions } from 'ringtap'
import { recordUntilInterrupted } from '../support/recording.js'
import { trialArgument } from '../support/trial.js'

export interface CutoffTrial {
  interface: string
  path: string
  options: Pick<CaptureOptions, 'cutoff' | 'sample' | 'slice'>
}

/** `cpu`: seconds of processor time of the process. */
export interface CutoffReport {
  received: number
  /** Packets beyond the cut-off, or of flows that are not sampled. */
  refused: number
  lost: number
  cpu: number
}

const argument = trialArgument<CutoffTrial>()
if (argument !== null) await record(argument)

async function record({ interface: name, path, options }: CutoffTrial): Promise<void> {
  const capture = await Capture.open({ interfaces: name, direction: 'in', ...options })
  const { stats, lost, cpu } = await recordUntilInterrupted(capture, { path })
  const { received, beyondCutoff, sampledOut = 0 } = stats
  const report: CutoffReport = { received, refused: beyondCutoff + sampledOut, lost, cpu }
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
