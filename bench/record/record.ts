// Recording to a file at rates from 0.25 million packets a second to the highest one of this machine, compared with
// tcpdump and dumpcap: the highest rate without loss; beyond it the share that was written; processor time.
//
//   node dist/work/bench/record/record.js [--trials N] [--only RECORDER] [--frame BYTES] [--markdown]
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { packetsIn } from '../savefile/files.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire, senderProcessor } from '../support/stage.js'
import {
  field,
  losslessRate,
  middle,
  ratesOf,
  reaches,
  type Sample,
  type Step,
  spread,
  stepOf,
} from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { buildSender } from '../support/tools.js'
import { flooded } from './flooded.js'
import { type Recorder, recorders } from './recorders.js'

/** Frame sizes, and the most frames of a trial: those of 1400 bytes are limited by what the page cache takes. */
const sizes = [
  { size: 64, maxPackets: 5_000_000 },
  { size: 576, maxPackets: 2_000_000 },
  { size: 1400, maxPackets: 1_000_000 },
].filter(({ size }) => options.frame === 0 || size === options.frame)
/** Millions of frames a second; 0: as many as possible. A rate that the machine does not reach is left out. */
const rates = ratesOf([0.25, 0.5, 1, 2, 3, 4, 0])
/** Seconds of traffic in a trial, unless that is more than `maxPackets` frames. */
const seconds = 1.5
/** The most bytes that a file has per packet, besides those captured. */
const fileOverhead = 48

interface RecordSample extends Sample {
  /** Size of the file in bytes. */
  bytes: number
}

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const wire = await addWire()
const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'file.pcapng')

/**
 * Fills this much of the page cache and empties it again, so that the file finds memory that this machine has already:
 * in a virtual machine the first use of a page takes its host many times as long as the copy into it.
 */
function supplyPages(bytes: number): void {
  closeSync(writePlainly(bytes))
  rmSync(path)
}

async function trial(recorder: Recorder, count: number, size: number, rate: number): Promise<RecordSample> {
  supplyPages(count * (size + fileOverhead))
  try {
    const { arrived, cpu, ...flood } = await flooded(recorder, wire, { count, size, rate })
    const packets = packetsIn(path)
    if (!(packets <= arrived)) throw new Error(`${packets} packets in the file, of ${arrived} that arrived`)
    return {
      lost: arrived - packets,
      loss: (1 - packets / arrived) * 100,
      cpu: (cpu / packets) * 1e6,
      bytes: statSync(path).size,
      rate: flood.rate,
    }
  } finally {
    rmSync(path, { force: true })
  }
}

/** Writes a file of this many bytes, in pieces of 1 MiB; returns its descriptor. */
function writePlainly(bytes: number): number {
  const piece = Buffer.alloc(2 ** 20, 0xa5)
  const file = openSync(path, 'wx')
  for (let written = 0; written < bytes; ) written += writeSync(file, piece)
  return file
}

/**
 * Rates of a plain sequential write of this many bytes, in MB/s: into the page cache, and including the sync to disk.
 */
function diskRate(bytes: number): { cache: number; disk: number } {
  supplyPages(bytes)
  const began = performance.now()
  const file = writePlainly(bytes)
  const cached = performance.now()
  fdatasyncSync(file)
  const down = performance.now()
  closeSync(file)
  rmSync(path)
  return { cache: bytes / (cached - began) / 1000, disk: bytes / (down - began) / 1000 }
}

async function sweep(size: number, maxPackets: number): Promise<Step<Recorder, RecordSample>[]> {
  const steps: Step<Recorder, RecordSample>[] = []
  for (const wanted of rates) {
    const count = wanted === 0 ? maxPackets : Math.min(maxPackets, wanted * 1e6 * seconds)
    const probe = await wire.flood(Math.min(count, 500_000), size, wanted * 1e6)
    if (!reaches(probe.packetsPerSecond, wanted)) continue
    const rows = await takeTurns(recorders(wire.near, path), (one) => trial(one, count, size, wanted * 1e6))
    const step = stepOf(count, rows)
    if (reaches(step.rate * 1e6, wanted)) steps.push(step)
  }
  return steps
}

for (const { size, maxPackets } of sizes) {
  const steps = await sweep(size, maxPackets)
  const highest = Math.max(...steps.map(({ rate }) => rate))
  const names = steps[0]?.rows ?? []
  printTable(
    `Record: frames of ${size} bytes, received on processor ${senderProcessor}, ${options.trials} trials per rate; the ` +
      `machine's highest rate is ${figure(highest)} million a second`,
    ['recorder', 'without loss up to, million/s', ''],
    names.map(({ name, note }) => [name, figure(losslessRate(steps, name)), note]),
  )
  for (const { rate, count, rows } of steps) {
    printTable(
      `${figure(rate)} million frames of ${size} bytes a second, ${count} frames: median (least to largest)`,
      ['recorder', 'lost packets', 'lost %', 'CPU µs/packet', 'MB written', ''],
      rows.map((row) => [
        row.name,
        spread(row, 'lost'),
        figure(middle(row, 'loss')),
        spread(row, 'cpu'),
        figure(middle(row, 'bytes') / 1e6),
        row.note,
      ]),
    )
  }
  const bytes = Math.max(...steps.flatMap(({ rows }) => rows.flatMap((row) => field(row, 'bytes'))))
  const { cache, disk } = diskRate(bytes)
  console.log(
    `\nA plain sequential write of ${figure(bytes / 1e6)} MB: ${figure(cache)} MB/s into the page cache, ` +
      `${figure(disk)} MB/s with the disk waited for.`,
  )
}
