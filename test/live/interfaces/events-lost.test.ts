import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Capture, type CaptureStats } from 'ringtap'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeths, del, ipBatch, links } from '../support/network.js'
import { send, sendSync } from '../support/send.js'
import { block, waitUntil, within } from '../support/wait.js'

interface Report {
  interfaces: string[]
  events: string[]
  packets: string[]
  stats: CaptureStats
}

const present = () =>
  links()
    .filter(({ ifname }) => ifname.startsWith('hot'))
    .sort((a, b) => a.ifindex - b.ifindex)
    .map(({ ifname, ifindex }) => `${ifname} ${ifindex}`)

async function ask(child: ChildProcess, what: 'report' | 'stop'): Promise<Report> {
  const answer = once(child, 'message')
  child.send(what)
  return (await within(answer, 'the report'))[0] as Report
}

const stopped = (pid: number) => /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))

t.test('after events were lost in the kernel, interfaces and packets are right again', async (t) => {
  const child = fork(fileURLToPath(new URL('events-lost-child.js', import.meta.url)))
  await within(once(child, 'message'), 'the program to start')
  child.kill('SIGSTOP')
  await waitUntil(() => stopped(child.pid as number), 'it to stand still')
  const names = addVeths(100, 'hot', 'away').map(({ name }) => name)
  await send({ interface: names, count: 100 * 5, rate: 20_000 })
  // Far more events than its socket buffer holds; the events after that are lost.
  ipBatch(
    Array.from({ length: 20_000 }, (_, i) => `link set dev hot${i % 100} mtu ${1400 + (Math.floor(i / 100) % 2)}`),
  )
  del(names.slice(0, 60))
  addVeths(20, 'hot', 'away')
  await send({ interface: names.slice(0, 20), count: 20 * 5, start: 10_000, rate: 20_000 })
  child.kill('SIGCONT')
  const expected = present()
  t.equal(expected.length, 60)
  let report = await ask(child, 'report')
  await waitUntil(
    async () => {
      report = await ask(child, 'report')
      return report.interfaces.length === expected.length
    },
    'the right number of interfaces',
    20_000,
    () => report.interfaces.length,
  )
  t.same(report.interfaces, expected, 'those that ip shows')
  t.ok(report.stats.interfaceResyncs > 0, `the list was read anew ${report.stats.interfaceResyncs} times`)
  t.same(
    report.stats.interfaces.filter(({ present, selected, device }) => present && selected && device?.dropped !== 0),
    [],
    "the devices' own losses are known all the same",
  )
  // Applying the events in order must give a consistent state, whatever was lost.
  const state = new Set<string>()
  for (const event of report.events) {
    const [type, name, index] = event.split(' ')
    const key = `${name} ${index}`
    if (type === 'added') {
      if (state.has(key)) t.fail(`${key} came twice`)
      state.add(key)
    } else if (type === 'removed' && !state.delete(key)) t.fail(`${key} went and had not come`)
  }
  t.same(
    [...state].filter((key) => key.startsWith('hot')).sort(),
    [...expected].sort(),
    'the events lead to what is there',
  )
  report = await ask(child, 'stop')
  await once(child, 'exit')
  const wanted = names.flatMap((name, i) => {
    if (i < 20) return Array.from({ length: 5 }, (_, n) => `${name} ${10_000 + i + 20 * n}`)
    return i >= 60 ? Array.from({ length: 5 }, (_, n) => `${name} ${i + 100 * n}`) : []
  })
  const got = new Set(report.packets)
  t.equal(got.size, report.packets.length, 'none twice')
  t.same(
    wanted.filter((key) => !got.has(key)),
    [],
    'every packet of those that are there',
  )
  t.ok(
    report.packets.every((key) => key.startsWith('hot')),
    'none of others',
  )
  t.same(imbalances(report.stats), [])
  del(expected.map((key) => key.split(' ')[0] as string))
})

t.test('interfaces that come and go while JavaScript is blocked are all reported', async (t) => {
  await using capture = await Capture.open({ interfaces: { include: '^hot', hotplug: true } })
  const state = new Map<number, string>()
  capture.on('interface', ({ type, interface: { index, name }, selected }) => {
    if (type === 'removed') state.delete(index)
    else if (selected) state.set(index, name)
    else state.delete(index)
  })
  for (let round = 0; round < 2; round++) {
    const names = addVeths(100, 'hot', 'away').map(({ name }) => name)
    sendSync({ interface: names, count: 400, rate: 20_000 })
    if (round === 0) del(names)
    block(50)
  }
  const expected = present()
  const now = () => capture.interfaces.map(({ name, index }) => `${name} ${index}`)
  await waitUntil(() => JSON.stringify(now()) === JSON.stringify(expected), 'the right interfaces', 20_000, now)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(
    [...state].sort(([a], [b]) => a - b).map(([index, name]) => `${name} ${index}`),
    expected,
    'so say the events',
  )
  await capture.stop()
  const packets: string[] = []
  for await (const packet of capture.packets()) packets.push(packet.interface.name)
  t.equal(packets.length, 800, 'the packets of all of them')
  t.equal(new Set(packets).size, 100)
  t.same(imbalances(capture.stats()), [])
  del(expected.map((key) => key.split(' ')[0] as string))
})
