/**
 * Records eth0 to a 1 MiB file system in its own mount namespace. Reports how the recording ended, and what is on the
 * file system afterwards.
 */
import { cpSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Capture, type CaptureError, type RecordedFile, type RecordOptions } from 'ringtap'
import { send } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

const [disk = '', copies = '', given = '{}'] = process.argv.slice(2)
interface Given extends RecordOptions {
  remove?: boolean
  count: number
  maxDelay?: number
}
const { remove, count, maxDelay, ...options } = JSON.parse(given) as Given
const capture = await Capture.open({ interfaces: 'eth0', chunk: { maxDelay } })
const recording = await capture.record({ ...options, path: join(disk, options.path) })
const files: RecordedFile[] = []
const errors: CaptureError[] = []
recording.on('file', (file) => files.push(file))
recording.on('error', (error) => errors.push(error))
if (remove) {
  await send({ interface: 'eth0', count: 100 })
  await waitUntil(() => recording.stats().packets === 100, 'packets in the file')
  for (const name of readdirSync(disk)) unlinkSync(join(disk, name))
}
await send({ interface: 'eth0', count, size: 1000, rate: maxDelay === undefined ? 20_000 : 0 })
const rejected = await recording.stop().then(
  () => undefined,
  (error: CaptureError) => error.code,
)
// The kernel counts a packet on arrival, the ledger when its block is handed over, up to a block timeout later.
const taken = ({ delivered, droppedByRecorder, queued } = capture.stats()) => delivered + droppedByRecorder + queued
if (!remove) await waitUntil(() => taken() >= capture.stats().received, 'every packet taken from the ring')
// The capture continues: from now on packets are delivered to JavaScript again.
const before = capture.stats()
await send({ interface: 'eth0', count: 5 })
await capture.stop()
let later = 0
for await (const chunk of capture) later += chunk.packetCount
cpSync(disk, copies, { recursive: true })
process.send?.({
  files: files.map(({ path, packets }) => ({ path: path.slice(disk.length + 1), packets })),
  errors: errors.map(({ code, errno, message }) => ({ code, errno, message })),
  rejected,
  stats: recording.stats(),
  before,
  after: capture.stats(),
  later,
  names: readdirSync(disk).sort(),
})
await capture.close()
process.disconnect?.()
