// Draining a full ring: how fast each consumer reads packets that wait in the kernel's buffer.
//
//   node dist/work/bench/capture/drain.js [--trials N] [--markdown]
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire, contestants, enterStage } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import { median } from '../support/trial.js'
import { drained, frames, type Sample } from './drained.js'

await enterStage(import.meta.url)
const wire = await addWire()

const everybody = await takeTurns(contestants(), ({ who }) => drained(who, wire))
type Row = (typeof everybody)[number]
const middle = (row: Row | undefined, of: keyof Sample) => median((row?.samples ?? []).map((sample) => sample[of]))
const yardstick = (start: string, fields: boolean) =>
  middle(
    everybody.find(({ name }) => name.startsWith(start) && name.includes('byte') === fields),
    'rate',
  )
printTable(
  `Drain: ${frames} frames of 64 bytes sent while the consumer stands still, then read; median of ${options.trials} processes`,
  ['consumer', 'held', 'million packets/s', '× C loop', '× pcap', 'CPU ns/packet', ''],
  everybody.map((row) => {
    const fields = row.name.includes('byte')
    const rate = middle(row, 'rate')
    return [
      row.name,
      figure(middle(row, 'held')),
      figure(rate / 1e6),
      figure(rate / yardstick('C loop', fields)),
      figure(rate / yardstick('pcap', fields)),
      figure(middle(row, 'cpu')),
      row.note,
    ]
  }),
)
