// Checks that everything the documentation names exists: names and options of the API, files, links, npm scripts and
// environment variables; and that its TypeScript compiles against the API. CONTRIBUTING.md ("Names in the
// documentation") has the rules.
import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { compilerOptions, declarationsOf, hidden, symbolsOf } from './api-report.mjs'
import { root, treeFiles } from './tree-files.mjs'

/** Texts for users may only use names of the API. Other texts may also use names from the sources. */
const forUsers = /^(README|CHANGELOG|SECURITY|examples\/README)\.md$|^docs\/guides\//

/** The types of conventional variable names, beyond those named after their class: `capture`, `chunk`, … */
const variables = {
  error: 'CaptureError',
  warning: 'CaptureError',
  writer: 'SavefileWriter',
  watcher: 'InterfaceWatcher',
}

/** Former names of the API that the change log still mentions. */
const former = new Set(['seconds'])

/** Headers that the texts mention although nothing includes them. */
const foreign = new Set(['uv.h'])

/** Paths created by a build, a run or a release, which need not be in the tree. */
const made =
  /^(build|dist|prebuilds|release|ringtap\/addons|node_modules|\.tap)(\/|$)|^(compile_commands\.json|llms\.txt)$/
const globals = new Set([...Object.getOwnPropertyNames(globalThis), ...builtinModules])
const extensions = /\.(ts|cts|mjs|cjs|js|json|cpp|h|txt|gyp|md|yml)$/

/** Indexes the API by name: all names, and which names may follow which after a dot. */
export function namesOf(api) {
  const checker = api.program.getTypeChecker()
  const all = new Set()
  const after = new Map()
  const add = (name, type, seen = new Set()) => {
    if (!after.has(name)) after.set(name, new Set())
    if (seen.has(type)) return
    seen.add(type)
    for (const part of type.isUnion() ? type.types : [type]) {
      for (const signature of part.getCallSignatures()) add(name, checker.getReturnTypeOfSignature(signature), seen)
      const awaited = checker.getAwaitedType(part)
      if (awaited && awaited !== part) add(name, awaited, seen)
      if (part.flags & ts.TypeFlags.StringLike) {
        if (part.isStringLiteral()) all.add(part.value)
        continue
      }
      for (const property of checker.getPropertiesOfType(part)) {
        if (property.declarations?.some((declaration) => hidden(declaration))) continue
        const declared = property.declarations?.some((declaration) => api.own(declaration))
        after.get(name).add(property.name)
        if (!declared || all.has(`${name}.${property.name}`)) continue
        all.add(property.name)
        all.add(`${name}.${property.name}`)
        add(property.name, checker.getTypeOfSymbol(property))
      }
    }
  }
  const { exported } = symbolsOf(api)
  for (const [name, symbol] of exported) {
    all.add(name)
    if (symbol.flags & ts.SymbolFlags.Value) add(name, checker.getTypeOfSymbol(symbol))
    if (!(symbol.flags & ts.SymbolFlags.Type)) continue
    const type = checker.getDeclaredTypeOfSymbol(symbol)
    add(name, type)
    add(name[0].toLowerCase() + name.slice(1), type)
    for (const [variable, of] of Object.entries(variables)) if (of === name) add(variable, type)
  }
  return { all, after }
}

