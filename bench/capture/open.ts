// Many interfaces: the cost of opening and of idling, with one ring for all of them and with one socket for each.
//
//   node dist/work/bench/capture/open.js [--trials N] [--markdown]
import { setTimeout as sleep } from 'node:timers/promises'
import { addVeths } from '../../test/live/support/network.js'
import { ConsumerProcess, type Who } from '../support/consumer-process.js'
import { options } from '../support/options.js'
import { loadPeer } from '../support/peers.js'
import { takeTurns } from '../support/rounds.js'
import { enterStage } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import { median } from '../support/trial.js'

/** Duration of the idle measurement, seconds. */
const idle = 2

interface Sample {
  open: number
  cpu: number
  wakeups: number
}

await enterStage(import.meta.url)
// Both ends of each pair are interfaces of this namespace.
const names = addVeths(125, 'near', 'far').flatMap(({ name, peer }) => [name, peer])

async function trial(who: Who, interfaces: string[]): Promise<Sample> {
  // 64 MiB in total: one shared ring, or two blocks of 128 KiB for each socket.
  const ring = who.loop === 'sockets' ? { memory: 2 ** 18, blockSize: 2 ** 17 } : {}
  const consumer = await ConsumerProcess.start(who, interfaces, ring)
  try {
    await sleep(500)
    await consumer.mark()
    await sleep(idle * 1000)
    const { cpu, wakeups } = await consumer.report()
    return { open: consumer.openSeconds * 1000, cpu: (cpu / idle) * 1000, wakeups: wakeups / idle }
  } finally {
    await consumer.end()
  }
}

const peer = loadPeer('pcap')
const everybody: { name: string; who: Who; missing?: string | undefined }[] = [
  { name: 'ringtap, one ring', who: { spec: { who: 'ringtap', visit: 'lengths' } } },
  { name: 'C, a ring for each', who: { loop: 'sockets' } },
  {
    name: `pcap ${peer.version}, a session for each`,
    who: { spec: { who: 'pcap', visit: 'lengths' } },
    missing: peer.missing,
  },
]
const rows = await takeTurns(
  [1, 250].flatMap((count) => everybody.map((one) => ({ ...one, count }))),
  ({ who, count }) => trial(who, names.slice(0, count)),
)
printTable(
  `Many interfaces: until all are open, then ${idle} s without a packet; median of ${options.trials} processes`,
  ['interfaces', 'consumer', 'open ms', 'idle CPU ms/s', 'idle wake-ups/s', ''],
  rows.map(({ name, count, samples, note }) => {
    const middle = (of: keyof Sample) => figure(median(samples.map((sample) => sample[of])))
    return [String(count), name, middle('open'), middle('cpu'), middle('wakeups'), note]
  }),
)
