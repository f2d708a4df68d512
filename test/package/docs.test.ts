// The documentation: links point to existing headings, diagrams name existing files, and programs run on this Node.
// npm run check does further checks: scripts/check-docs.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

/** Paths of the files below a folder, relative to the root. */
function below(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
}

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...['docs', 'examples', 'bench'].flatMap(below).filter((name) => name.endsWith('.md') && !/node_modules/.test(name)),
]
const textOf = (document: string) => readFileSync(path.join(root, document), 'utf8')

/** The anchors GitHub generates for a document's headings. */
function anchorsOf(document: string): string[] {
  return [...textOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

t.test('every link of the documentation has a target', async (t) => {
  for (const document of documents) {
    for (const [, target = ''] of textOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? document : path.join(path.dirname(document), file)
      t.ok(existsSync(path.join(root, linked)), `${document}: ${target}`)
      if (anchor !== undefined) t.ok(anchorsOf(linked).includes(anchor), `${document}: ${target} is a heading`)
    }
  }
})

t.test('every file named in a diagram exists', async (t) => {
  const files = ['native', 'lib'].flatMap(below)
  const diagrams = [...textOf('docs/architecture.md').matchAll(/^```mermaid\n(.*?)^```/gms)].map(([diagram]) => diagram)
  const names = new Set(diagrams.flatMap((diagram) => diagram.match(/[\w/-]+\.(?:cpp|h|ts)\b/g) ?? []))
  t.ok(names.size > 0, 'there are some')
  for (const name of names)
    t.ok(
      files.some((file) => file.endsWith(`/${name}`) || file === name),
      name,
    )
})

// Comments and pipes of the shell are left out; a line that is continued is one command.
t.test('the commands ringtap in the documentation are understood by its parser', async (t) => {
  const { program } = createRequire(import.meta.url)(path.join(root, 'dist', 'cjs', 'cli', 'program.js')) as {
    program(version: string): Command
  }
  let found = 0
  for (const document of documents) {
    for (const [, block = ''] of textOf(document).matchAll(/^```sh\n(.*?)^```/gms)) {
      for (const line of block.replaceAll('\\\n', ' ').split('\n')) {
        const words = /^(?:sudo )?(?:npx )?ringtap(?: (.*))?$/.exec(line)
        if (!words) continue
        const ran = { parsed: false }
        const command = prepared(program('0'), () => {
          ran.parsed = true
        })
        let fault = ''
        try {
          await command.parseAsync(wordsOf(words[1] ?? ''), { from: 'user' })
        } catch (error) {
          const { exitCode, message } = error as { exitCode?: number; message: string }
          if (exitCode === 0) ran.parsed = true
          else fault = message
        }
        t.ok(ran.parsed, `${document}: ${line}`, { fault })
        found++
      }
    }
  }
  t.ok(found > 0, 'there are some')
})

/** The part of commander's Command that is used here. */
interface Command {
  readonly commands: readonly Command[]
  action(run: () => void): Command
  exitOverride(): Command
  configureOutput(to: { writeOut(): void; writeErr(): void }): Command
  parseAsync(words: string[], from: { from: 'user' }): Promise<unknown>
}

/** A parser that runs `done` in place of every command. */
function prepared(command: Command, done: () => void): Command {
  const quiet = { writeOut: () => {}, writeErr: () => {} }
  command.exitOverride().configureOutput(quiet)
  if (command.commands.length === 0) command.action(done)
  for (const one of command.commands) prepared(one, done)
  return command
}

/** The words of a command line up to a comment, a pipe or a redirection. */
function wordsOf(line: string): string[] {
  const words: string[] = []
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(#|\||>|2>|<|&|;)/.test(word)) break
    words.push(word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'))
  }
  return words
}

// npm run check compiles them; a copied program must also run on this version of Node.
t.test('the programs in the documentation are valid JavaScript', async (t) => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'ringtap-docs-'))
  t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
  const { NODE_OPTIONS: _, ...env } = process.env
  const names: string[] = []
  for (const document of documents) {
    if (document === 'docs/api.md') continue // contains types only
    for (const [i, [, source = '']] of [
      ...textOf(document).matchAll(/^```(?:ts|js)(?: run)?\n(.*?)^```/gms),
    ].entries()) {
      // Types are left out; what the compiler could turn into older JavaScript stays as it is.
      const options = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
      const program = path.join(scratch, `${names.length}.mjs`)
      writeFileSync(program, ts.transpileModule(source, { compilerOptions: options }).outputText)
      names.push(`${document}, program ${i + 1}`)
    }
  }
  // One process for all: it parses each as a module, and runs none.
  const parse = `
    const { readFileSync } = require('node:fs')
    const { SourceTextModule } = require('node:vm')
    const faults = process.argv.slice(1).map((file) => {
      try { new SourceTextModule(readFileSync(file, 'utf8')) } catch (error) { return error.stack }
    })
    console.log(JSON.stringify(faults.map((fault) => fault ?? '')))`
  const files = names.map((_, i) => path.join(scratch, `${i}.mjs`))
  const args = ['--experimental-vm-modules', '--no-warnings', '-e', parse, ...files]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env })
  t.equal(stderr, '')
  for (const [i, fault] of (JSON.parse(stdout) as string[]).entries()) t.equal(fault, '', `${names[i]}`)
  t.ok(names.length > 30)
})
