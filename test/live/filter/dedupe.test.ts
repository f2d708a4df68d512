import { Capture, type CaptureOptions } from 'ringtap'
import { type Seen, seen } from '../support/collect.js'
import { buildHost, interfaces, type Way, ways } from '../support/crossings.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { duplicatesAt, duplicatesIn, firstOf, keysOf, type Run, type Sighting, watch } from '../support/sightings.js'
import { tables } from '../support/tables.js'
import { tally } from '../support/witness.js'

const host = await buildHost(t)
const all = Object.keys(ways) as Way[]
const each = 20
const startOf = (way: Way) => 1000 * (all.indexOf(way) + 1)
const wayOf = (number: number | undefined) => all[Math.floor((number as number) / 1000) - 1] as Way

async function goAllWays(): Promise<void> {
  for (const way of all) await host.go(way, startOf(way), each)
}

for (const { table, skip } of tables) {
  // Both modes recognise bridged packets; only eBPF recognises routed packets.
  const twice = (way: Way) => table === 'classic' && way.startsWith('routed')
  const routed = ({ number, at }: Sighting) => twice(wayOf(number)) && /^(br0|up\d) out/.test(at)

  t.test(`with all interfaces captured each packet is delivered once, ${table}`, { skip }, async (t) => {
    const { sightings, runs } = await watch([{ ring: { table }, dedupe: true }, { ring: { table } }], goAllWays)
    const [once, plain] = runs as [Run, Run]
    for (const way of all) {
      t.strictSame(
        sightings.flatMap(({ number, at }) => (wayOf(number) === way ? `${number} ${at}` : [])).sort(),
        Array.from({ length: each }, (_, i) => ways[way].map((at) => `${startOf(way) + i} ${at}`))
          .flat()
          .sort(),
        `${way}: tcpdump sees each packet ${ways[way].length} times`,
      )
    }
    t.strictSame(
      keysOf(plain.packets),
      sightings.map(({ number, at }) => `${number} ${at}`).sort(),
      'as does a capture',
    )
    t.equal(plain.stats.duplicates, 0)

    t.strictSame(
      keysOf(once.packets),
      firstOf(sightings, interfaces, routed),
      'with dedupe, the first sighting of each',
    )
    for (const way of all) {
      const mine = once.packets.filter(({ number }) => wayOf(number) === way)
      t.equal(mine.length, (twice(way) ? 2 : 1) * each, `${way}: ${twice(way) ? 'twice' : 'once'}`)
      t.equal(`${mine[0]?.interface} ${mine[0]?.direction}`, ways[way][0])
    }
    t.equal(once.stats.received, once.packets.length, 'duplicates are no part of what was received')
    t.equal(once.stats.duplicates, sightings.length - once.packets.length, 'and are counted, all of them')
    t.strictSame(duplicatesIn(once.stats, interfaces), duplicatesAt(sightings, interfaces, once.packets))
    for (const { stats } of runs) t.strictSame(imbalances(stats), [])
  })

  for (const options of [
    { ring: { table, count: 2 } },
    { ring: { table }, filter: 'udp' },
    { ring: { table }, promiscuous: true },
    { ring: { table }, snapshotLength: 64, interfaces: { hotplug: true } },
  ] satisfies CaptureOptions[]) {
    t.test(`each packet is delivered once with ${JSON.stringify(options)}`, { skip }, async (t) => {
      const { sightings, runs } = await watch([{ ...options, dedupe: true }], goAllWays)
      const [once] = runs as [Run]
      t.strictSame(keysOf(once.packets), firstOf(sightings, interfaces, routed))
      t.strictSame(duplicatesIn(once.stats, interfaces), duplicatesAt(sightings, interfaces, once.packets))
      t.strictSame(imbalances(once.stats), [])
      if (!options.promiscuous) return
      const atBridge = sightings.filter(({ number, at }) => wayOf(number) === 'port to port' && at === 'br0 in')
      t.equal(atBridge.length, each, 'a promiscuous bridge sees what its ports pass each other')
    })
  }

  t.test(`the same bytes sent again count as another packet, ${table}`, { skip }, async (t) => {
    const { runs } = await watch([{ ring: { table }, dedupe: true }], async () => {
      for (let i = 0; i < 3; i++) {
        for (const way of all) await host.go(way, startOf(way), 5)
      }
      // Without other traffic in between: 5 numbers, 3 times each.
      for (let i = 0; i < 3; i++) await host.go('port to host', 500, 5)
    })
    const [once] = runs as [Run]
    const delivered = tally(keysOf(once.packets))
    const numbers = all.flatMap((way) => Array.from({ length: twice(way) ? 10 : 5 }, () => way)).length + 5
    t.equal(delivered.size, numbers)
    t.strictSame(
      [...delivered].filter(([, count]) => count !== 3),
      [],
      'each as often as it was sent',
    )
  })

  t.test(`deduplication continues when the filter is replaced, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({ ring: { table }, dedupe: true })
    capture.on('warning', () => {})
    const packets: Seen[] = []
    const reading = (async () => {
      for await (const chunk of capture) for (const packet of chunk) packets.push(seen(packet))
    })()
    await host.go('port to port', 0, 10)
    await capture.setFilter('tcp')
    await host.go('port to port', 100, 10)
    await capture.setFilter('udp')
    await host.go('port to port', 200, 10)
    await capture.stop()
    await reading
    const numbers = (from: number) => Array.from({ length: 10 }, (_, i) => `${from + i} va in`)
    t.strictSame(keysOf(packets), [...numbers(0), ...numbers(200)].sort())
    t.equal(capture.stats().duplicates, 20, 'what the filter refuses is no duplicate')
    t.strictSame(imbalances(capture.stats()), [])
  })
}