/** The code spans of a text outside fences, with their 1-based lines. */
export function spansOf(text) {
  const spans = []
  let fence = false
  for (const [i, line] of text.split('\n').entries()) {
    if (/^\s*```/.test(line)) fence = !fence
    else if (!fence) for (const [, code] of line.matchAll(/`([^`]+)`/g)) spans.push({ line: i + 1, code })
  }
  return spans
}

/** The fences of TypeScript and JavaScript of a text, with the 1-based line of their first line of code. */
export function fencesOf(text) {
  const fences = []
  let open
  for (const [i, line] of text.split('\n').entries()) {
    if (open) {
      if (/^\s*```/.test(line)) {
        const { lines, ...fence } = open
        open = void fences.push({ ...fence, code: lines.join('\n') })
      } else open.lines.push(line)
    } else {
      const [, language, run] = /^\s*```(ts|js)( run)?\s*$/.exec(line) ?? []
      if (language) open = { line: i + 2, lines: [], language, run: run !== undefined }
    }
  }
  return fences
}

/** Why a code span is wrong; `undefined` if it is right or cannot be checked. */
export function faultOf(code, { names: { all, after }, isWord, exists, scripts }) {
  const script = /^npm run (?:--silent )?([\w:-]+)/.exec(code)?.[1]
  if (script) return scripts.includes(script) ? undefined : `package.json has no script "${script}"`
  const variable = /^(RINGTAP_\w+)/.exec(code)?.[1]
  if (variable) return isWord(variable) ? undefined : `nothing reads ${variable}`
  const file = /^(?:node )?(\.?[\w@-][\w@./-]*)(?::\d+)?(?: .*)?$/.exec(code)?.[1]
  if (file && ((extensions.test(file) && !/^\.\w+$/.test(file)) || /^[\w.-]+\/[\w./-]*$/.test(file))) {
    return made.test(file) || /^[A-Z]+\//.test(file) || exists(file) ? undefined : `there is no ${file}`
  }
  if (/^ERR_\w+$/.test(code)) return all.has(code) ? undefined : `CaptureErrorCode has no ${code}`
  const option = /^([a-z]\w*): /.exec(code)?.[1]
  // Texts for contributors also mention options of other tools.
  if (option) return all.has(option) || isWord(option) ? undefined : `the API has no option ${option}`

  const match = /^(?:await )?(?:new )?([A-Za-z_$][\w$]*(?:(?:\(\))?\.[A-Za-z_$][\w$]*)*)(\(.*)?$/.exec(code)
  if (!match) return undefined
  const chain = match[1].replaceAll('()', '').split('.')
  const [first, ...rest] = chain
  const call = match[2] !== undefined
  if (globals.has(first) && !all.has(first)) return undefined
  if (rest.length === 0) {
    // A single word in one case may be a command or a value; a word with _ belongs to the kernel or libpcap.
    if (/_/.test(first) || (!call && /^[a-z][a-z0-9]*$|^[A-Z][A-Z0-9]*$/.test(first))) return undefined
    if (!all.has(first) && !isWord(first)) return `the API has no ${first}`
  } else {
    for (const [i, name] of rest.entries()) {
      const followers = after.get(chain[i])
      const right = followers?.size ? followers.has(name) : all.has(name)
      if (!right && !isWord(name)) return `the API has no ${name} after ${chain[i]}`
    }
  }
  for (const [, members] of (match[2] ?? '').matchAll(/\{([^{}]*)\}/g)) {
    const wrong = members
      .split(',')
      .map((member) => /^\s*(\w+)/.exec(member)?.[1])
      .find((name) => name && !all.has(name))
    if (wrong) return `the API has no option ${wrong}`
  }
  return undefined
}

/** Link targets within the tree that do not exist. */
export function brokenLinks(text, directory, exists) {
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target]) => target.replace(/#.*$/, ''))
    .filter((target) => target && !/^[a-z]+:/.test(target) && !exists(path.posix.join(directory, target)))
}

/** Turns a fence into a module that declares the conventional variables which the fence itself does not. */
export function asModule(code) {
  const known = { capture: 'Capture', chunk: 'Chunk', packet: 'Packet', recording: 'Recording', savefile: 'Savefile' }
  const declared = Object.entries(known)
    .filter(([name]) => new RegExp(`\\b${name}\\b`).test(code))
    .filter(([name]) => !new RegExp(`\\b(const|let|var|using|function)\\s+${name}\\b|\\b${name}\\s*=>`).test(code))
    .map(([name, type]) => `declare const ${name}: import('ringtap').${type};`)
  return `${declared.join(' ')} export {};${code.replace(/^/, '\n')}\n`
}

function main() {
  const files = treeFiles()
  const read = (name) => readFileSync(path.join(root, name), 'utf8')
  const docs = files.filter((name) => name.endsWith('.md') && name !== 'docs/api.md' && !/^(test|bench)\//.test(name))
  const sources = files.filter((name) => /\.(ts|cts|mjs|cjs|cpp|h|gyp|json)$|^CMakeLists\.txt$/.test(name))
  const words = new Set(sources.flatMap((name) => read(name).match(/[A-Za-z_$][\w$]*/g) ?? []))
  const headers = new Set(
    sources.flatMap((name) => [...read(name).matchAll(/^#include <(.+)>$/gm)].map(([, file]) => file)),
  )
  const { scripts } = JSON.parse(read('package.json'))

  const snippets = new Map()
  for (const name of docs) {
    // JavaScript has no types to check; test/package/docs.test.ts parses it.
    for (const { line, code, language } of fencesOf(read(name)))
      if (language === 'ts') snippets.set(path.join(root, `${name}.${line}.ts`), asModule(code))
  }
  const { options } = compilerOptions('tsconfig.json')
  const api = declarationsOf('lib/index.ts', { ...options, noUnusedLocals: false, noUnusedParameters: false }, snippets)
  const names = namesOf(api)

  const faults = []
  let spans = 0
  for (const name of docs) {
    const text = read(name)
    const directory = path.posix.dirname(name)
    const exists = (file) =>
      [file, path.posix.join(directory, file)].some((one) => existsSync(path.join(root, one))) ||
      files.some((one) => `/${one}`.includes(`/${file}`)) ||
      headers.has(file) ||
      foreign.has(file)
    const user = forUsers.test(name)
    const isWord = (word) =>
      /^RINGTAP_/.test(word) || !user ? words.has(word) : name === 'CHANGELOG.md' && former.has(word)
    for (const { line, code } of spansOf(text)) {
      spans++
      const fault = faultOf(code, { names, isWord, exists, scripts: Object.keys(scripts) })
      if (fault) faults.push(`${name}:${line}: \`${code}\`: ${fault}`)
    }
    for (const target of brokenLinks(text, directory, (file) => existsSync(path.join(root, file))))
      faults.push(`${name}: a link leads to ${target}, which is not there`)
  }
  for (const file of snippets.keys()) {
    const source = api.program.getSourceFile(file)
    const [, name, first] = /^(.*)\.(\d+)\.ts$/.exec(path.relative(root, file))
    for (const problem of [
      ...api.program.getSyntacticDiagnostics(source),
      ...api.program.getSemanticDiagnostics(source),
    ]) {
      const line = source.getLineAndCharacterOfPosition(problem.start ?? 0).line - 1 + Number(first)
      faults.push(`${name}:${line}: ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`)
    }
  }
  for (const fault of faults) console.error(fault)
  if (docs.length === 0 || Object.values(variables).some((name) => !names.all.has(name)))
    throw new Error('no documentation was found, or not the API')
  if (faults.length > 0) process.exitCode = 1
  else console.log(`docs: ${docs.length} files, ${spans} names, ${snippets.size} snippets`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main()
