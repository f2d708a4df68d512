// What the kernel's filter can leave out: what a recording writes and costs with a cut-off of flows, with a sample of them
// and with slices of packets, and without, of traffic in which a few long transfers have most of the bytes.
//
//   node dist/work/bench/filter/cutoff.js [--trials N] [--markdown]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { frame } from 'ringtap'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { addVeth } from '../../test/live/support/network.js'
import { replaySync } from '../../test/live/support/replay.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { figure, printTable } from '../support/table.js'
import { buildSender } from '../support/tools.js'
import { median } from '../support/trial.js'
import type { CutoffReport, CutoffTrial } from './cutoff.trial.js'

const count = 100_000
/** Packets per second: all of them are received. */
const rate = 100_000
/** Of 100 packets, so many belong to four transfers; the others to short connections of ten packets each. */
const share = 80

interface Contestant {
  name: string
  options: CutoffTrial['options']
  missing?: undefined
}

interface Sample {
  megabytes: number
  packets: number
  refused: number
  /** Nanoseconds of processor time per packet sent: of the recorder, and of the whole machine, sender and kernel included. */
  own: number
  all: number
}

const contestants: Contestant[] = [
  { name: 'everything', options: {} },
  { name: 'cut-off that refuses nothing', options: { cutoff: { bytes: 2 ** 50 } } },
  { name: 'the first 20 000 bytes', options: { cutoff: { bytes: 20_000 } } },
  { name: 'all flows but one of 1000', options: { sample: { flows: 0.999 } } },
  { name: 'an eighth of the flows', options: { sample: { flows: 1 / 8 } } },
  { name: 'headers', options: { slice: 'headers' } },
  { name: 'headers of an eighth of the flows', options: { slice: 'headers', sample: { flows: 1 / 8 } } },
]

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
addVeth('near', 'far')
const frames = Array.from({ length: count }, (_, i) => {
  const long = i % 100 < share
  const bytes = frame({
    ethernet: { source: '02:00:00:00:00:01', destination: 'ff:ff:ff:ff:ff:ff' },
    ipv4: { source: '10.0.0.1', destination: '10.0.0.2' },
    tcp: {
      sourcePort: long ? 1024 + (i % 4) : 2048 + (Math.floor(i / 50) % 60_000),
      destinationPort: 443,
      flags: ['ACK'],
    },
    payload: new Uint8Array(long ? 1346 : 200),
  })
  return { bytes, type: 0x0800 }
})

/** Seconds of processor time of the whole machine since boot, without idling. */
function busy(): number {
  const times = (/^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? '').split(' ').map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = times
  return (user + nice + system + irq + softirq) / 100 // USER_HZ
}

async function trial(contestant: Contestant): Promise<Sample> {
  const file = path.join(tmpdir(), `ringtap-cutoff-${process.pid}.pcapng`)
  const argument: CutoffTrial = { interface: 'near', path: file, options: contestant.options }
  const script = fileURLToPath(new URL('cutoff.trial.js', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = text(child.stdout)
  try {
    await once(child.stderr, 'data') // it is ready
    const before = busy()
    replaySync('far', frames, rate)
    child.kill('SIGINT')
    const { received, refused, lost, cpu } = JSON.parse(await output) as CutoffReport
    const all = busy() - before
    if (received + refused !== count || lost > 0) throw new Error(`${received} + ${refused} received, ${lost} lost`)
    return {
      megabytes: statSync(file).size / 1e6,
      packets: received,
      refused,
      own: (cpu * 1e9) / count,
      all: (all * 1e9) / count,
    }
  } finally {
    child.kill('SIGKILL')
    rmSync(file, { force: true })
  }
}

const rows = await takeTurns(contestants, trial)
const middle = (row: (typeof rows)[number], of: keyof Sample) => median(row.samples.map((sample) => sample[of]))
printTable(
  `Left out: ${count} packets at ${rate} a second, ${share} % of them of four transfers in packets of 1400 bytes; median of ${options.trials} recordings`,
  ['recorded', 'MB written', 'packets', 'refused', 'CPU ns/packet, recorder', 'machine', ''],
  rows.map((row) => [
    row.name,
    figure(middle(row, 'megabytes')),
    String(middle(row, 'packets')),
    String(middle(row, 'refused')),
    figure(middle(row, 'own')),
    figure(middle(row, 'all')),
    row.note,
  ]),
)
