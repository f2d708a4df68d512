import { setImmediate } from 'node:timers/promises'
import { Capture, type CaptureError, type CaptureOptions } from 'ringtap'
import { buildHost, floods, interfaces, type Way, ways } from '../support/crossings.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del, ipBatch } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { duplicatesAt, duplicatesIn, firstOf, keysOf, type Run, type Sighting, watch } from '../support/sightings.js'
import { tables } from '../support/tables.js'
import { waitUntil, waitUntilStable } from '../support/wait.js'

const host = await buildHost(t)
const all = Object.keys(ways) as Way[]
const each = 10
const startOf = (way: Way) => 1000 * (all.indexOf(way) + 1)
const wayOf = (number: number) => all[Math.floor(number / 1000) - 1] as Way

async function goAllWays(): Promise<void> {
  for (const way of all) await host.go(way, startOf(way), each)
}

const [ebpf] = tables.filter(({ table }) => table === 'ebpf')
const table = 'ebpf'
const skip = ebpf?.skip ?? false

/** The copy for the host itself of a packet received on a bridge port that is not captured. */
const flooded = ({ number, at }: Sighting) => wayOf(number).endsWith('cast from a port') && at === 'br0 in'

// If the first device on the way is not captured, the first captured one delivers. The exceptions are those documented
// with the option.
for (const [selected, exceptions] of [
  [['br0'], () => false],
  [['va'], () => false],
  [['br0', 'va', 'up0'], () => false],
  [['eth0', 'br0', 'up0', 'up1'], flooded],
  [['va', 'vb', 'vc', 'eth0'], ({ number }) => wayOf(number).endsWith('cast from the host')],
  [['va', 'vb', 'vc', 'eth0', 'up0', 'up1'], ({ number }) => wayOf(number).endsWith('cast from the host')],
  [['vb', 'vc', 'up0'], ({ number }) => floods.includes(wayOf(number))],
  [['vb', 'br0'], flooded],
  // br0 and some of its ports are not captured: the origin of a packet is unknown once it has been routed.
  [['va', 'up0'], ({ number, at }) => wayOf(number) === 'routed from a port' && at === 'up0 out'],
  [['p1'], () => false],
] as [string[], (sighting: Sighting) => boolean][]) {
  t.test(`each packet is delivered once, captured: ${selected.join(', ')}`, { skip }, async (t) => {
    const { sightings, runs } = await watch([{ interfaces: selected, ring: { table }, dedupe: true }], goAllWays)
    const [once] = runs as [Run]
    t.strictSame(keysOf(once.packets), firstOf(sightings, selected, exceptions))
    t.strictSame(duplicatesIn(once.stats, selected), duplicatesAt(sightings, selected, once.packets))
    t.strictSame(imbalances(once.stats), [])
    t.strictSame(
      once.stats.interfaces.filter(({ name, duplicates }) => duplicates > 0 && !selected.includes(name)),
      [],
      'none elsewhere',
    )
  })

  t.test(`each packet is delivered once, captured: ${selected.join(', ')}, classic`, async (t) => {
    const options: CaptureOptions = { interfaces: selected, ring: { table: 'classic' }, dedupe: true }
    const { sightings, runs } = await watch([options], goAllWays)
    const [once] = runs as [Run]
    const delivered = keysOf(once.packets)
    t.strictSame(
      firstOf(sightings, selected).filter((first) => !delivered.includes(first)),
      [],
      'no first sighting is taken for a duplicate',
    )
    t.strictSame(duplicatesIn(once.stats, selected), duplicatesAt(sightings, selected, once.packets))
    t.strictSame(imbalances(once.stats), [])
  })
}

t.test('each packet is delivered once in either direction', { skip }, async (t) => {
  for (const direction of ['in', 'out'] as const) {
    const { sightings, runs } = await watch([{ direction, ring: { table }, dedupe: true }], goAllWays)
    const [once] = runs as [Run]
    const those = sightings.filter(({ at }) => at.endsWith(` ${direction}`))
    // Which copy of a flooded packet comes first is undetermined.
    const copies = ({ number, at }: Sighting) =>
      direction === 'out' && / from a port/.test(wayOf(number)) && at !== 'up0 out'
    t.strictSame(keysOf(once.packets), firstOf(those, interfaces, copies), direction)
    t.strictSame(duplicatesIn(once.stats, interfaces), duplicatesAt(those, interfaces, once.packets))
    t.strictSame(imbalances(once.stats), [])
  }
})

t.test('a packet of which only a later sighting matches the filter is delivered', { skip }, async (t) => {
  // Routing decrements the TTL.
  for (const [filter, fits] of [
    ['ip[8] = 63', ({ number, at }) => wayOf(number).startsWith('routed') && at.endsWith('out')],
    ['outbound', ({ at }) => at.endsWith('out')],
    // The other end of a pair counts as a duplicate whatever the filter.
    ['inbound', ({ at }) => at.endsWith('in') && at !== 'p1 in'],
  ] as [string, (sighting: Sighting) => boolean][]) {
    const { sightings, runs } = await watch([{ filter, ring: { table }, dedupe: true }], goAllWays)
    const [once] = runs as [Run]
    const those = sightings.filter(fits)
    const copies = ({ number, at }: Sighting) =>
      filter === 'outbound' && / from a port/.test(wayOf(number)) && at !== 'up0 out'
    t.strictSame(keysOf(once.packets), firstOf(those, interfaces, copies), filter)
    const pair = sightings.filter(({ at }) => filter === 'inbound' && at === 'p1 in').length
    t.equal(once.stats.duplicates, those.length + pair - once.packets.length)
    t.strictSame(imbalances(once.stats), [])
  }
})

