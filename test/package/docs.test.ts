// The documentation: links point to existing headings, diagrams name existing files, and programs run on this Node.
// npm run check does further checks: scripts/check-docs.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

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

// npm run check compiles them; a copied program must also run on this version of Node.
t.test('the programs in the documentation are valid JavaScript', async (t) => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'ringtap-docs-'))
  t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
  const { NODE_OPTIONS: _, ...env } = process.env
  for (const document of documents) {
    for (const [i, [, source = '']] of [...textOf(document).matchAll(/^```(?:ts|js)\n(.*?)^```/gms)].entries()) {
      if (document === 'docs/api.md') continue // contains types only
      const program = path.join(scratch, 'program.mjs')
      writeFileSync(program, source)
      const parsed = spawnSync(process.execPath, ['--check', program], { encoding: 'utf8', env })
      t.equal(parsed.status, 0, `${document}, program ${i + 1}`, { output: parsed.stderr })
    }
  }
})
