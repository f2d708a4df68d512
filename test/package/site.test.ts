// The site's checks detect the faults they are written for, and its texts are made as scripts/site/ says.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const script = (name: string) => import(new URL(`../../../../scripts/site/${name}.mjs`, import.meta.url).href)

interface Entry {
  file: string
  title: string
  description: string
  children: Entry[]
}
interface Section {
  title: string
  entries: Entry[]
}
const { contents, documentsOf, sectionsOf } = (await script('contents')) as {
  contents(): Section[]
  documentsOf(sections: Section[]): (Entry & { section: string })[]
  sectionsOf(text: string, directory: string): { title: string; entries: Omit<Entry, 'children' | 'title'>[] }[]
}
const { documentText, withDiagrams } = (await script('source')) as {
  documentText(document: Entry & { section: string }, markdown: string): string
  withDiagrams(markdown: string): string
}
const { siteFaults } = (await script('links')) as { siteFaults(folder: string): string[] }
const { llmsText } = (await script('llms')) as { llmsText(sections: Section[]): string }

t.test('the table of contents is read from tables and lists, by section', async (t) => {
  const text = `# Documentation

| | |
|---|---|
| [README](../README.md) | what it is; see [a](a.md) |

## Guides

- [**One**](guides/one.md): the *first*
- no link here
1. [Elsewhere](https://example.org/)

A [link](b.md) in a sentence.
`
  t.same(sectionsOf(text, 'docs'), [
    {
      title: 'Documentation',
      entries: [{ file: 'README.md', label: 'README', description: 'what it is; see a' }],
    },
    { title: 'Guides', entries: [{ file: 'docs/guides/one.md', label: 'One', description: 'the *first*' }] },
  ])
})

t.test('every text of docs/ is in the contents once, with a title', async (t) => {
  const documents = documentsOf(contents())
  const files = documents.map(({ file }) => file)
  t.same([...new Set(files)], files)
  for (const file of [
    'docs/architecture.md',
    'docs/decisions/0001-shared-ring.md',
    'examples/README.md',
    'CHANGELOG.md',
  ])
    t.ok(files.includes(file), file)
  t.notOk(files.includes('README.md'), 'the README is the first page')
  for (const { file, title, section } of documents) t.ok(title && section, file)
})

t.test('the recipes are a section of their own, each with its description', async (t) => {
  const entries = contents().find(({ title }) => title === 'Recipes')?.entries ?? []
  const pages = readdirSync(new URL('../../../../docs/recipes', import.meta.url)).filter((name) => name !== 'README.md')
  t.strictSame(
    entries.map(({ file }) => file).sort(),
    ['README.md', ...pages].map((name) => `docs/recipes/${name}`).sort(),
  )
  t.equal(entries[0]?.file, 'docs/recipes/README.md')
  for (const { description, children } of entries)
    t.match({ description, children }, { description: /./, children: [] })
})

t.test('a text gets a head, and its diagrams become elements', async (t) => {
  const child = { file: 'docs/x/one.md', title: 'One', description: '', children: [] }
  const document = { file: 'docs/x/README.md', title: 'The "x"', description: '', children: [child], section: 'Inside' }
  t.equal(
    documentText(document, '# The "x"\n'),
    '---\ntitle: "The \\"x\\""\ncategory: "Inside"\nchildren:\n  - "./one.md"\n---\n\n# The "x"\n',
  )
  t.equal(
    withDiagrams('a\n\n```mermaid\nflowchart LR\n  a --> b["x<br/>y"]\n```\n\n```ts\n```\n'),
    'a\n\n<pre class="mermaid">flowchart LR\n  a --&gt; b["x&lt;br/&gt;y"]</pre>\n\n```ts\n```\n',
  )
})

t.test('dead links, dead anchors and what other hosts would send are found', async (t) => {
  const page = (body: string) => `<!DOCTYPE html><html><head><link rel="stylesheet" href="s.css"/></head>${body}</html>`
  const folder = t.testdir({
    'index.html': page(
      '<h2 id="one">1</h2><a href="#one">a</a><a href="sub/b.html#two">b</a><a href="https://example.org/x">c</a>',
    ),
    's.css': 'a { color: red }',
    sub: { 'b.html': '<h1 id="two">2</h1><a href="../index.html">a</a><script>if (a<b) "<a href=x>"</script>' },
  })
  t.same(siteFaults(folder), [])

  const bad = t.testdir({
    'index.html': page(
      [
        '<a href="#none">a</a><a href="gone.html">b</a><a href="sub/b.html#none">c</a><a href="/abs.html">d</a>',
        '<a href="sub">e</a><img src="https://example.org/i.png"><script src="//example.org/s.js"></script>',
        '<source srcset="i.svg 1x, https://example.org/j.svg 2x"><a href=&#x78;.html>f</a>',
      ].join(''),
    ),
    'i.svg': '<svg/>',
    's.css': '@import "https://example.org/a.css"; b { background: url(//example.org/b.png) }',
    sub: { 'b.html': '<h1 id="two">2</h1>' },
  })
  t.same(siteFaults(bad), [
    'index.html leads to #none: there is no such heading',
    'index.html leads to gone.html',
    'index.html leads to sub/b.html#none: there is no such heading',
    'index.html leads to /abs.html',
    'index.html leads to sub',
    'index.html loads https://example.org/i.png',
    'index.html loads //example.org/s.js',
    'index.html loads https://example.org/j.svg',
    'index.html leads to x.html',
    's.css loads https://example.org/a.css',
    's.css loads //example.org/b.png',
  ])
  t.same(siteFaults(t.testdir({ 'a.html': '' })), ['there is no index.html'])
})

t.test('llms.txt has the form of llmstxt.org, and its links lead to files of the tree', async (t) => {
  const sections = contents()
  const text = llmsText(sections)
  t.match(text, /^# ringtap\n\n> [^\n]+\n\n- /)
  const links = [...text.matchAll(/^- \[[^\]]+\]\(([^)]+)\)(?:: .+)?$/gm)].map(([, file]) => file)
  const files = sections.flatMap(({ entries }) => entries.map(({ file }) => file))
  t.same(links, ['README.md', ...files])
  t.same(
    [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title),
    ['Overview', ...sections.map(({ title }) => title)],
  )
  t.notOk(path.isAbsolute(links[0] ?? '/'))
})