for (const { table, skip } of tables) {
  t.test(`a port that is added and removed is taken into account, ${table}`, { skip }, async (t) => {
    const behind = await addNamespace()
    t.teardown(() => behind.close())
    const events: string[] = []
    // Packets sent in the first moments may be delivered twice, but are never lost.
    const early: number[] = []
    const options: CaptureOptions = { interfaces: { hotplug: true }, ring: { table }, dedupe: true }
    const { sightings, runs } = await watch([options], async ([capture]) => {
      capture?.on('interface', ({ type, interface: { name } }) => events.push(`${name} ${type}`))
      const send = (start: number, destination: string | undefined) =>
        sendSync({
          interface: 'far',
          namespace: behind.pid,
          source: '02:00:00:00:20:01',
          start,
          count: 10,
          destination: destination as string,
        })
      addVeth('late', 'far', { peerNamespace: behind.pid })
      ipBatch(['link set dev late master br0'])
      for (const start of [0, 10]) {
        send(start, start === 0 ? host.mac['vb'] : host.mac['br0 here'])
        for (let i = 0; i < 10; i++) early.push(start + i)
      }
      const late = () => capture?.interfaces.find(({ name }) => name === 'late')
      await waitUntil(() => late()?.master !== undefined, 'the event')
      send(100, host.mac['vb'])
      send(200, host.mac['br0 here'])
      sendSync({ interface: 'br0', start: 300, count: 10, destination: '02:00:00:00:20:01' })
      await host.go('broadcast from a port', 400, 10)
      // The classic mode decides when it takes a block: all blocks must be taken before the port leaves the bridge.
      const passed = () => (capture?.stats().received ?? 0) + (capture?.stats().duplicates ?? 0)
      await waitUntilStable(passed, 'the packets so far')
      ipBatch(['link set dev late nomaster'])
      await waitUntil(() => late()?.master === undefined, 'the event')
      sendSync({ interface: 'late', start: 500, count: 10 })
      del('late')
      await waitUntil(() => events.includes('late removed'), 'the event')
      await host.go('broadcast from a port', 600, 10)
    })
    const [once] = runs as [Run]
    const numbers = new Set(once.packets.map(({ number }) => number))
    t.strictSame(
      early.filter((number) => !numbers.has(number)),
      [],
      'from the first packet on',
    )
    const after = ({ number }: { number?: number | undefined }) => (number as number) >= 100
    t.strictSame(
      keysOf(once.packets.filter(after)),
      firstOf(sightings.filter(after), [...interfaces, 'late']),
      'once the event is read, each once',
    )
    t.equal(once.stats.duplicates, sightings.length - once.packets.length)
    t.strictSame(imbalances(once.stats), [])
  })
}

t.test('packets of an uncaptured port are delivered at its captured bridge', { skip }, async (t) => {
  // Without hotplug: packets received on the new port are first seen at the bridge, from the first packet on.
  const late = await addNamespace()
  t.teardown(() => late.close())
  for (const { table } of tables) {
    const { sightings, runs } = await watch([{ ring: { table }, dedupe: true }], () => {
      addVeth('late', 'far', { peerNamespace: late.pid })
      ipBatch(['link set dev late master br0'])
      for (let i = 0; i < 10; i++) {
        sendSync({
          interface: 'far',
          namespace: late.pid,
          start: 10 * i,
          count: 10,
          source: '02:00:00:00:20:01',
          destination: host.mac['br0 here'] as string,
        })
      }
      del('late')
    })
    const [once] = runs as [Run]
    t.strictSame(keysOf(once.packets), firstOf(sightings, interfaces), table)
    t.equal(once.packets.length, 100)
    t.strictSame(imbalances(once.stats), [])
  }
})

t.test('the classic form warns about what it cannot do', async (t) => {
  const warnings = async (options: CaptureOptions) => {
    await using capture = await Capture.open(options)
    const said: CaptureError[] = []
    capture.on('warning', (warning) => said.push(warning))
    await setImmediate() // the capture emits its first warnings in the turn after open(), which began before
    return said.map(({ code, message }) => `${code} ${message}`)
  }
  const [said, ...more] = await warnings({ ring: { table: 'classic' }, dedupe: true })
  t.match(said, /^ERR_OPTION dedupe .*classic.*CAP_BPF/)
  t.strictSame(more, [])
  t.strictSame(await warnings({ ring: { table: 'classic' } }), [])
  if (!skip) t.strictSame(await warnings({ ring: { table: 'ebpf' }, dedupe: true }), [])
})
