// Completes what tsc has written to dist/cjs, the one build of the library:
//
// - package.json marks the files as CommonJS, because the package is ESM by default.
// - index.mjs re-exports index.js for import, so that both ways into the library lead to the same classes.
// - cli/main.js, the command, can be executed; man/ has its manual page, and completions/ its completions for shells.
// - Node's own modules are fetched with process.getBuiltinModule(), because a bundle of ES modules has no require().
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The text of a compiled file, with Node's own modules fetched without require(). */
export function withoutRequireOfBuiltins(text) {
  return text.replace(/\brequire\(("node:[\w/]+")\)/g, 'process.getBuiltinModule($1)')
}

/** The wrapper for import: names, because a namespace would contain `default` and `module.exports` too. */
export function wrapperOf(names) {
  return `export {\n${[...names]
    .sort()
    .map((name) => `  ${name},\n`)
    .join('')}} from './index.js'\n`
}

export function finishDist(dist) {
  const files = readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.js'))
  for (const file of files.map((name) => path.join(dist, name))) {
    const text = readFileSync(file, 'utf8')
    const changed = withoutRequireOfBuiltins(text)
    if (changed !== text) writeFileSync(file, changed)
  }
  // Before any of the files is loaded.
  writeFileSync(path.join(dist, 'package.json'), '{ "type": "commonjs" }\n')
  finishCommand(dist)
  const names = Object.keys(createRequire(import.meta.url)(path.join(dist, 'index.js')))
  writeFileSync(path.join(dist, 'index.mjs'), wrapperOf(names))
  writeFileSync(path.join(dist, 'index.d.mts'), `export * from './index.js'\n`)
}

function finishCommand(dist) {
  chmodSync(path.join(dist, 'cli', 'main.js'), 0o755)
  // In a process of its own, because the package may be laid out where its dependencies are not found.
  const modules = fileURLToPath(new URL('../node_modules', import.meta.url))
  const script = fileURLToPath(new URL('command-files.cjs', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [script, dist], {
    encoding: 'utf8',
    env: { ...process.env, NODE_PATH: modules },
  })
  if (status !== 0) throw new Error(`${script} failed:\n${stderr}`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  finishDist(fileURLToPath(new URL('../dist/cjs/', import.meta.url)))
