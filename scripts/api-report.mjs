// Renders the public API as text: every export of lib/index.ts with its members, sorted, without comments, and the
// unexported types reachable from it. docs/api.md holds the text, so that an API change shows in the diff.
//
//   node scripts/api-report.mjs           writes docs/api.md (`npm run api`)
//   node scripts/api-report.mjs --check   exits 1 where it is stale
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { root } from './tree-files.mjs'

const reportFile = path.join(root, 'docs', 'api.md')

const head = `# The API in types

Written by \`npm run api\` from \`lib/index.ts\`; \`npm run check\` fails when it is stale. The doc comments are in the sources
and in the declarations of the package.
`

/** Returns the compiler options of a tsconfig.json in the root of the tree. */
export function compilerOptions(name) {
  const { config, error } = ts.readConfigFile(path.join(root, name), ts.sys.readFile)
  if (error) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'))
  return ts.parseJsonConfigFileContent(config, ts.sys, root, undefined, name)
}

/**
 * Creates a program over the declarations of the library as the package ships them, without anything marked @internal.
 *
 * @param entry the source whose exports are the API, a path from the root of the tree
 * @param options compiler options
 * @param extra texts of further sources of the program, by path; they import the API as 'ringtap'
 */
export function declarationsOf(
  entry = 'lib/index.ts',
  options = compilerOptions('tsconfig.json').options,
  extra = new Map(),
) {
  const texts = new Map()
  const { outDir: _, incremental: __, tsBuildInfoFile: ___, ...rest } = options
  const emitting = {
    ...rest,
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    sourceMap: false,
    inlineSources: false,
  }
  const sources = ts.createProgram([path.resolve(root, entry)], emitting)
  // Kept in memory beside their sources, so that the same relative imports resolve.
  sources.emit(undefined, (name, text) => texts.set(name, text))
  const host = ts.createCompilerHost(rest)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (name) => texts.has(name) || (fileExists(name) && !hasDeclarations(name, texts))
  host.readFile = (name) => texts.get(name) ?? readFile(name)
  host.getSourceFile = (name, version) =>
    texts.has(name) ? ts.createSourceFile(name, texts.get(name), version, true) : getSourceFile(name, version)
  const index = [...texts.keys()].find((name) => path.basename(name).startsWith(`${path.parse(entry).name}.d.`))
  const paths = { ringtap: [index] }
  for (const [name, text] of extra) texts.set(name, text)
  const program = ts.createProgram(
    [index, ...extra.keys()],
    { ...rest, paths, noEmit: true, skipLibCheck: false },
    host,
  )
  return { program, index: program.getSourceFile(index), own: (node) => texts.has(node.getSourceFile().fileName) }
}

function hasDeclarations(name, texts) {
  return texts.has(name.replace(/\.([cm]?)ts$/, '.d.$1ts'))
}

const byName = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
const printer = ts.createPrinter({ removeComments: true })
/** Whether a member is private. */
export const hidden = (member) =>
  (ts.canHaveModifiers(member) && ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) ||
  (member.name && ts.isPrivateIdentifier(member.name))

/** Prints a declaration with its members sorted by name (overloads keep their order), without the private ones. */
function print(node) {
  const source = node.getSourceFile()
  const text = (part) => printer.printNode(ts.EmitHint.Unspecified, part, source)
  if (!ts.isClassDeclaration(node) && !ts.isInterfaceDeclaration(node)) {
    const whole = ts.isVariableDeclaration(node) ? node.parent.parent : node
    return text(whole)
  }
  const key = (member) =>
    member.name ? member.name.getText(source) : ts.isConstructorDeclaration(member) ? '' : text(member)
  const members = node.members
    .filter((member) => !hidden(member) || ts.isConstructorDeclaration(member))
    .map((member, order) => ({ name: key(member), order, text: text(member) }))
    .sort((a, b) => byName(a.name, b.name) || a.order - b.order)
  const generics = node.typeParameters ? `<${node.typeParameters.map(text).join(', ')}>` : ''
  const bases = (node.heritageClauses ?? []).map((clause) => ` ${text(clause).trim()}`).join('')
  const abstract = ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.AbstractKeyword) ? 'abstract ' : ''
  const what = ts.isClassDeclaration(node) ? `${abstract}class` : 'interface'
  const body = members.map((member) => member.text.replace(/^/gm, '    ')).join('\n')
  return `${what} ${node.name.text}${generics}${bases} {${body ? `\n${body}\n` : ''}}`
}

