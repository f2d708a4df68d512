// `npm run tidy`: clang-tidy over the core, with the checks of .clang-tidy. A clean file is checked again only after
// it, a header of the core or the checks change; build/tidy records the state.
//
//   node scripts/tidy.mjs [PART…]   only files whose paths contain one of the parts
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { configureNative } from './native-tests.mjs'
import { root, treeFiles } from './tree-files.mjs'

const parts = process.argv.slice(2)
const { stdout: version } = spawnSync('clang-tidy', ['--version'], { encoding: 'utf8' })
if (!version) {
  const demanded = !['', '0', 'false'].includes(process.env.CI ?? '')
  console.error(`*** ${demanded ? 'FAILED' : 'NOT RUN'}: there is no clang-tidy (scripts/system-packages clang-tidy)`)
  process.exit(demanded ? 1 : 0)
}
if (!configureNative()) process.exit(1)

const read = (name) => readFileSync(path.join(root, name))
const hashOf = (...texts) => {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(text).update('\0')
  return hash.digest('hex')
}
const files = treeFiles()
const headers = files.filter((name) => /^native\/core\/.*\.h$/.test(name))
const common = hashOf(
  version,
  read('.clang-tidy'),
  read('CMakeLists.txt'),
  ...headers.flatMap((name) => [name, read(name)]),
)
const remembered = path.join(root, 'build', 'tidy')
mkdirSync(remembered, { recursive: true })

const chosen = files
  .filter((name) => /^native\/core\/.*\.cpp$/.test(name))
  .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
const queue = chosen.filter((name) => !existsSync(path.join(remembered, hashOf(common, name, read(name)))))
const fresh = queue.length
let faulty = 0

async function work() {
  for (let name = queue.shift(); name; name = queue.shift()) {
    const key = hashOf(common, name, read(name))
    const child = spawn('clang-tidy', ['-p', 'build/native', '--quiet', name], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text))
    const status = await new Promise((resolve) => {
      child.on('error', () => resolve(1))
      child.on('close', resolve)
    })
    if (status === 0) writeFileSync(path.join(remembered, key), '')
    else {
      faulty++
      console.log(output)
    }
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work))
console.log(`clang-tidy: ${chosen.length} files, ${fresh} of them new or changed, ${faulty} with faults`)
if (chosen.length === 0 || faulty > 0) process.exitCode = 1
