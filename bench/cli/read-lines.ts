// Printing a savefile as lines, into /dev/null, compared with tcpdump.
//
//   node dist/work/bench/cli/read-lines.js [--trials N] [--size BYTES] [--frame BYTES] [--markdown] [--only TEXT]
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import { builtTool, missingProgram } from '../support/tools.js'
import { median } from '../support/trial.js'
import { ringtapCommand } from './command.js'
import { makeFile } from './traffic.js'

const run = promisify(execFile)

interface Printer {
  name: string
  /** The program and its arguments ahead of the file. */
  command: string[]
  environment?: Record<string, string>
  missing?: string | undefined
}

interface Sample {
  seconds: number
  cpu: number
  memory: number
}

const printers: Printer[] = [
  { name: 'ringtap read FILE', command: [...ringtapCommand, 'read'] },
  { name: 'tcpdump -n -r FILE', command: ['tcpdump', '-n', '-r'], missing: missingProgram('tcpdump') },
  {
    name: 'tcpdump -n -S -r FILE, TZ=UTC',
    command: ['tcpdump', '-n', '-S', '-r'],
    environment: { TZ: 'UTC' },
    missing: missingProgram('tcpdump'),
  },
].filter(({ name }) => name.includes(options.only))

const kinds = [
  { name: 'packets of 64 bytes', sizes: [64] },
  { name: 'packets of 64 to 1400 bytes', sizes: [64, 64, 64, 64, 128, 576, 1400, 1400] },
  { name: 'packets of 1400 bytes', sizes: [1400] },
].filter(({ sizes }) => options.frame === 0 || (sizes.length === 1 && sizes[0] === options.frame))

/** A hash of the first lines that a command prints. */
function linesOf(command: string[], path: string): string {
  const [program = '', ...args] = [...command, path]
  const { stdout, status } = spawnSync(program, [...args, '-c', '100000'], { maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`${program} ended with ${status}`)
  return createHash('sha256').update(stdout).digest('hex')
}

async function trial({ command, environment }: Printer, path: string): Promise<Sample> {
  const { stdout } = await run(builtTool('read_loop'), ['run', ...command, path], {
    env: { ...process.env, ...environment },
  })
  return JSON.parse(stdout) as Sample
}

const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
const path = join(folder, 'file.pcap')
try {
  for (const { name, sizes } of kinds) {
    const file = await makeFile(path, sizes, options.size)
    if (
      !missingProgram('tcpdump') &&
      linesOf([...ringtapCommand, 'read'], path) !== linesOf(['tcpdump', '-n', '-S', '-r'], path)
    )
      throw new Error('the lines differ from those of tcpdump -n -S')
    const rows = await takeTurns(printers, (printer) => trial(printer, path))
    printTable(
      `Print a file of ${figure(file.bytes / 1e6)} MB, ${name}, ${file.packets} of them, into /dev/null: median of ` +
        `${options.trials} processes (least to largest)`,
      ['command', 'seconds', 'CPU µs/packet', 'million lines/s', 'peak MB', ''],
      rows.map((row) => {
        const { samples } = row
        const cpu = samples.map((sample) => (sample.cpu / file.packets) * 1e6)
        return [
          row.name,
          spread(row, 'seconds'),
          figure(median(cpu)),
          figure(file.packets / median(samples.map(({ seconds }) => seconds)) / 1e6),
          figure(median(samples.map(({ memory }) => memory)) / 1e6),
          row.note,
        ]
      }),
    )
    rmSync(path)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
