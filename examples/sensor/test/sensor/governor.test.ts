import t, { type Test } from 'tap'
import { Log } from '../../src/common/log.js'
import { Governor } from '../../src/sensor/governor.js'
import { Limiter } from '../../src/sensor/limiter.js'
import { States } from '../../src/sensor/states.js'

function states(t: Test): States {
  const path = `${t.testdir()}/log`
  return new States(Log.open({ level: 'info', path }))
}

t.test('beyond a limit: the headers first, then fewer and fewer flows, and back', async (t) => {
  const steps: string[] = []
  const limits = { packets: 1000, bytes: 0, memory: 2 ** 30, snapshotLength: 262_144 }
  const own = states(t)
  const governor = new Governor({
    ...limits,
    states: own,
    setSnapshotLength: async (bytes) => {
      steps.push(`snapshot ${bytes}`)
    },
    sampleFlows: async (flows) => {
      steps.push(`flows ${flows}`)
    },
    onError: (error) => t.fail(error.message),
  })
  let packets = 0
  let now = 0
  const run = async (seconds: number, rate: number) => {
    for (let second = 0; second < seconds; second++) {
      packets += rate
      now += 1000
      await governor.look({ packets, bytes: 0, memory: 0 }, now)
    }
  }
  await run(10, 900)
  t.equal(governor.step, 0)
  t.strictSame(steps, [])
  await run(1, 5000)
  t.equal(governor.step, 0, 'a short burst is not answered')
  await run(1, 100)
  await run(2, 5000)
  t.equal(governor.step, 1)
  await run(4, 5000)
  t.equal(governor.step, 3)
  t.strictSame(steps, ['snapshot 128', 'flows 1', 'flows 2', 'flows 4'])
  t.match(own.list(), [
    { name: 'snapshot-length', active: true, entered: 1, detail: '128 bytes of each packet' },
    { name: 'sampling', active: true, entered: 1, detail: '1 of 4 flows' },
  ])
  await run(100, 5000)
  t.equal(governor.step, 7)
  t.equal(steps.at(-1), 'flows 64')
  await run(20, 600)
  t.equal(governor.step, 7, 'a step back would be too much')
  steps.length = 0
  await run(70, 10)
  t.equal(governor.step, 0)
  t.strictSame(
    steps,
    [32, 16, 8, 4, 2].map((flows) => `flows ${flows}`).concat('flows 1', 'snapshot 262144', 'flows 1'),
  )
  t.match(own.list(), [{ active: false }, { active: false }])
})

t.test('memory and bytes are limits too', async (t) => {
  for (const load of [
    { packets: 0, bytes: 0, memory: 95 },
    { packets: 0, bytes: 1e6, memory: 0 },
  ]) {
    const governor = new Governor({
      packets: 0,
      bytes: 1e5,
      memory: 100,
      snapshotLength: 1000,
      states: states(t),
      setSnapshotLength: async () => {},
      sampleFlows: async () => {},
      onError: () => {},
    })
    for (let second = 0; second < 3; second++) {
      await governor.look({ ...load, bytes: load.bytes * second }, second * 1000)
    }
    t.equal(governor.step, 1)
  }
})

t.test('a limiter lets through what its rate allows', async (t) => {
  const limiter = new Limiter(1000, 0)
  t.ok(limiter.take(600, 0))
  t.ok(limiter.take(600, 0), 'overdrawn')
  t.notOk(limiter.take(1, 0))
  t.equal(limiter.delay(0), 201)
  t.ok(limiter.take(1, 201))
  let passed = 0
  for (let now = 1000; now < 101_000; now++) if (limiter.take(100, now)) passed += 100
  t.ok(passed >= 100_000 && passed <= 101_200, `${passed} in 100 s`)
  const none = new Limiter(0, 0)
  t.ok(none.take(1e12, 0))
  t.equal(none.delay(0), 0)
})
