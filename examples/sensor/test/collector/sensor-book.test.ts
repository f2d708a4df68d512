import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { SensorBook } from '../../src/collector/sensors/sensor-book.js'
import { makeReport } from './support/reports.js'

const bootOf = (number: number) => String(number).padStart(16, '0')

t.test('a new start counts, whatever its clock says, and an ended one does not come back', async (t) => {
  const directory = t.testdir({ '.tmp': {} })
  const open = () => new SensorBook({ directory, silent: 60_000 })
  let book = open()
  let now = 1_700_000_000_000
  const note = async (boot: number, startedAt: number, sequence: number) => {
    await book.note(makeReport({ boot: bootOf(boot), startedAt, retries: sequence }), sequence, undefined, now)
    const { report } = book.get('node-1')!
    return [Number(report!.boot), report!.retries]
  }
  t.strictSame(await note(1, 9000, 5), [1, 5])
  t.strictSame(await note(2, 1000, 0), [2, 0], 'the clock was set back')
  t.strictSame(await note(2, 1000, 1), [2, 1])
  t.strictSame(await note(2, 1000, 0), [2, 1], 'an older report')
  t.strictSame(await note(1, 9000, 6), [2, 1], 'the last words of the earlier start')
  book = open()
  t.strictSame(await note(1, 9000, 7), [2, 1], 'another collector knows it too')
  for (let boot = 3; boot < 50; boot++) t.strictSame(await note(boot, 500, 0), [boot, 0])
  t.strictSame(await note(48, 9000, 1), [49, 0])
  now += 60_000
  t.strictSame(await note(48, 9000, 2), [48, 2], 'it was the one that goes on')
  t.strictSame(await note(49, 500, 1), [48, 2])
  const { ended } = JSON.parse(readFileSync(path.join(directory, 'node-1', 'report.json'), 'utf8'))
  t.strictSame(ended.map(Number), [33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 49])
})
