// Reading savefiles, compared with C loops on libpcap, tcpdump, capinfos, and packages from npm.
//
//   node dist/work/bench/savefile/read.js [--trials N] [--size BYTES] [--markdown] [--only TEXT]
//
// Every figure is the median of at least three trials, each in its own process; the readers of a file take turns.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { options } from '../support/options.js'
import { loadPeer } from '../support/peers.js'
import { takeTurns } from '../support/rounds.js'
import { figure, printTable } from '../support/table.js'
import { builtTool } from '../support/tools.js'
import { median, runTrial } from '../support/trial.js'
import { type Made, make, warm } from './files.js'
import type { Reading, ReadTrial } from './read.trial.js'

const run = promisify(execFile)

type Reader = { name: string; missing?: string | undefined; trial: (file: Made) => Promise<Reading> }

const tool = async (args: string[]): Promise<Reading> => {
  const { stdout } = await run(builtTool('read_loop'), args)
  return JSON.parse(stdout) as Reading
}
const program = (name: string, command: string[]): Reader => ({
  name,
  trial: async ({ path, packets, bytes }) => ({
    ...(await tool(['run', ...command.map((word) => (word === 'FILE' ? path : word))])),
    packets,
    bytes,
  }),
})
const script = (name: string, reader: ReadTrial['reader'], missing?: string): Reader => ({
  name,
  missing,
  trial: ({ path }) => runTrial<Reading>(new URL('./read.trial.js', import.meta.url), { reader, file: path }),
})
const peer = (name: 'pcap' | 'pcap-parser' | 'pcap-ng-parser'): Reader => {
  const { version, missing } = loadPeer(name)
  return script(`${name} ${version}`, name, missing)
}

function readers(pcapng: boolean): Reader[] {
  const all = [
    { name: 'C loop, pcap_next_ex', trial: ({ path }: Made) => tool(['next', path]) },
    { name: 'C loop, pcap_dispatch', trial: ({ path }: Made) => tool(['dispatch', path]) },
    script('ringtap forEach', 'forEach'),
    script('ringtap for…of, byte + time + interface', 'for…of'),
    program('tcpdump -r FILE -w /dev/null', ['tcpdump', '-r', 'FILE', '-w', '/dev/null']),
    program('capinfos -c -d FILE', ['capinfos', '-c', '-d', 'FILE']),
    peer('pcap'),
    peer(pcapng ? 'pcap-ng-parser' : 'pcap-parser'),
  ]
  return all.filter(({ name }) => name.includes(options.only))
}

const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
try {
  for (const [what, pcapng, length] of [
    ['pcap, packets of 64 bytes', false, 64],
    ['pcap, packets of 1400 bytes', false, 1400],
    ['pcapng, packets of 64 bytes', true, 64],
  ] as const) {
    const file = make(join(folder, 'file'), { pcapng, length })
    warm(file.path)
    const results = await takeTurns(readers(pcapng), async ({ trial }) => {
      const reading = await trial(file)
      if (reading.packets !== file.packets || reading.bytes !== file.bytes) {
        throw new Error(
          `it read ${reading.packets} packets of ${file.packets}, ${reading.bytes} bytes of ${file.bytes}`,
        )
      }
      return reading
    })
    const rate = (name: string) => {
      const row = results.find((row) => row.name.startsWith(name))
      return median((row?.samples ?? []).map(({ packets, seconds }) => packets / seconds))
    }
    const yardstick = Math.max(rate('C loop, pcap_next_ex'), rate('C loop, pcap_dispatch'))
    printTable(
      `Read ${what}, ${file.packets} of them; median of ${options.trials} processes`,
      ['reader', 'million packets/s', '× faster C loop', 'peak MB', ''],
      results.map(({ name, samples, note }) => [
        name,
        figure(rate(name) / 1e6),
        figure(rate(name) / yardstick),
        figure(median(samples.map(({ memory }) => memory)) / 1e6),
        note,
      ]),
    )
    rmSync(file.path)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
