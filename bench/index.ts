// npm run bench [-- [drain|load|visit|read|record|hexdump|dissect|open|addresses]…
//                  [--trials N] [--size BYTES] [--seconds N] [--markdown]]
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
  hexdump: ['packets/hexdump'],
  dissect: ['dissect/dissect', 'dissect/flows', 'dissect/live'],
  open: ['capture/open'],
  addresses: ['filter/addresses'],
}
type Part = keyof typeof scripts
const parts = Object.keys(scripts) as Part[]
const unknown = options.parts.filter((part) => !Object.hasOwn(scripts, part))
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. The parts are: ${parts.join(', ')}.`)
  process.exit(2)
}
console.log(`Machine: ${machine()}`)
const flags = process.argv.slice(2).filter((argument) => !Object.hasOwn(scripts, argument))
for (const part of options.parts.length > 0 ? (options.parts as Part[]) : parts) {
  for (const name of scripts[part]) {
    const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
    const { status, signal } = spawnSync(process.execPath, [script, ...flags], { stdio: 'inherit' })
    if (status === 0) continue
    console.log(`\n${part} FAILED: ${signal ?? `exit code ${status}`}`)
    process.exitCode = 1
  }
}