/**
 * Collects the exports and the symbols reachable from them.
 *
 * @returns {{ exported: Map<string, ts.Symbol>, reachable: Map<string, ts.Symbol> }} by name
 */
export function symbolsOf({ program, index, own }) {
  const checker = program.getTypeChecker()
  const resolve = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)
  const exported = new Map()
  for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(index)))
    exported.set(symbol.name, resolve(symbol))
  const done = new Set(exported.values())
  const reachable = new Map()
  const visit = (symbol) => {
    const walk = (node) => {
      if (hidden(node)) return
      if (ts.isIdentifier(node)) {
        const found = checker.getSymbolAtLocation(node)
        const used = found && resolve(found)
        const declared = used?.declarations?.find((declaration) => own(declaration))
        if (declared && !done.has(used) && (ts.isSourceFile(declared.parent) || ts.isVariableDeclaration(declared))) {
          done.add(used)
          reachable.set(used.name, used)
          visit(used)
        }
      }
      ts.forEachChild(node, walk)
    }
    for (const declaration of symbol.declarations ?? []) if (own(declaration)) walk(declaration)
  }
  for (const symbol of exported.values()) visit(symbol)
  return { exported, reachable }
}

/** Errors in the declarations: a public type that is made of an internal one refers to a name that does not exist. */
export function declarationFaults({ program, own }) {
  return program
    .getSourceFiles()
    .filter((source) => own(source) && source.isDeclarationFile)
    .flatMap((source) =>
      program.getSemanticDiagnostics(source).map(({ start, messageText }) => {
        const line = source.getLineAndCharacterOfPosition(start ?? 0).line + 1
        const file = path.relative(root, source.fileName)
        return `${file}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
      }),
    )
}

/** Returns the whole text of docs/api.md. */
export function apiReport(api) {
  const { exported, reachable } = symbolsOf(api)
  const list = (symbols) =>
    [...symbols]
      .sort(([a], [b]) => byName(a, b))
      .map(([name, symbol]) => {
        const texts = (symbol.declarations ?? []).map((declaration) =>
          print(declaration).replace(/^(export |declare |default )+/, ''),
        )
        return `\`\`\`ts\n${symbol.name === name ? '' : `// exported as ${name}\n`}${texts.join('\n')}\n\`\`\`\n`
      })
      .join('\n')
  const inside = reachable.size > 0 ? `\n## Not exported, but part of it\n\n${list(reachable)}` : ''
  return `${head}\n## Exported\n\n${list(exported)}${inside}`
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const api = declarationsOf()
  const faults = declarationFaults(api)
  for (const fault of faults) console.error(`the declarations of the package, ${fault}`)
  if (faults.length > 0) process.exitCode = 1
  const report = apiReport(api)
  const before = existsSync(reportFile) ? readFileSync(reportFile, 'utf8') : ''
  if (!process.argv.includes('--check')) {
    if (report !== before) writeFileSync(reportFile, report)
  } else if (report !== before) {
    const lines = new Set(before.split('\n'))
    const added = report.split('\n').filter((line) => !lines.has(line))
    for (const line of added.slice(0, 20)) console.error(`+ ${line}`)
    console.error('docs/api.md is stale: the API has changed. Renew it with "npm run api" and commit it.')
    process.exitCode = 1
  }
}
