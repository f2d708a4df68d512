// The table of contents of the documentation: docs/README.md lists every text under the headings of its sections. The
// site's navigation and llms.txt are made from it.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { linksOf } from '../release/stage.mjs'
import { root, treeFiles } from '../tree-files.mjs'

const read = (file) => readFileSync(path.join(root, file), 'utf8')

/** The text of a file's first heading. */
export function titleOf(text, file) {
  const title = /^# (.*)$/m.exec(text)?.[1]
  if (!title) throw new Error(`${file} has no heading of the first level`)
  return title.replaceAll('`', '')
}

/**
 * The sections of a table of contents: rows of tables and items of lists which begin with a link to a file of the tree.
 * What follows the link in the row or the item describes it.
 *
 * @param text the Markdown
 * @param directory the folder from which its links start
 * @returns {{ title: string, entries: { file: string, label: string, description: string }[] }[]}
 */
export function sectionsOf(text, directory) {
  const sections = []
  let title = titleOf(text, directory)
  for (const line of text.split('\n')) {
    const heading = /^##+ (.*)$/.exec(line)?.[1]
    if (heading) title = heading
    if (!/^\s*(\||[-*] |\d+\. )/.test(line)) continue
    const [link] = linksOf(line, directory)
    if (!link?.file) continue
    if (sections.at(-1)?.title !== title) sections.push({ title, entries: [] })
    const description = plain(line.slice(line.indexOf(link.whole) + link.whole.length))
    sections.at(-1).entries.push({ file: link.file, label: plain(link.label), description })
  }
  return sections
}

/** Markdown of one line as text: without links, table borders and emphasis. */
function plain(markdown) {
  return markdown
    .replace(/\[((?:[^[\]]|\[[^\]]*\])*)\]\([^()\s]+\)/g, '$1')
    .replace(/\*\*/g, '')
    .replace(/^[\s|:,.–-]+|[\s|]+$/g, '')
}

/**
 * The texts of the site, by section. A README below docs/ and examples/ brings the files of its folder that it links to: as
 * its children, or, if it is alone in its section, as entries beside it.
 *
 * @returns {{ title: string, entries: { file: string, title: string, description: string, children: object[] }[] }[]}
 */
export function contents() {
  const files = new Set(treeFiles())
  const listed = sectionsOf(read('docs/README.md'), 'docs')
  const known = new Set(listed.flatMap(({ entries }) => entries.map(({ file }) => file)).concat('docs/README.md'))
  const entryOf = ({ file, description }) => {
    if (!files.has(file)) throw new Error(`docs/README.md leads to ${file}, which is not in the tree`)
    const text = read(file)
    const title = file.endsWith('.md') ? titleOf(text, file) : path.basename(file)
    return { file, title, description, children: childrenOf(file, text) }
  }
  const childrenOf = (file, text) => {
    if (path.basename(file) !== 'README.md' || path.dirname(file) === '.') return []
    const directory = path.dirname(file)
    const listings = sectionsOf(text, directory).flatMap(({ entries }) => entries)
    const children = linksOf(text, directory)
      .map((link) => link.file)
      .filter((child) => child && files.has(child) && path.dirname(child) === directory && /\.(md|ts)$/.test(child))
      .filter((child) => !known.has(child))
    for (const child of children) known.add(child)
    return [...new Set(children)].map((child) =>
      entryOf({ file: child, description: listings.find(({ file }) => file === child)?.description ?? '' }),
    )
  }
  const sections = listed.map(({ title, entries }) => {
    const all = entries.filter(({ file }) => file !== 'README.md').map(entryOf)
    return { title, entries: all.length === 1 ? [{ ...all[0], children: [] }, ...all[0].children] : all }
  })
  const texts = /^docs\/.*\.md$|^(CHANGELOG|CONTRIBUTING|SECURITY)\.md$/
  const missing = [...files].filter((file) => texts.test(file) && !known.has(file))
  if (missing.length > 0) throw new Error(`docs/README.md does not list ${missing.join(', ')}`)
  return sections
}

/** All texts of the site but README.md, in the order of its navigation. */
export function documentsOf(sections) {
  const flat = (entry, section) => [{ ...entry, section }, ...entry.children.flatMap((child) => flat(child, section))]
  return sections.flatMap(({ title, entries }) => entries.flatMap((entry) => flat(entry, title)))
}
