// The programs of the documentation that are marked to be run (```ts run) run as they are pasted, where frames come in on
// eth0. One that handles SIGINT gets it after its first line of output. Each ends with exit code 0.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send } from '../support/send.js'

const root = fileURLToPath(new URL('../../../../../', import.meta.url))
const { fencesOf } = (await import(new URL('../../../../../scripts/check-docs.mjs', import.meta.url).href)) as {
  fencesOf(text: string): { line: number; code: string; run: boolean }[]
}

// A folder below the root, where the package is found by its name.
mkdirSync(path.join(root, 'build'), { recursive: true })
const folder = mkdtempSync(path.join(root, 'build', 'programs-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
addVeth('eth0', 'far0')

/** Runs a program until it ends, and returns its exit code (or signal) and output. */
async function run(name: string, code: string) {
  const file = path.join(folder, `${name.replaceAll('/', '-')}.mjs`)
  writeFileSync(file, code)
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [file], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  for (let start = 0; child.exitCode === null && !stdout.includes('\n'); start++)
    await send({ interface: 'far0', count: 1, start })
  if (code.includes('SIGINT')) child.kill('SIGINT')
  const [status, signal] = (await ended) as [number | null, string | null]
  return { status: status ?? signal, stdout, stderr }
}

const documents = [
  'README.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

t.test('the programs that are marked to be run', async (t) => {
  let found = 0
  for (const document of documents) {
    for (const { line, code, run: marked } of fencesOf(readFileSync(path.join(root, document), 'utf8'))) {
      if (!marked) continue
      const { status, stdout, stderr } = await run(`${document}-${line}`, code)
      t.equal(status, 0, `${document}:${line} ends with exit code 0`, { stdout, stderr })
      t.equal(stderr, '', `${document}:${line} reports no error`)
      found++
    }
  }
  t.ok(found > 3, 'there are some')
})

t.test('the first program of the README accounts for each packet that it prints', async (t) => {
  const [first] = fencesOf(readFileSync(path.join(root, 'README.md'), 'utf8'))
  t.ok(first?.run, 'it is marked to be run')
  const { stdout } = await run('first', first?.code ?? '')
  const packets = [...stdout.matchAll(/^(eth0|far0) (in|out) 64$/gm)].length
  t.ok(packets > 0, 'there are some')
  const [, ledger] = /^(\{ received: .* \})$/m.exec(stdout) ?? []
  t.equal(ledger, `{ received: ${packets}, delivered: ${packets}, droppedByRing: 0, droppedByOverflow: 0 }`)
  t.equal(stdout.trimEnd().split('\n').length, packets + 1, 'nothing else is printed', { stdout })
})
