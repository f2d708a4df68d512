// Compares hexdump() with the program hexdump(1) and the most used hex dumpers on npm.
//
//   node dist/work/bench/packets/hexdump.js [--trials N] [--markdown]
//
// Every figure is the median of at least three trials, each in its own process; the dumpers of a row take turns.
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hexdump } from 'ringtap'
import { options } from '../support/options.js'
import { loadPeer } from '../support/peers.js'
import { figure, printTable } from '../support/table.js'
import { median, runTrial } from '../support/trial.js'
import { dumper, type HexdumpTrial } from './hexdump.trial.js'

const { trials } = options
const peers = ['hexer', 'hexy'] as const
const size = 32 * 2 ** 20

/** The hex digits and text of a dump whose full lines are `offset: 0123 4567 89ab cdef 0123 4567 89ab cdef  text`. */
function columns(dump: string): [digits: string, text: string] {
  let digits = ''
  let shown = ''
  for (const line of dump.split('\n')) {
    const match = /^ *[0-9a-f]+: ((?:[0-9a-f]{4} ){8}) (.*)$/.exec(line)
    if (!match) continue
    digits += (match[1] ?? '').replaceAll(' ', '')
    // hexy prints DEL unescaped.
    shown += (match[2] ?? '').replaceAll('\x7f', '.')
  }
  return [digits, shown]
}

/** How a peer's dump differs from ours, or undefined. Compares whole lines only. */
function disagreement(name: (typeof peers)[number], sample: Buffer): string | undefined {
  const ours = hexdump(sample, { squeeze: false })
    .split('\n')
    .filter((line) => line.endsWith('|'))
  const [digits, shown] = columns(dumper(name)(sample))
  if (digits !== ours.map((line) => line.slice(10, 58).replaceAll(' ', '')).join('')) return 'other digits'
  if (shown !== ours.map((line) => line.slice(61, -1)).join('')) return 'other text'
  return undefined
}

async function rate(trial: HexdumpTrial): Promise<number | string> {
  try {
    return await runTrial<number>(new URL('./hexdump.trial.js', import.meta.url), trial)
  } catch (error) {
    return `FAILED: ${(error as Error).message}`
  }
}

const folder = mkdtempSync(join(tmpdir(), 'ringtap-bench-'))
try {
  const data = randomFillSync(Buffer.allocUnsafe(size))
  const file = join(folder, 'random')
  writeFileSync(file, data)
  const sample = data.subarray(0, 1 << 20)
  const notes = new Map<string, string>()

  try {
    const env = { ...process.env, LC_ALL: 'C' }
    const printed = execFileSync('hexdump', ['-C'], { input: sample, maxBuffer: 1 << 28, env })
    if (printed.toString('latin1') !== hexdump(sample)) notes.set('hexdump -C', 'DISAGREES with ringtap')
  } catch (error) {
    notes.set('hexdump -C', `MISSING: ${(error as Error).message}`)
  }
  const labels = new Map<string, string>()
  for (const name of peers) {
    const peer = loadPeer(name)
    labels.set(name, `${name} ${peer.version}`)
    const problem = peer.missing === undefined ? disagreement(name, sample) : undefined
    if (peer.missing !== undefined) notes.set(name, `MISSING: ${peer.missing}`)
    else if (problem !== undefined) notes.set(name, `DISAGREES with ringtap: ${problem}`)
  }

  const cases = [
    ['32 MiB at once, written to /dev/null', 0],
    ['packets of 1500 bytes, to strings', 1500],
    ['packets of 64 bytes, to strings', 64],
  ] as const
  const rows: string[][] = []
  for (const [what, packet] of cases) {
    const dumpers: HexdumpTrial['dumper'][] = ['ringtap', ...(packet === 0 ? (['hexdump -C'] as const) : []), ...peers]
    const samples = new Map(dumpers.map((name) => [name, [] as (number | string)[]]))
    for (let i = 0; i < trials; i++) {
      for (const name of dumpers) {
        const taken = samples.get(name) ?? []
        // Skips dumpers that are missing or have failed.
        if (notes.get(name)?.startsWith('MISSING') || typeof taken.at(-1) === 'string') continue
        taken.push(await rate({ dumper: name, file, packet }))
      }
    }
    const middle = (name: HexdumpTrial['dumper']) =>
      median((samples.get(name) ?? []).filter((sample) => typeof sample === 'number'))
    for (const name of dumpers) {
      const speed = middle(name)
      const failure = samples.get(name)?.find((sample) => typeof sample === 'string')
      rows.push([
        name === 'ringtap' ? what : '',
        labels.get(name) ?? name,
        figure(speed),
        packet === 0 ? '' : figure((packet * 1000) / speed),
        figure(middle('ringtap') / speed),
        String(failure ?? notes.get(name) ?? ''),
      ])
    }
  }
  printTable(
    `hexdump: median of ${trials} trials; random bytes; MB of data (10^6 bytes) per second`,
    ['what', 'dumper', 'MB/s', 'ns/call', 'ringtap is × as fast', ''],
    rows,
  )
  const agree = ['hexdump -C', ...peers].filter((name) => !notes.has(name))
  console.log('\nDumps of the same MiB agree with ringtap (hexdump -C byte for byte, the others in digits and text):')
  console.log(agree.join(', ') || 'NONE')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
