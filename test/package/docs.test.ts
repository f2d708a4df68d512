// The documentation: its links lead somewhere, the files it names exist, its programs compile and run.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const require = createRequire(import.meta.url)

/** Paths of files below a folder, from the root. */
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

/** The anchors that GitHub makes of a document's headings. */
function anchorsOf(document: string): string[] {
  return [...textOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

t.test('links', async (t) => {
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

t.test('files that the documentation names', async (t) => {
  const files = ['native', 'lib', 'test', 'bench', 'examples', 'scripts', 'docs'].flatMap(below)
  for (const document of [...documents.filter((name) => name.startsWith('docs/')), 'CONTRIBUTING.md']) {
    const names = textOf(document).matchAll(/(?<![\w/.*<-])((?:[\w-]+\/)*[\w-]+\.(?:cpp|h|ts|cts|mjs))(?![\w*])/g)
    for (const name of new Set([...names].map(([, name = '']) => name))) {
      const found = files.some((file) => file === name || file.endsWith(`/${name}`))
      t.ok(found || name === 'uv.h' || name === 'napi.h', `${document}: ${name}`)
    }
  }
})

t.test('programs', async (t) => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'ringtap-docs-'))
  t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
  symlinkSync(path.join(root, 'node_modules'), path.join(scratch, 'node_modules'))
  const blocks = documents.flatMap((document) =>
    [...textOf(document).matchAll(/^```(?:ts|js)\n(.*?)^```/gms)].map(([, source = '']) => ({ document, source })),
  )
  t.ok(blocks.length > 0, 'there are some')
  const names = blocks.map(({ source }, i) => {
    // What Node resolves from the package's own folder alone.
    const program = source.replaceAll("from 'ringtap'", `from '${path.join(root, 'dist/esm/index.js')}'`)
    writeFileSync(path.join(scratch, `program-${i}.mts`), program)
    writeFileSync(path.join(scratch, `program-${i}.mjs`), program)
    return `program-${i}`
  })
  const { NODE_OPTIONS: _, ...env } = process.env
  for (const [i, name] of names.entries()) {
    const parsed = spawnSync(process.execPath, ['--check', `${name}.mjs`], { cwd: scratch, encoding: 'utf8', env })
    t.equal(parsed.status, 0, `${blocks[i]?.document}: block ${i} is JavaScript for this Node`, {
      output: parsed.stderr,
    })
  }
  const options =
    '--ignoreConfig --noEmit --strict --skipLibCheck --target es2022 --lib es2023,esnext.disposable --types node --module nodenext --moduleResolution nodenext'
  const files = names.map((name) => `${name}.mts`)
  const compiled = spawnSync(
    process.execPath,
    [require.resolve('typescript/lib/tsc.js'), ...options.split(' '), ...files],
    {
      cwd: scratch,
      encoding: 'utf8',
      env,
    },
  )
  t.equal(compiled.status, 0, 'they compile', { output: compiled.stdout })
})
