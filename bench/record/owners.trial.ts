// A recording of loopback, with the owners of its packets or without: reports that it is ready, and at SIGINT what it
// recorded and took.
//
//   node dist/work/bench/record/owners.trial.js '{"path":"…","follow":true,"write":true}'
import { Capture } from 'ringtap'
import { recordUntilInterrupted } from '../support/recording.js'
import { trialArgument } from '../support/trial.js'

export interface OwnersTrial {
  path: string
  /** Whether the capture follows sockets and processes. */
  follow: boolean
  /** Whether the recording names the owners of its packets. */
  write: boolean
}

/** `cpu`: seconds of processor time of the process. */
export interface OwnersReport {
  packets: number
  lost: number
  cpu: number
}

const argument = trialArgument<OwnersTrial>()
if (argument !== null) await record(argument)

async function record({ path, follow, write }: OwnersTrial): Promise<void> {
  const capture = await Capture.open({ interfaces: { loopback: true }, owners: follow, direction: 'in' })
  const { stats, lost, cpu } = await recordUntilInterrupted(capture, { path, owners: write })
  const report: OwnersReport = { packets: stats.received, lost, cpu }
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
