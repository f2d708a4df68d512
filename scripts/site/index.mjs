// `npm run docs`: builds the documentation into build/site, a folder of static files that needs no server, and checks its
// links. The pages are those of docs/README.md, and the API by TypeDoc from the doc comments.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../tree-files.mjs'
import { buildPages } from './api.mjs'
import { contents, documentsOf } from './contents.mjs'
import { siteFaults } from './links.mjs'
import { llmsText } from './llms.mjs'
import { writeSources } from './source.mjs'

const output = path.join(root, 'build', 'site')
const source = path.join(root, 'build', 'site-source')

/** The address of the repository's files at this version, once package.json has one. */
function home() {
  const { homepage, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return homepage.includes('OWNER') ? undefined : `${homepage.replace(/#.*$/, '')}/blob/v${version}`
}

const began = performance.now()
const sections = contents()
const documents = writeSources(source, sections, home())
rmSync(output, { recursive: true, force: true })
const titles = sections.map(({ title }) => title)
const built = await buildPages(output, source, documents, titles)
if (built) {
  copyFileSync(
    path.join(root, 'node_modules', '@mermaid-js', 'tiny', 'dist', 'mermaid.tiny.js'),
    path.join(output, 'assets', 'mermaid.js'),
  )
  writeFileSync(path.join(output, 'llms.txt'), llmsText(sections))
  for (const { file } of [{ file: 'README.md' }, ...documentsOf(sections)]) {
    mkdirSync(path.dirname(path.join(output, file)), { recursive: true })
    copyFileSync(path.join(root, file), path.join(output, file))
  }
}
const faults = built ? siteFaults(output) : ['TypeDoc complained']
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1
else {
  const pages = readdirSync(output, { recursive: true }).filter((name) => name.endsWith('.html')).length
  console.log(`site: ${pages} pages in build/site, ${((performance.now() - began) / 1000).toFixed(1)} s`)
}
