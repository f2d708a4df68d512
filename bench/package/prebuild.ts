// The addon of the package beside the one that was built here: what its other compiler, C library and codecs cost.
//
//   node dist/work/bench/package/prebuild.js [--trials N] [--only MEASURE] [--size BYTES] [--markdown]
//
// Needs the result of `npm run release`. Every figure is the median of processes that take turns.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { drained } from '../capture/drained.js'
import type { BatchesTrial } from '../record/batches.trial.js'
import { flooded } from '../record/flooded.js'
import type { RecordTrial } from '../record/record.trial.js'
import { type Made, make, packetsIn, warm } from '../savefile/files.js'
import type { Reading, ReadTrial } from '../savefile/read.trial.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import { buildSender } from '../support/tools.js'
import { median, runTrial } from '../support/trial.js'

/** Where `npm run release` leaves the package as users get it. */
const released = fileURLToPath(new URL('../../../../build/package/unpacked', import.meta.url))
const { RINGTAP_PREBUILD: _, ...inherited } = process.env
/** A process in the environment of a build uses its addon. */
const builds = {
  local: { ...inherited },
  prebuilt: { ...inherited, RINGTAP_PREBUILD: released },
}
type Build = keyof typeof builds

/** One figure of an addon, in one process. */
interface Measure {
  name: string
  unit: string
  trial(build: Build): Promise<number>
}

/** The file of the addon that a build's processes load. */
function addonOf(build: Build): string {
  const script = `
    const { listInterfaces } = require('ringtap')
    listInterfaces()
    console.log(/\\/.*\\.node$/m.exec(require('node:fs').readFileSync('/proc/self/maps', 'utf8'))[0])`
  const output = execFileSync(process.execPath, ['-e', script], { env: builds[build], encoding: 'utf8' })
  return output.trim()
}

const trialModule = (name: string) => new URL(`../${name}.trial.js`, import.meta.url)

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
if (!existsSync(join(released, 'prebuilds'))) throw new Error('there is no package to measure: npm run release')
const addons = { local: addonOf('local'), prebuilt: addonOf('prebuilt') }
if (!addons.prebuilt.startsWith(released) || addons.local.startsWith(released))
  throw new Error(`these are not the addons to compare: ${addons.local}, ${addons.prebuilt}`)

const wire = await addWire()
const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
const recorded = join(folder, 'recorded')
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function drain(name: string, visit: 'lengths' | 'fields'): Measure {
  return {
    name,
    unit: 'ns/packet, processor',
    trial: async (build) => (await drained({ spec: { who: 'ringtap', visit } }, wire, builds[build])).cpu,
  }
}

/** Reads a file; `made` is called when it is needed first. */
function read(name: string, made: () => Made): Measure {
  let file: Made | undefined
  return {
    name,
    unit: 'ns/packet',
    async trial(build) {
      file ??= made()
      warm(file.path)
      const argument: ReadTrial = { reader: 'forEach', file: file.path }
      const result = await runTrial<Reading>(trialModule('savefile/read'), argument, [], builds[build])
      if (result.packets !== file.packets || result.bytes !== file.bytes)
        throw new Error(`it read ${result.packets} packets of ${file.packets}`)
      return (result.seconds / result.packets) * 1e9
    },
  }
}

const plain = (name: string, form: Parameters<typeof make>[1]) => () => make(join(folder, name), form)

/** The same, compressed by the program zstd. */
function zstd(): Made {
  const { path, ...counts } = make(join(folder, 'to-compress'), { pcapng: false, length: 576 })
  execFileSync('zstd', ['-1', '-q', '--rm', path, '-o', `${path}.zst`])
  return { path: `${path}.zst`, ...counts }
}

/** Frames that a program takes without loss, for long enough to measure its processor time, which is counted in ticks. */
type Frames = Parameters<typeof flooded>[2]

/** Processor time per frame of a program that takes frames from the interface. */
function flood(name: string, frames: Frames, module: string, argument: object): Measure {
  return {
    name,
    unit: 'µs/packet, processor',
    async trial(build) {
      const args = [fileURLToPath(trialModule(module)), JSON.stringify(argument)]
      const program = { command: process.execPath, args, ready: 'ready', environment: builds[build] }
      const { arrived, cpu, said } = await flooded(program, wire, frames)
      const taken = existsSync(recorded) ? packetsIn(recorded) : Number(/(\d+) packets captured/.exec(said)?.[1])
      rmSync(recorded, { force: true })
      if (taken !== arrived) throw new Error(`it took ${taken} packets of ${arrived}`)
      return (cpu / arrived) * 1e6
    },
  }
}

const record = (name: string, frames: Frames) => {
  const argument: RecordTrial = { interface: wire.near, path: recorded, memory: 'default' }
  return flood(name, frames, 'record/record', argument)
}
const batches = (name: string, compress: BatchesTrial['compress']) => {
  const argument: BatchesTrial = { interface: wire.near, compress }
  return flood(name, { size: 576, count: 1_000_000, rate: 500_000 }, 'record/batches', argument)
}

const measures: Measure[] = [
  drain('drain, forEach', 'lengths'),
  drain('drain, for…of', 'fields'),
  read('read pcap, 64 bytes', plain('64.pcap', { pcapng: false, length: 64 })),
  read('read pcap, 1400 bytes', plain('1400.pcap', { pcapng: false, length: 1400 })),
  read('read pcapng, 64 bytes', plain('64.pcapng', { pcapng: true, length: 64 })),
  read('read pcap.zst, 576 bytes', zstd),
  record('record, 64 bytes', { size: 64, count: 4_000_000, rate: 1e6 }),
  record('record, 1400 bytes', { size: 1400, count: 1_000_000, rate: 300_000 }),
  batches('batches, zstd, 576 bytes', 'zstd'),
  batches('batches, gzip, 576 bytes', 'gzip'),
]

const contestants: { build: Build; missing?: undefined }[] = [{ build: 'local' }, { build: 'prebuilt' }]
const spread = (samples: readonly number[]) =>
  `${figure(median(samples))} (${figure(Math.min(...samples))} to ${figure(Math.max(...samples))})`
const rows: string[][] = []
for (const { name, unit, trial } of measures.filter((one) => one.name.includes(options.only))) {
  const results = await takeTurns(contestants, ({ build }) => trial(build))
  const samplesOf = (wanted: Build) => results.find(({ build }) => build === wanted)?.samples ?? []
  const ratio = median(samplesOf('prebuilt')) / median(samplesOf('local'))
  const note = results.map((one) => one.note).find(Boolean) ?? ''
  rows.push([name, unit, spread(samplesOf('local')), spread(samplesOf('prebuilt')), figure(ratio), note])
}
printTable(
  `The package's addon beside the one built here: median (least to largest) of ${options.trials} processes each`,
  ['measure', 'unit', 'built here', 'prebuilt', 'prebuilt ÷ built here', ''],
  rows,
)
