// Recording to a file at the highest rate at which this machine can make an interface receive, compared with tcpdump
// and dumpcap with the same buffer size: loss, processor time, bytes written, and the disk's write rate.
//
//   node dist/work/bench/record/record.js [--trials N] [--markdown]
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { waitUntil, waitUntilStable } from '../../test/live/support/wait.js'
import { settings } from '../support/consumer.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import { buildSender } from '../support/tools.js'
import { median } from '../support/trial.js'

const loads = [
  { size: 64, count: 5_000_000 },
  { size: 1400, count: 1_000_000 },
]

interface Sample {
  /** Percentage of the packets received by the interface that are missing from the file. */
  loss: number
  /** Microseconds of processor time per packet in the file. */
  cpu: number
  /** Size of the file in bytes. */
  bytes: number
  /** Packets received by the interface per second. */
  rate: number
}

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const wire = await addWire()
const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'file.pcapng')

/** A recording program, and the text on its standard error that reports the start of the recording. */
interface Contestant {
  name: string
  command: string
  args: string[]
  ready: string
  missing?: string | undefined
}

const mebibytes = settings.memory / 2 ** 20
const snap = String(settings.snapshotLength)
const contestants: Contestant[] = [
  {
    name: 'ringtap capture.record',
    command: process.execPath,
    args: [fileURLToPath(new URL('record.trial.js', import.meta.url)), JSON.stringify({ interface: wire.near, path })],
    ready: 'ready',
  },
  {
    name: versionOf('tcpdump'),
    command: 'tcpdump',
    args: ['-n', '-Z', 'root', '-i', wire.near, '-s', snap, '-B', String(mebibytes * 1024), '-w', path],
    ready: 'listening on',
    missing: missing('tcpdump'),
  },
  {
    name: versionOf('dumpcap'),
    command: 'dumpcap',
    args: ['-q', '-i', wire.near, '-s', snap, '-B', String(mebibytes), '-w', path],
    ready: 'File:',
    missing: missing('dumpcap'),
  },
].map((one) => ({ ...one, missing: one.missing ?? missing('capinfos') }))

function versionOf(program: string): string {
  const { stdout = '', stderr = '' } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return `${program} ${/\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? ''}`
}

function missing(program: string): string | undefined {
  return spawnSync(program, ['--version']).error ? `${program} is not installed` : undefined
}

/** Seconds of processor time of all threads of a process. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** The number of packets in a file, counted by capinfos (of the same project as dumpcap) for every contestant. */
function packetsIn(file: string): number {
  const { stdout } = spawnSync('capinfos', ['-c', '-M', file], { encoding: 'utf8' })
  return Number(/Number of packets: +(\d+)/.exec(stdout)?.[1] ?? Number.NaN)
}

async function trial({ command, args, ready }: Contestant, { size, count }: (typeof loads)[number]): Promise<Sample> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'close')
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  try {
    await waitUntil(
      () => said.includes(ready) || child.exitCode !== null,
      `${command} to record`,
      20_000,
      () => said,
    )
    const pid = child.pid as number
    const before = processorTime(pid)
    const { arrived, packetsPerSecond, sent } = await wire.flood(count, size)
    // Waits until the buffered packets are written.
    await waitUntilStable(() => processorTime(pid), `${command} to come to rest`, 500, 60_000)
    const cpu = processorTime(pid) - before
    child.kill('SIGINT')
    await ended
    const packets = packetsIn(path)
    if (!(packets <= arrived)) throw new Error(`${packets} packets in the file, of ${arrived} that arrived`)
    return {
      loss: (1 - packets / arrived) * 100,
      cpu: (cpu / packets) * 1e6,
      bytes: statSync(path).size,
      rate: (packetsPerSecond * arrived) / sent,
    }
  } finally {
    child.kill('SIGKILL')
    rmSync(path, { force: true })
  }
}

/**
 * Rates of a plain sequential write of this many bytes, in MB/s: into the page cache, and including the sync to disk.
 */
function diskRate(bytes: number): { cache: number; disk: number } {
  const piece = Buffer.alloc(2 ** 20, 0xa5)
  const file = openSync(path, 'wx')
  const began = performance.now()
  let written = 0
  while (written < bytes) written += writeSync(file, piece)
  const cached = performance.now()
  fdatasyncSync(file)
  const down = performance.now()
  closeSync(file)
  rmSync(path)
  return { cache: written / (cached - began) / 1000, disk: written / (down - began) / 1000 }
}

for (const load of loads) {
  const everybody = await takeTurns(contestants, (contestant) => trial(contestant, load))
  const middle = ({ samples }: { samples: Sample[] }, of: keyof Sample) => median(samples.map((sample) => sample[of]))
  const rate = median(everybody.map((row) => middle(row, 'rate')).filter(Number.isFinite))
  const most = Math.max(...everybody.flatMap(({ samples }) => samples.map(({ bytes }) => bytes)))
  const { cache, disk } = diskRate(most)
  // Growth of the file per packet if none were lost, bytes.
  const perPacket = Math.max(
    ...everybody.map((row) => (middle(row, 'bytes') / load.count) * (100 / (100 - middle(row, 'loss')))),
  )
  printTable(
    `Record: ${load.count} frames of ${load.size} bytes at full rate, about ${figure(rate / 1e6)} million a second; ` +
      `median of ${options.trials} processes`,
    ['recorder', 'lost %', 'CPU µs/packet', 'MB written', ''],
    everybody.map((row) => [
      row.name,
      figure(Math.max(0, middle(row, 'loss'))),
      figure(middle(row, 'cpu')),
      figure(middle(row, 'bytes') / 1e6),
      row.note,
    ]),
  )
  console.log(
    `\nThe traffic makes up to ${figure((rate * perPacket) / 1e6)} MB/s of file. A plain sequential write of ` +
      `${figure(most / 1e6)} MB: ${figure(cache)} MB/s into the page cache, ${figure(disk)} MB/s with the disk waited for.`,
  )
}
