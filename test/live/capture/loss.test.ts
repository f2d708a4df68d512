// Alone: it sends as fast as the kernel goes, and counts every frame.
// The `loss` event, with losses provoked by the test.
import { Capture, type LossEvent } from 'ringtap'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send, sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { block, patience, sleep, waitUntil } from '../support/wait.js'

t.setTimeout(120_000 * patience)
addVeth('eth0', 'far0')
addVeth('eth1', 'far1')

const MiB = 1 << 20
const tiny = { memory: MiB }
const none = { memory: 0 }

function eventsOf(capture: Capture): LossEvent[] {
  const events: LossEvent[] = []
  capture.on('loss', (event) => events.push(event))
  return events
}

async function readAll(capture: Capture): Promise<number> {
  let packets = 0
  for await (const chunk of capture) packets += chunk.packetCount
  return packets
}

for (const { table, skip } of tables) {
  t.test(`a burst that the ring cannot hold raises the level to critical and back, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: ['eth0', 'eth1'],
      direction: 'out',
      ring: { ...tiny, table },
      overflow: none,
      loss: { window: 1000 },
    })
    const events = eventsOf(capture)
    // The JavaScript thread is blocked during the sends: the ring is full when it next runs.
    sendSync({ interface: 'eth0', count: 12_000, size: 256 })
    sendSync({ interface: 'eth1', count: 4000, start: 12_000, size: 256 })
    await waitUntil(() => events.length > 0, 'the event')
    const lost = capture.stats().droppedByRing
    t.ok(lost > 4000)
    t.match(events[0], {
      previous: 'none',
      level: 'critical',
      lost,
      received: 16_000,
      ratio: lost / 16_000,
      causes: { droppedByRing: lost, droppedByOverflow: 0, malformed: 0 },
    })
    if (table === 'ebpf') {
      const [one, two] = ['eth0', 'eth1'].map((name) => capture.stats().interfaces.find((each) => each.name === name))
      t.same(
        events[0]?.interfaces,
        [
          {
            name: 'eth0',
            index: one?.index,
            generation: one?.generation,
            ratio: (lost - 4000) / 12_000,
            lost: lost - 4000,
            received: 12_000,
          },
          { name: 'eth1', index: two?.index, generation: two?.generation, ratio: 1, lost: 4000, received: 4000 },
        ].sort((a, b) => b.lost - a.lost),
        'whose packets they were: those of eth1 came when all was full',
      )
    } else {
      t.equal(events[0]?.interfaces, undefined, 'absent, not guessed')
    }
    const reading = readAll(capture)
    await waitUntil(() => events.length > 1, 'the end')
    t.match(events[1], { previous: 'critical', level: 'none', lost: 0, ratio: 0 })
    t.match(capture.stats().loss, { level: 'none', ratio: 0, lost: 0 })
    await capture.stop()
    t.equal(await reading, 16_000 - lost)
    t.equal(events.length, 2)
    t.same(imbalances(capture.stats()), [])
  })
}

t.test('a lasting loss is reported again, with the figures of the window', async (t) => {
  await using capture = await Capture.open({
    interfaces: 'eth0',
    direction: 'out',
    ring: tiny,
    overflow: none,
    loss: { window: 200 },
  })
  // Without a reader everything is lost once the ring is full.
  sendSync({ interface: 'eth0', count: 16_000, size: 256 })
  const before = capture.stats().droppedByRing
  const events = eventsOf(capture)
  for (let start = 20_000; events.length < 4; start += 100) {
    sendSync({ interface: 'eth0', count: 100, start })
    await sleep(20) // time itself is the subject: a window of 200 ms, lost packets in each part of it
  }
  t.same(events.map(({ previous, level }) => `${previous} ${level}`).slice(0, 4), [
    'none critical',
    'critical critical',
    'critical critical',
    'critical critical',
  ])
  for (const { lost, received, ratio } of events.slice(2)) {
    t.equal(ratio, 1)
    t.equal(lost, received)
    t.ok(lost > 0 && lost % 100 === 0, `${lost}`)
  }
  t.ok(capture.stats().droppedByRing > before)
})

t.test('the level is that of the threshold that was passed', async (t) => {
  await using capture = await Capture.open({
    interfaces: 'eth0',
    direction: 'out',
    ring: tiny,
    overflow: none,
    loss: { window: 60_000, warn: 0.001, critical: 1 },
  })
  const events = eventsOf(capture)
  sendSync({ interface: 'eth0', count: 16_000, size: 256 })
  const { loss, droppedByRing: lost } = capture.stats()
  t.match(loss, { level: 'none', lost, received: 16_000, ratio: lost / 16_000 }, 'the stats are there at once')
  await waitUntil(() => events.length > 0, 'the event', 20_000)
  t.match(events, [{ previous: 'none', level: 'warn', lost, received: 16_000 }])
  t.match(capture.stats().loss, { level: 'warn', lost })
})

t.test('a loss for lack of overflow memory has that cause', async (t) => {
  await using capture = await Capture.open({
    interfaces: 'eth0',
    direction: 'out',
    ring: { memory: 2 * MiB, blockSize: MiB / 4 },
    overflow: { memory: MiB },
  })
  const events = eventsOf(capture)
  await send({ interface: 'eth0', count: 60_000, size: 256, rate: 60_000 })
  const stats = await capture.stop()
  t.ok(stats.droppedByOverflow > 0)
  t.equal(events.length, 1, 'told before the stop is done, the window being a minute')
  const { droppedByRing, droppedByOverflow } = stats
  t.match(stats.loss, { level: 'critical', lost: droppedByRing + droppedByOverflow, received: 60_000 })
  t.match(stats.loss.causes, { droppedByRing, droppedByOverflow, malformed: 0 })
})

t.test('a loss right before close() is reported before the close event', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0', direction: 'out', ring: tiny, overflow: none })
  const told: string[] = []
  capture.on('loss', ({ level }) => {
    told.push(level)
    void capture.close() // legal in any state
  })
  capture.on('close', () => told.push('close'))
  sendSync({ interface: 'eth0', count: 16_000, size: 256 })
  await capture.close()
  t.same(told, ['critical', 'close'])
  t.match(capture.stats().loss, { level: 'critical', received: 16_000 })
})

t.test('a listener may close the capture', async (t) => {
  await using capture = await Capture.open({
    interfaces: 'eth0',
    direction: 'out',
    ring: tiny,
    overflow: none,
    loss: { window: 100 },
  })
  const closed = new Promise((resolve) => capture.on('close', () => resolve(true)))
  capture.on('loss', () => void capture.close())
  sendSync({ interface: 'eth0', count: 16_000, size: 256 })
  t.equal(await closed, true)
})

t.test('a loss during a blocked event loop is reported afterwards', async (t) => {
  await using capture = await Capture.open({
    interfaces: 'eth0',
    direction: 'out',
    ring: tiny,
    overflow: none,
    loss: { window: 100 },
  })
  const events = eventsOf(capture)
  await sleep(50) // time itself is the subject: half a window without losses
  sendSync({ interface: 'eth0', count: 16_000, size: 256 })
  block(1000) // ten windows of the loss watch
  await waitUntil(() => events.length > 0, 'the event')
  t.match(events[0], { previous: 'none', level: 'critical', received: 16_000, lost: capture.stats().droppedByRing })
})

t.test('without a loss there is no event', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0', direction: 'out', loss: { window: 100, minimum: 1 } })
  const events = eventsOf(capture)
  const reading = readAll(capture)
  await send({ interface: 'eth0', count: 20_000, rate: 20_000 })
  t.match(capture.stats().loss, { level: 'none', ratio: 0, lost: 0 })
  await waitUntil(() => capture.stats().loss.received === 0, 'the window to pass')
  await capture.stop()
  t.equal(await reading, 20_000)
  t.same(events, [])
})

t.test('the defaults are a minute, 3 % and 5 %', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0', direction: 'out', ring: tiny, overflow: none })
  const events = eventsOf(capture)
  sendSync({ interface: 'eth0', count: 4000, size: 256 })
  const burst = capture.stats().droppedByRing
  t.ok(burst > 10, `${burst}`)
  const reading = readAll(capture)
  // Enough further packets that the loss is below 5 % but not below 3 %, if none of them is lost; that is not required.
  const all = Math.floor(burst / 0.04)
  await send({ interface: 'eth0', count: all - 4000, start: 4000, rate: 20_000 })
  const { loss, droppedByRing: lost } = await capture.stop()
  t.match(loss, { lost, received: all, ratio: lost / all })
  t.equal(await reading, all - lost)
  t.ok(events.length > 0)
  for (const { level, ratio } of events) t.equal(level, ratio >= 0.05 ? 'critical' : 'warn', `${ratio}`)
})
