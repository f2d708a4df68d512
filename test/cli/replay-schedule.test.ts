// How far a replay is, and how long it still takes.
import { createRequire } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { command } from '../helpers/command.js'

const { ReplaySchedule, positionOf } = createRequire(import.meta.url)(
  path.join(path.dirname(command), 'replay-schedule.js'),
)

/** A schedule of packets at these seconds. */
function schedule(...seconds: number[]) {
  const made = new ReplaySchedule()
  for (const one of seconds) made.add(1_700_000_000_000 + one * 1000)
  return made
}

const close = (found: { share: number; left: number }) => [found.share.toFixed(3), found.left.toFixed(3)]

t.test('on schedule time is the measure, also in a gap', (t) => {
  const gap = schedule(0, 1, 2, 10)
  const once = { speed: 1, passes: 1 }
  t.same(close(positionOf(gap, once, 2, 1.5)), ['0.150', '8.500'])
  t.same(close(positionOf(gap, once, 3, 9)), ['0.900', '1.000'])
  t.same(close(positionOf(gap, { speed: 2, passes: 2 }, 4, 5)), ['0.500', '5.000'])
  t.same(close(positionOf(gap, once, 4, 10)), ['1.000', '0.000'])
  t.end()
})

t.test('behind the schedule the packets are the measure, and the pace so far', (t) => {
  const even = schedule(...Array.from({ length: 101 }, (_, i) => i / 10))
  // 10 s of packets; half of them took twice as long.
  t.same(close(positionOf(even, { speed: 1, passes: 1 }, 50, 10)), ['0.500', '10.000'])
  t.same(close(positionOf(even, { speed: 10, passes: 1 }, 25, 4)), ['0.250', '12.000'])
  t.same(close(positionOf(even, { speed: 1, passes: 2 }, 101, 30)), ['0.500', '30.000'])
  // All that is left is due at the end.
  t.same(close(positionOf(schedule(0, 1, 1, 1, 1), { speed: 1, passes: 1 }, 2, 6)), ['0.400', '9.000'])
  t.end()
})

t.test('without a schedule the packets are the measure', (t) => {
  const file = schedule(0, 5, 10, 15)
  t.same(close(positionOf(file, { speed: Number.POSITIVE_INFINITY, passes: 2 }, 2, 3)), ['0.250', '9.000'])
  t.same(close(positionOf(schedule(3, 3, 3, 3), { speed: 1, passes: 1 }, 1, 2)), ['0.250', '6.000'])
  t.end()
})

t.test('a schedule of many packets is bounded, and late by a mark at most', (t) => {
  const many = schedule(...Array.from({ length: 100_000 }, (_, i) => i / 1000))
  for (const at of [0, 1, 31, 32, 33, 4096, 50_001, 99_999]) {
    const late = many.due(at) * 1000 - at
    t.ok(late > -0.001 && late < 32, `${at}: ${late}`)
  }
  t.equal(schedule(0, 4, 2, 5).due(2), 4, 'a packet that is earlier than those before is due at once')
  t.end()
})
