import t from 'tap'
import { Rate } from '../../src/response/rate.js'

t.test('so many at once, and so many per second', (t) => {
  const rate = new Rate(4, 0)
  const taken = (now: number) => {
    let count = 0
    while (rate.take(now)) count++
    return count
  }
  t.equal(taken(0), 4)
  t.equal(rate.wait, 250)
  t.equal(taken(125), 0)
  t.equal(rate.wait, 125)
  t.equal(taken(250), 1)
  t.equal(taken(1250), 4)
  t.equal(taken(60_000), 4, 'no more than of one second after a long rest')
  t.end()
})
