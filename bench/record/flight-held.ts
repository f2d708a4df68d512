// How much of realistic traffic a flight recorder's memory holds, compressed and not.
//
//   node dist/work/bench/record/flight-held.js [--trials N] [--only NAME] [--markdown]
import { randomFillSync } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Injector } from 'ringtap'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { addNamespace, addVeth, up } from '../../test/live/support/network.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { middle, type Sample, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { buildSender } from '../support/tools.js'
import type { FlightOutcome, FlightTrial } from './flight.trial.js'
import { type Contestant, flooded } from './flooded.js'

const memory = 2 ** 26
const snapshotLength = 96
const flows = 10_000
/** More than the memory holds. */
const count = 5_000_000
/** Of Ethernet, IPv4, and TCP with timestamps. */
const headers = 66

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const other = await addNamespace()
addVeth('near', 'far', { peerNamespace: other.pid })
up('near')

/**
 * Frames of 10 000 TCP connections of 256 hosts with one server, in random order, each with the next sequence number of its
 * connection and the time in its timestamps. Checksums, first sequence numbers and payload are random, the latter as
 * encrypted.
 */
function* traffic(frames: number, payload: number): Generator<Uint8Array> {
  const noise = randomFillSync(Buffer.alloc(1 << 20))
  const templates = Array.from({ length: flows }, (_, flow) => {
    const frame = Buffer.alloc(headers + payload)
    frame.write('0200000000020200000000010800', 'hex')
    frame.write('45000000000040004006', 14, 'hex')
    frame.writeUInt16BE(headers - 14 + 1448 * Math.sign(payload), 16)
    frame.write(
      `0a00${(flow % 2).toString(16).padStart(2, '0')}${(flow % 256).toString(16).padStart(2, '0')}`,
      26,
      'hex',
    )
    frame.write('c6336401', 30, 'hex')
    frame.writeUInt16BE(32_768 + (flow >> 1), 34)
    frame.writeUInt16BE(443, 36)
    noise.copy(frame, 38, flow * 8, flow * 8 + 8)
    frame.write('801001f6', 46, 'hex')
    frame.write('0101080a', 54, 'hex')
    return frame
  })
  let at = 0
  const next = (length: number) => {
    if (at + length > noise.length) {
      randomFillSync(noise) // bytes that come again could be compressed
      at = 0
    }
    at += length
    return at - length
  }
  for (let i = 0; i < frames; i++) {
    const frame = templates[Math.floor(Math.random() * flows)] as Buffer
    frame.writeUInt16BE((frame.readUInt16BE(18) + 1) & 0xffff, 18)
    noise.copy(frame, 24, next(2), at)
    frame.writeUInt32BE((frame.readUInt32BE(38) + Math.max(payload, 1)) >>> 0, 38)
    noise.copy(frame, 50, next(2), at)
    frame.writeUInt32BE((i >> 7) >>> 0, 58)
    frame.writeUInt32BE((i >> 7) >>> 0, 62)
    if (payload > 0) noise.copy(frame, headers, next(payload), at)
    yield frame
  }
}

const contestants = ([false, 'zstd', 'gzip'] as const)
  .map((compress): Contestant => {
    const trial: FlightTrial = { interface: 'near', iterate: false, keep: true, compress, memory, snapshotLength }
    return {
      name: compress || 'not compressed',
      command: process.execPath,
      args: [fileURLToPath(new URL('flight.trial.js', import.meta.url)), JSON.stringify(trial)],
      ready: 'ready',
    }
  })
  .filter(({ name }) => name.includes(options.only))

interface HeldSample extends Sample {
  held: number
  minutes: number
}

await using injector = await Injector.open('far', { netns: other.path })

for (const { name, payload } of [
  { name: 'headers alone', payload: 0 },
  { name: `encrypted payload, cut at ${snapshotLength}`, payload: 200 },
]) {
  const wire = {
    async flood(frames: number) {
      const begun = performance.now()
      const { sent } = await injector.send(traffic(frames, payload))
      const seconds = (performance.now() - begun) / 1000
      return { arrived: sent, sent, seconds, packetsPerSecond: sent / seconds, refused: 0, dropped: 0 }
    },
  }
  const rows = await takeTurns(contestants, async (one): Promise<HeldSample> => {
    const { arrived, cpu, said, rate } = await flooded(one, wire, { count, size: 0, rate: 0 })
    const { packets, dropped, held, heldBytes } = JSON.parse(said.trim().split('\n').at(-1) ?? '') as FlightOutcome
    if (!(held > 0 && held < packets)) throw new Error(`${held} packets held of ${packets}`)
    const lost = arrived - packets + dropped
    const minutes = ((held / heldBytes) * 2 ** 30) / 100_000 / 60
    return { lost, loss: (lost / arrived) * 100, cpu: (cpu / packets) * 1e6, rate, held, minutes }
  })
  const rate = Math.max(...rows.filter((row) => row.samples.length > 0).map((row) => middle(row, 'rate'))) / 1e6
  printTable(
    `Flight recorder of ${memory / 2 ** 20} MiB: ${flows} TCP connections, ${name}, ${figure(rate)} million a second, ` +
      `${options.trials} trials: median (least to largest)`,
    ['memory', 'packets held', 'minutes of 100 000/s in 1 GiB', 'CPU µs/packet', 'lost %', ''],
    rows.map((row) => [
      row.name,
      String(middle(row, 'held')),
      figure(middle(row, 'minutes')),
      spread(row, 'cpu'),
      figure(middle(row, 'loss')),
      row.note,
    ]),
  )
}
