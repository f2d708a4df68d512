// Lays out the package as it is published: the folder that `npm pack` packs. The source tree itself cannot be packed,
// because it has a binding.gyp at its root, scripts for developers, and links to what the package does not contain.
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { finishDist } from '../finish-dist.mjs'
import { contents } from '../site/contents.mjs'
import { llmsText } from '../site/llms.mjs'
import { root, treeFiles } from '../tree-files.mjs'
import { targets } from './targets.mjs'

/** What is copied from the tree; besides it the package contains what the functions below write. */
const copied = [
  /^(CHANGELOG|README|SECURITY)\.md$/,
  /^(LICENSE|THIRD-PARTY-NOTICES)$/,
  /^docs\/(?!sensor\.md).*\.md$/,
  /^docs\/images\/.*\.svg$/,
  /^examples\/(?!sensor\/).*\.(ts|md)$/, // the sensor is an application of its own, which is built in the tree
  /^native\/.*\.(cpp|h)$/,
  /^native\/(sources(-linux)?\.txt|units\.mjs)$/,
  /^scripts\/(build-native|check-build)\.mjs$/,
]

/**
 * Writes the package into an empty folder.
 *
 * @param folder the folder
 * @param addons the path of each addon to include, by the id of its target
 * @param sbom the text of sbom.cdx.json, if there is one
 */
export function stagePackage(folder, addons, sbom) {
  rmSync(folder, { recursive: true, force: true })
  const write = (name, text) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), text)
  }
  for (const name of treeFiles().filter((file) => copied.some((pattern) => pattern.test(file)))) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    copyFileSync(path.join(root, name), path.join(folder, name))
  }
  copyCompiled(path.join(folder, 'dist', 'cjs'))
  for (const target of targets) {
    write(`addons/${target.id}.cjs`, registration(target))
    write(`addons/${target.id}.d.cts`, 'export {}\n')
    if (!addons[target.id]) continue
    mkdirSync(path.dirname(path.join(folder, target.file)), { recursive: true })
    cpSync(addons[target.id], path.join(folder, target.file))
  }
  write('native/binding.gyp', packagedGyp(readFileSync(path.join(root, 'binding.gyp'), 'utf8')))
  if (sbom) write('sbom.cdx.json', sbom)
  const manifest = packagedManifest(JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')))
  write('package.json', `${JSON.stringify(manifest, undefined, 2)}\n`)

  const included = contents().map(({ title, entries }) => ({
    title,
    entries: entries.filter(({ file }) => existsSync(path.join(folder, file))),
  }))
  write('llms.txt', llmsText(included))

  const home = manifest.repository && `${manifest.homepage.replace(/#.*$/, '')}/blob/v${manifest.version}`
  const texts = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.md'))
  for (const name of texts) {
    const exists = (file) => existsSync(path.join(folder, file))
    write(name, packagedText(readFileSync(path.join(folder, name), 'utf8'), path.posix.dirname(name), exists, home))
  }
  return manifest
}

/** Copies what lib/ was compiled to (`npm run build:ts`) without source maps, which contain the sources. */
function copyCompiled(output) {
  // By the sources: what is compiled of one that is gone stays in dist.
  for (const source of treeFiles().filter((file) => /^lib\/.*\.ts$/.test(file))) {
    for (const extension of ['.js', '.d.ts']) {
      const name = source.replace(/^lib\//, '').replace(/\.ts$/, extension)
      mkdirSync(path.dirname(path.join(output, name)), { recursive: true })
      const text = readFileSync(path.join(root, 'dist', 'cjs', name), 'utf8')
      writeFileSync(path.join(output, name), text.replace(/^\/\/# sourceMappingURL=.*$/m, ''))
    }
  }
  finishDist(output)
}

/** The module `ringtap/addons/ID`, which a bundled program imports (docs/bundlers.md). */
function registration({ id, file }) {
  return `// Takes this addon into a bundle: docs/bundlers.md.
const addons = (globalThis[Symbol.for('ringtap.addons')] ??= {})
addons['${id}'] = () => require('../${file}')
`
}

/** binding.gyp for native/, where no package manager finds it. */
export function packagedGyp(text) {
  const changes = [
    ...['sources.txt', 'sources-linux.txt'].map((list) => [
      `node native/units.mjs ${list})`,
      `node units.mjs ${list})`,
    ]),
    ['"include_dirs": ["native"', '"include_dirs": ["."'],
    [/^ *# scripts\/release\/stage\.mjs .*\n/m, ''],
  ]
  return changes.reduce((result, [from, to]) => {
    if (result.search(from instanceof RegExp ? from : from.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) < 0)
      throw new Error(`binding.gyp has no ${from}, which scripts/release/stage.mjs rewrites`)
    return result.replace(from, to)
  }, text)
}

/** package.json for users: without what is for developers, and without addresses that are not filled in. */
export function packagedManifest(manifest) {
  const { scripts, devDependencies: _, tap: __, files: ___, '//': ____, ...kept } = manifest
  const { repository, homepage, bugs, ...others } = kept
  const filled = !JSON.stringify([repository, homepage, bugs]).includes(placeholder)
  return { ...(filled ? kept : others), scripts: { 'build:native': scripts['build:native'] } }
}

/** Stands in package.json for what whoever publishes the package fills in. */
export const placeholder = 'OWNER'

/** Links of a Markdown text: their text, their target, and where they lead from a text in `directory`. */
export function linksOf(text, directory) {
  const outside = text.replace(/^```[\s\S]*?^```/gm, (fence) => fence.replace(/[^\n]/g, ' '))
  return [...outside.matchAll(/\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)/g)].map((found) => {
    const [whole, label, target] = found
    const local = !/^[a-z]+:|^#/.test(target)
    return {
      whole,
      label,
      target,
      at: found.index,
      file: local && path.posix.join(directory, target.replace(/#.*$/, '')),
    }
  })
}

/** A text with the links that lead out of the package made absolute, or, without a home, into plain text. */
export function packagedText(text, directory, exists, home) {
  let result = text
  for (const link of linksOf(text, directory).reverse()) {
    if (!link.file || exists(link.file)) continue
    const anchor = /#.*$/.exec(link.target)?.[0] ?? ''
    const instead = home ? `[${link.label}](${home}/${link.file}${anchor})` : link.label
    result = result.slice(0, link.at) + instead + result.slice(link.at + link.whole.length)
  }
  return result
}
