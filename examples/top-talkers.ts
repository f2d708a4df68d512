/**
 * Prints every second which pairs of IPv4 or IPv6 addresses exchanged the most bytes.
 *
 *   sudo node dist/work/examples/top-talkers.js [--rows 10] [--filter 'not port 22'] [pattern]
 *
 * pattern: as egrep reads it; default: every interface but loopback. A packet that crosses several of the interfaces
 * (a veth, the bridge, the network card) counts on each: name one of them to count it once.
 */
import { parseArgs } from 'node:util'
import { Capture } from 'ringtap'
import { fail, showWarnings, stopOnSignal } from './support/command.js'
import { count, now, plural } from './support/format.js'
import { addressPair, findPair } from './support/ip.js'
import { paint, table } from './support/style.js'

const { pattern, filter, rows } = commandLine()

// Only headers are needed: the ring holds many more packets if they are cut short.
const capture = await Capture.open({
  interfaces: { include: pattern ?? [], hotplug: true },
  filter,
  snapshotLength: 96,
}).catch(fail)
stopOnSignal(capture)
showWarnings(capture)

interface Talk {
  packets: number
  bytes: number
}
let talks = new Map<string, Talk>()
let others = 0

const timer = setInterval(report, 1000)
console.log('counting; Ctrl-C ends')
for await (const chunk of capture) {
  // forEach, the fastest way: no object per packet.
  chunk.forEach((packet) => {
    const pair = findPair(packet)
    if (pair === undefined) {
      others++
      return
    }
    const talk = talks.get(pair)
    if (talk === undefined) {
      talks.set(pair, { packets: 1, bytes: packet.originalLength })
    } else {
      talk.packets++
      talk.bytes += packet.originalLength
    }
  })
}
clearInterval(timer)
report()
await capture.close()

function report(): void {
  const second = talks
  const { droppedByRing } = capture.stats()
  talks = new Map()
  const sum = { packets: 0, bytes: 0 }
  for (const { packets, bytes } of second.values()) {
    sum.packets += packets
    sum.bytes += bytes
  }
  const lost = droppedByRing > 0 ? `, ${count(droppedByRing)} lost so far` : ''
  const summary = `${plural(second.size, 'pair')}, ${plural(sum.packets, 'packet')}, ${plural(sum.bytes, 'byte')}`
  console.log(paint('bold', `${now()}  ${summary}; ${count(others)} not IP${lost}`))
  others = 0
  if (second.size === 0) return
  const top = [...second].sort(([, a], [, b]) => b.bytes - a.bytes).slice(0, rows)
  console.log(
    table(
      [
        ['bytes', 'packets', 'from > to'],
        ...top.map(([pair, { packets, bytes }]) => [count(bytes), count(packets), addressPair(pair)]),
      ],
      [0, 1],
    ),
  )
}

function commandLine() {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { rows: { type: 'string', default: '10' }, filter: { type: 'string' } },
    })
    return { pattern: positionals[0], filter: values.filter, rows: Math.max(1, Number.parseInt(values.rows, 10) || 1) }
  } catch (error) {
    fail(error)
  }
}
