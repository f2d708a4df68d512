// `npm run tidy`: clang-tidy over the core, with the checks of .clang-tidy. It spends most of its time on the standard
// library's headers, so it checks units (native/units.mjs). A clean unit is checked again only after it, a header of the
// core or the checks change; build/tidy records the state.
//
//   node scripts/tidy.mjs [PART…]   only units with files whose paths contain one of the parts
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { root, treeFiles } from './tree-files.mjs'

const parts = process.argv.slice(2)
const { stdout: version } = spawnSync('clang-tidy', ['--version'], { encoding: 'utf8' })
if (!version) {
  const demanded = !['', '0', 'false'].includes(process.env.CI ?? '')
  console.error(`*** ${demanded ? 'FAILED' : 'NOT RUN'}: there is no clang-tidy (scripts/system-packages clang-tidy)`)
  process.exit(demanded ? 1 : 0)
}
const directory = path.join(root, 'build', 'lint')
const configured = spawnSync('cmake', ['-S', root, '-B', directory, `-DNODE_EXECUTABLE=${process.execPath}`], {
  stdio: ['ignore', 'ignore', 'inherit'],
})
if (configured.status !== 0) process.exit(1)

const read = (name) => readFileSync(path.join(root, name))
const hashOf = (...texts) => {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(text).update('\0')
  return hash.digest('hex')
}
const headers = treeFiles().filter((name) => /^native\/core\/.*\.h$/.test(name))
const common = hashOf(
  version,
  read('.clang-tidy'),
  read('CMakeLists.txt'),
  ...headers.flatMap((name) => [name, read(name)]),
)
const remembered = path.join(root, 'build', 'tidy')
mkdirSync(remembered, { recursive: true })

/** What is compiled, with the sources in it. */
const units = JSON.parse(readFileSync(path.join(directory, 'compile_commands.json'), 'utf8')).map(({ file }) => {
  const included = readFileSync(file, 'utf8').matchAll(/^#include "(.*\.cpp)"$/gm)
  return { file, sources: [...included].map(([, source]) => `native/${source}`) }
})
const chosen = units
  .filter(({ sources }) => parts.length === 0 || sources.some((name) => parts.some((part) => name.includes(part))))
  .map((unit) => ({ ...unit, key: hashOf(common, ...unit.sources.flatMap((name) => [name, read(name)])) }))
const queue = chosen.filter(({ key }) => !existsSync(path.join(remembered, key)))
const fresh = queue.length
let faulty = 0

async function work() {
  for (let unit = queue.shift(); unit; unit = queue.shift()) {
    // The one check that a unit of several sources cannot pass.
    const args = ['-p', directory, '--quiet', '--checks=-bugprone-suspicious-include', unit.file]
    const child = spawn('clang-tidy', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text))
    const status = await new Promise((resolve) => {
      child.on('error', () => resolve(1))
      child.on('close', resolve)
    })
    if (status === 0) writeFileSync(path.join(remembered, unit.key), '')
    else {
      faulty++
      console.log(output)
    }
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work))
const count = chosen.reduce((sum, { sources }) => sum + sources.length, 0)
console.log(
  `clang-tidy: ${count} files in ${chosen.length} units, ${fresh} of them new or changed, ${faulty} with faults`,
)
if (chosen.length === 0 || faulty > 0) process.exitCode = 1
