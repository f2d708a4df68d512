// Packets forwarded to a collector: the sensor of examples/sensor beside tcpdump piped through zstd into curl, over TLS to a
// program on the same machine that stores what it receives. Processor time per packet of the sensor, and of the pipeline's
// three programs; that of the receivers is not counted. Bytes on the wire are those that loopback carried, both directions.
//
//   node dist/work/bench/sensor/forward.js [--trials N] [--only NAME] [--rate MILLIONS,…] [--markdown]
//
// Needs examples/sensor to be built (`npm --prefix examples/sensor run build`).
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { waitUntil } from '../../test/live/support/wait.js'
import { type Contestant, flooded } from '../record/flooded.js'
import { settings } from '../support/consumer.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire } from '../support/stage.js'
import { middle, ratesOf, type Sample, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { buildSender, missingProgram } from '../support/tools.js'

const application = fileURLToPath(new URL('../../../../examples/sensor/', import.meta.url))
const collectorScript = path.join(application, 'dist/src/collector/main.js')
const sensorScript = path.join(application, 'dist/src/sensor/main.js')
/** Seconds of traffic at a rate; at the highest rate, frames. */
const [duration, maxPackets] = [5, 2_000_000]
/**
 * Frames before the measurement: enough batches for V8 to compile what each of them runs, the HTTP client's parser in
 * WebAssembly included, which alone takes as long as a million packets.
 */
const warmUp = 3_000_000
const collectorPort = 8443

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const directory = mkdtempSync(path.join(tmpdir(), 'ringtap-bench-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const secret = (name: string) => path.join(directory, 'secrets', name)
const made = spawnSync(path.join(application, 'deploy/make-secrets'), [
  path.join(directory, 'secrets'),
  'localhost',
  '127.0.0.1',
])
if (made.status !== 0) throw new Error(`make-secrets: ${made.error?.message ?? made.stderr}`)
const wire = await addWire()

interface Forwarder extends Contestant {
  /** Packets that it captured, from its standard error. */
  captured: RegExp
}

const sensor = (compress: 'zstd' | 'gzip'): Forwarder => {
  const environment = {
    VSENSOR_HOSTNAME: '127.0.0.1',
    VSENSOR_PORT: String(collectorPort),
    VSENSOR_HMAC_KEY_FILE: secret('hmac-key'),
    SENSOR_TLS_CA: secret('ca.crt'),
    SENSOR_NAME: 'bench',
    SENSOR_COMPRESS: compress,
    SENSOR_MEMORY: '256M',
    IFACE: wire.near,
    OSSENSOR_DEBUG: '0',
  }
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return {
    name: `sensor, ${compress}`,
    command: 'env',
    args: [...words, 'sh', '-c', 'exec "$0" "$1" >&2', process.execPath, sensorScript],
    ready: '"capturing"',
    captured: /"final":true.*"stored":(\d+)/,
    missing: existsSync(sensorScript) ? undefined : 'examples/sensor is not built',
  }
}

const sink = await startSink()
const tcpdump = `tcpdump -n -Z root -i ${wire.near} -s ${settings.snapshotLength} -B ${settings.memory / 1024} -w -`
const nameOf = (level: string) => `tcpdump -w - | zstd ${level} | curl -T -`
const piped = (level: string): Forwarder => ({
  name: nameOf(level),
  command: 'sh',
  args: ['-c', `${tcpdump} | zstd ${level} | curl -sS --cacert ${secret('ca.crt')} -T - https://127.0.0.1:${sink}/`],
  ready: 'listening on',
  captured: /(\d+) packets captured/,
  missing: missingProgram('tcpdump') ?? missingProgram('zstd') ?? missingProgram('curl'),
})
const forwarders = [sensor('zstd'), sensor('gzip'), piped('-1'), piped('--fast=1')].filter(({ name }) =>
  name.includes(options.only),
)

/** Stores whatever is sent to it, as the collector does: acknowledged once it is on the disk. */
async function startSink(): Promise<number> {
  const tls = { cert: readFileSync(secret('tls.crt')), key: readFileSync(secret('tls.key')) }
  const server = createServer(tls, async (request, response) => {
    await pipeline(request, createWriteStream(path.join(directory, 'sink'), { flush: true }))
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return (server.address() as AddressInfo).port
}

async function startCollector() {
  const child = spawn(process.execPath, [collectorScript], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      COLLECTOR_LISTEN: '127.0.0.1',
      COLLECTOR_PORT: String(collectorPort),
      COLLECTOR_STORE: path.join(directory, 'store'),
      COLLECTOR_KEYS: secret('collector-keys'),
      COLLECTOR_TLS_CERT: secret('tls.crt'),
      COLLECTOR_TLS_KEY: secret('tls.key'),
    },
  })
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  await waitUntil(() => said.includes('listens on') || child.exitCode !== null, 'the collector to listen')
  return async () => {
    child.kill()
    await once(child, 'close')
  }
}

/** Bytes that loopback has carried: each is sent once and received once. */
function carried(): number {
  const line = readFileSync('/proc/net/dev', 'latin1')
    .split('\n')
    .find((one) => /^ *lo:/.test(one))
  return Number(line?.trim().split(/[:\s]+/)[1])
}

interface Mix {
  name: string
  /** Bytes of a frame, and its share of the frames. */
  sizes: readonly (readonly [size: number, share: number])[]
}

const mixes: Mix[] = [
  { name: '64 bytes', sizes: [[64, 1]] },
  {
    name: '64, 576 and 1500 bytes, 7 : 4 : 1',
    sizes: [
      [64, 7 / 12],
      [576, 4 / 12],
      [1500, 1 / 12],
    ],
  },
]

interface Forwarded extends Sample {
  /** Bytes on the wire per byte of the packets that were forwarded. */
  ratio: number
}

async function trial(forwarder: Forwarder, { sizes }: Mix, rate: number): Promise<Forwarded> {
  const count = rate > 0 ? rate * duration : maxPackets
  const all = { bytes: 0, frames: 0 }
  const mixed = {
    async flood(frames: number, _: number, rate = 0) {
      let [arrived, seconds] = [0, 0]
      for (const [size, share] of sizes) {
        const part = await wire.flood(Math.round(frames * share), size, rate)
        arrived += part.arrived
        seconds += part.seconds
        all.bytes += part.arrived * size
      }
      all.frames += arrived
      return { arrived, sent: arrived, seconds, packetsPerSecond: arrived / seconds, refused: 0, dropped: 0 }
    },
  }
  const before = carried()
  const { arrived, cpu, said, rate: reached } = await flooded(forwarder, mixed, { count, size: 0, rate, warmUp })
  const onWire = carried() - before
  const packets = Number(forwarder.captured.exec(said)?.[1])
  const lost = all.frames - packets
  if (!(packets > 0 && lost >= 0 && lost < arrived)) {
    throw new Error(`${packets} packets of ${all.frames}: ${said.trim().slice(-500)}`)
  }
  return {
    lost,
    loss: (lost / arrived) * 100,
    cpu: (cpu / (arrived - lost)) * 1e6,
    rate: reached,
    ratio: onWire / (all.bytes * (packets / all.frames)),
  }
}

const stop = await startCollector()
for (const mix of mixes) {
  for (const wanted of ratesOf([0.1, 0.4, 0])) {
    const rows = await takeTurns(forwarders, (one) => trial(one, mix, wanted * 1e6))
    const some = rows.filter((row) => row.samples.length > 0)
    const rate = Math.max(...some.map((row) => middle(row, 'rate'))) / 1e6
    const ofPipeline = some.find(({ name }) => name === nameOf('-1'))
    const compared = (row: (typeof rows)[number]) =>
      ofPipeline && some.includes(row) ? figure(middle(ofPipeline, 'cpu') / middle(row, 'cpu')) : '-'
    printTable(
      `Forwarded: frames of ${mix.name}, ${figure(rate)} million a second, ${options.trials} trials: median ` +
        '(least to largest)',
      [
        'forwarder',
        'CPU µs/packet',
        'packets per CPU second',
        '× pipeline',
        'lost %',
        'bytes on the wire per byte',
        '',
      ],
      rows.map((row) => [
        row.name,
        spread(row, 'cpu'),
        row.samples.length > 0 ? figure(1e6 / middle(row, 'cpu')) : '-',
        compared(row),
        figure(middle(row, 'loss')),
        row.samples.length > 0 ? figure(middle(row, 'ratio')) : '-',
        row.note,
      ]),
    )
  }
}
await stop()
