// Printing live traffic into a pipe, a line per packet, compared with tcpdump: what is lost, and processor time.
//
//   node dist/work/bench/cli/live-lines.js [--trials N] [--rate MILLIONS,…] [--markdown] [--only TEXT]
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { waitUntil, waitUntilStable } from '../../test/live/support/wait.js'
import { settings } from '../support/consumer.js'
import { options } from '../support/options.js'
import { processorTime } from '../support/processor-time.js'
import { takeTurns } from '../support/rounds.js'
import { addWire } from '../support/stage.js'
import { middle, ratesOf, type Sample, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { buildSender, missingProgram } from '../support/tools.js'
import { ringtapCommand } from './command.js'

const seconds = 5

interface Printer {
  name: string
  command: readonly string[]
  /** Lines that it prints besides those of packets. */
  others?: number
  missing?: string | undefined
}

interface LineSample extends Sample {
  /** Seconds of processor time of the whole process, from its start. */
  whole: number
}

if (!isInside()) buildSender()
await inNamespace(import.meta.url)
const wire = await addWire()
const buffer = ['-B', String(settings.memory / 1024)]
const missing = missingProgram('tcpdump')
// tcpdump ends with an empty line when it is interrupted.
const printers: Printer[] = [
  { name: 'ringtap', command: [...ringtapCommand, '-i', wire.near, ...buffer] },
  { name: 'tcpdump -n -l', command: ['tcpdump', '-n', '-l', '-i', wire.near, ...buffer], others: 1, missing },
  { name: 'tcpdump -n', command: ['tcpdump', '-n', '-i', wire.near, ...buffer], others: 1, missing },
].filter(({ name }) => name.includes(options.only))

const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const pipe = join(folder, 'pipe')
spawnSync('mkfifo', [pipe])

/** Starts the program with standard output into the pipe (Node's own are sockets), and `wc` at the other end. */
async function start(command: readonly string[]): Promise<{ child: ChildProcess; lines: Promise<number> }> {
  const reader = spawn('sh', ['-c', 'exec wc -l <"$0"', pipe], { stdio: ['ignore', 'pipe', 'inherit'] })
  const child = spawn('sh', ['-c', 'exec "$@" >"$0"', pipe, ...command], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr?.on('data', (piece) => (said += piece))
  await waitUntil(
    () => said.includes('listening on'),
    `${command[0]} to listen`,
    20_000,
    () => said,
  )
  return { child, lines: text(reader.stdout).then(Number) }
}

async function trial({ command, name, others = 0 }: Printer, rate: number): Promise<LineSample> {
  const { child, lines } = await start(command)
  try {
    const pid = child.pid as number
    const { arrived, packetsPerSecond, sent } = await wire.flood(rate * seconds, 64, rate)
    await waitUntilStable(() => processorTime(pid), `${name} to come to rest`, 1500, 60_000)
    const whole = processorTime(pid)
    child.kill('SIGINT')
    await once(child, 'close')
    const printed = (await lines) - others
    const lost = arrived - printed
    if (lost < 0) throw new Error(`${printed} lines of ${arrived} packets`)
    const loss = (lost / arrived) * 100
    return { lost, loss, whole, cpu: (whole / printed) * 1e6, rate: (packetsPerSecond * arrived) / sent }
  } finally {
    child.kill('SIGKILL')
  }
}

for (const rate of ratesOf([0.2])) {
  const rows = await takeTurns(printers, (printer) => trial(printer, rate * 1e6))
  printTable(
    `Live into a pipe: ${figure(rate * 1e6)} packets of 64 bytes a second for ${seconds} s, ${options.trials} trials: ` +
      'median (least to largest)',
    ['command', 'million packets/s', 'packets not printed', 'CPU s, whole process', 'CPU µs/packet', ''],
    rows.map((row) => [
      row.name,
      figure(middle(row, 'rate') / 1e6),
      spread(row, 'lost'),
      spread(row, 'whole'),
      figure(middle(row, 'cpu')),
      row.note,
    ]),
  )
}
