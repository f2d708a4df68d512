// npm run bench [-- [drain|load|visit|read|record|batches|flight|serve|owners|sensor|hexdump|dissect|command|open|placement
//                  |addresses|cutoff|prebuild]… [--trials N] [--size BYTES] [--seconds N] [--markdown]]
//
// Runs the parts one after another, each in its own process; bench/README.md describes the method.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { machine } from './support/machine.js'
import { options } from './support/options.js'

/** The scripts of each part, in the order of execution. */
const scripts = {
  drain: ['capture/drain'],
  load: ['capture/load'],
  visit: ['packets/visit'],
  read: ['savefile/read'],
  record: ['record/record'],
  batches: ['record/batches'],
  flight: ['record/flight', 'record/flight-held'],
  serve: ['record/serve'],
  owners: ['record/owners'],
  sensor: ['sensor/forward'],
  hexdump: ['packets/hexdump'],
  dissect: ['dissect/dissect', 'dissect/flows', 'dissect/live'],
  command: ['cli/read-lines', 'cli/live-lines'],
  open: ['capture/open'],
  placement: ['capture/placement'],
  addresses: ['filter/addresses'],
  cutoff: ['filter/cutoff'],
  prebuild: ['package/prebuild'],
}
type Part = keyof typeof scripts
const parts = Object.keys(scripts) as Part[]
const unknown = options.parts.filter((part) => !Object.hasOwn(scripts, part))
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. The parts are: ${parts.join(', ')}.`)
  process.exit(2)
}
console.log(`Machine: ${machine()}`)
/** Everything but the parts; what follows an option is its value, even if a part has the same name. */
const flags = process.argv
  .slice(2)
  .filter((argument, i, all) => !options.parts.includes(argument) || /^--(?!markdown$)[^=]+$/.test(all[i - 1] ?? ''))
/** `prebuild` needs a package, which `npm run release` makes. */
const usual = parts.filter((part) => part !== 'prebuild')
for (const part of options.parts.length > 0 ? (options.parts as Part[]) : usual) {
  for (const name of scripts[part]) {
    const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
    const { status, signal } = spawnSync(process.execPath, [script, ...flags], { stdio: 'inherit' })
    if (status === 0) continue
    console.log(`\n${part} FAILED: ${signal ?? `exit code ${status}`}`)
    process.exitCode = 1
  }
}
