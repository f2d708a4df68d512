// The site's pages by TypeDoc: the API from the doc comments, and the texts. A folder of lib/ is a category of the API.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Application, Comment, CommentTag, Converter, KindRouter, ReflectionKind } from 'typedoc'
import { root } from '../tree-files.mjs'

/** Titles of the folders of lib/, in the order of the navigation. A folder that is missing here is an error. */
const categories = {
  capture: 'API: capture',
  packets: 'API: packets',
  interfaces: 'API: interfaces',
  filter: 'API: filters',
  record: 'API: recording',
  savefile: 'API: files',
  send: 'API: sending',
  frame: 'API: frames',
  exchange: 'API: frames',
  dissect: 'API: headers',
  flows: 'API: flows',
  owners: 'API: owners',
  streams: 'API: streams',
  protocols: 'API: protocols',
  '.': 'API: errors',
}

/** The category of what a file exports, by the path of the file from lib/. */
export function categoryOf(file) {
  const folder = file.includes('/') ? file.slice(0, file.indexOf('/')) : '.'
  if (!categories[folder]) throw new Error(`scripts/site/api.mjs has no category for lib/${folder}`)
  return categories[folder]
}

/** Puts every export into the category of its folder. */
function categorize(context) {
  for (const reflection of context.project.children ?? []) {
    const file = context.project.getSymbolIdFromReflection(reflection)?.packagePath
    if (!file) throw new Error(`the source of ${reflection.name} was not found`)
    const category = categoryOf(path.posix.relative('lib', file))
    // The comment of a function belongs to its signatures.
    const owners = reflection.signatures ?? [reflection]
    for (const owner of owners) {
      owner.comment ??= new Comment()
      owner.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: category }]))
    }
  }
}

/** The page of a text is at the path of its file, without the folder docs/. */
function routerFor(source) {
  return class extends KindRouter {
    getIdealBaseName(reflection) {
      if (!reflection.kindOf(ReflectionKind.Document)) return super.getIdealBaseName(reflection)
      const file = path.posix.relative(source, reflection.project.files.getReflectionPath(reflection))
      return file
        .replace(/\.md$/, '')
        .replace(/^docs\//, '')
        .replace(/README$/, 'index')
        .toLowerCase()
    }
  }
}

/**
 * Builds the pages.
 *
 * @param output the folder of the site
 * @param source the folder that writeSources() has written
 * @param documents what it returned
 * @param sections titles of the sections of the texts, in order
 * @returns whether TypeDoc had nothing to complain about
 */
export async function buildPages(output, source, documents, sections) {
  const app = await Application.bootstrap({
    entryPoints: [path.join(root, 'lib', 'index.ts')],
    tsconfig: path.join(root, 'tsconfig.cjs.json'),
    readme: path.join(source, 'README.md'),
    projectDocuments: documents,
    name: 'ringtap',
    includeVersion: true,
    disableSources: true,
    disableGit: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    hideGenerator: true,
    skipErrorChecking: true, // the compiler has its own check
    alwaysCreateEntryPointModule: false,
    headings: { readme: false, document: false },
    categorizeByGroup: false,
    categoryOrder: [...sections, ...new Set(Object.values(categories))],
    navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
    highlightLanguages: ['typescript', 'javascript', 'shellscript', 'yaml', 'docker', 'ini', 'json', 'console'],
    searchInDocuments: true,
    customCss: path.join(root, 'scripts', 'site', 'site.css'),
    customJs: path.join(root, 'scripts', 'site', 'site.js'),
    favicon: path.join(root, 'scripts', 'site', 'icon.svg'),
    validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true, notDocumented: true },
    treatWarningsAsErrors: true,
    logLevel: 'Warn',
    router: 'site',
  })
  app.renderer.defineRouter('site', routerFor(source))
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, categorize)
  const project = await app.convert()
  if (!project) return false
  app.validate(project)
  await app.generateDocs(project, output)
  return !app.logger.hasErrors() && !app.logger.hasWarnings() && existsSync(path.join(output, 'index.html'))
}
