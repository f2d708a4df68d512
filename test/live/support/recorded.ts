import { Capture, type CaptureOptions, type RecordedFile, type Recording, type RecordOptions } from 'ringtap'
import { drainBacklog } from './backlog.js'
import { reading } from './collect.js'
import { imbalances } from './ledger.js'

/**
 * Records while `traffic` runs, then stops the capture.
 *
 * @param read Whether JavaScript reads the packets at the same time.
 * @returns includes a description of each imbalance of the ledger
 */
export async function recorded(
  options: CaptureOptions,
  record: RecordOptions,
  traffic: (capture: Capture, recording: Recording) => unknown,
  read = true,
) {
  const capture = await Capture.open(options)
  const mine = read ? reading(capture) : undefined
  const recording = await capture.record(record)
  const files: RecordedFile[] = []
  recording.on('file', (file) => files.push(file))
  await traffic(capture, recording)
  drainBacklog()
  const stats = await recording.stop()
  const ledger = await capture.stop()
  await mine?.done
  const wrong = imbalances(capture.stats())
  await capture.close()
  return { packets: mine?.packets ?? [], files, stats, ledger, wrong }
}
