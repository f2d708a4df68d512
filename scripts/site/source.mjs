// The texts of the site as TypeDoc reads them, in a folder laid out like the tree: with a head that gives each its title
// and its place in the navigation, with diagrams for the browser, and without links to what the site does not contain.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { packagedText } from '../release/stage.mjs'
import { root, treeFiles } from '../tree-files.mjs'
import { documentsOf } from './contents.mjs'

const yaml = (value) => JSON.stringify(value)

/** Blocks of Mermaid as elements, which scripts/site/site.js replaces with diagrams. */
export function withDiagrams(markdown) {
  return markdown.replace(/^```mermaid\n([\s\S]*?)^```$/gm, (_, source) => {
    const escaped = source.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
    return `<pre class="mermaid">${escaped.trimEnd()}</pre>`
  })
}

/**
 * The text of a document of the site.
 *
 * @param document an entry of `contents()` with its section
 * @param markdown the text of its file
 */
export function documentText({ file, title, section, children }, markdown) {
  const directory = path.posix.dirname(file)
  const head = [`title: ${yaml(title)}`, `category: ${yaml(section)}`]
  if (children.length > 0) head.push('children:')
  for (const child of children) head.push(`  - ${yaml(`./${path.posix.relative(directory, child.file)}`)}`)
  return `---\n${head.join('\n')}\n---\n\n${markdown}`
}

/**
 * Writes the sources of the site.
 *
 * @param folder the folder, which is emptied first
 * @param sections what `contents()` returns
 * @param home the address of the files of the repository; without it links to them become text
 * @returns the paths of the documents that are not children of another, in order
 */
export function writeSources(folder, sections, home) {
  rmSync(folder, { recursive: true, force: true })
  const documents = documentsOf(sections)
  const pages = new Set(['README.md', ...documents.map(({ file }) => file)])
  const images = treeFiles().filter((file) => /^docs\/images\//.test(file))
  const exists = (file) => pages.has(file) || images.includes(file)
  const write = (file, text) => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), text)
  }
  const textOf = (file) => {
    const text = readFileSync(path.join(root, file), 'utf8')
    if (!file.endsWith('.md')) return `# ${file}\n\n\`\`\`ts\n${text}\`\`\`\n`
    const linked = packagedText(text, path.posix.dirname(file), exists, home)
    return withDiagrams(linked.replace(/\]\(([^()\s]+\.ts)\)/g, ']($1.md)'))
  }
  // A program becomes a page of its own: beside PROGRAM.ts, the Markdown PROGRAM.ts.md.
  const named = (entry) => ({
    ...entry,
    file: entry.file.endsWith('.md') ? entry.file : `${entry.file}.md`,
    children: entry.children.map(named),
  })
  for (const document of documents) write(named(document).file, documentText(named(document), textOf(document.file)))
  write('README.md', textOf('README.md'))
  for (const file of images) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    copyFileSync(path.join(root, file), path.join(folder, file))
  }
  return sections.flatMap(({ entries }) => entries.map((entry) => path.join(folder, named(entry).file)))
}
