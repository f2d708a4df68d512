// Prints what is compiled in place of the sources of a list: units, each of which includes several sources. The compiler
// takes longer to read the standard library and Node-API than to compile most sources, and reads them once per unit.
//
//   node units.mjs LIST…    LIST: sources.txt, sources-linux.txt. Each paragraph of a list is a unit
//
// Units are written to build/units in the working directory, where binding.gyp and CMake want them, and only if they have
// changed, so that make compiles no more than it must. A unit is named after its first source.
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The units of a list's text: the paths of their sources below native/. */
function unitsOf(text) {
  const paragraphs = text.trim().split(/\n{2,}/)
  return paragraphs.map((paragraph) => paragraph.split('\n').map((source) => source.replace(/^native\//, '')))
}

/** Writes the units of a list's text; returns their paths. */
function writeUnits(text) {
  return unitsOf(text).map((sources) =>
    writeUnit(sources[0].replaceAll('/', '-'), sources.map((source) => `#include "${source}"\n`).join('')),
  )
}

/** Writes a unit, unless it has this content already; returns its path. */
export function writeUnit(name, content) {
  mkdirSync('build/units', { recursive: true })
  const unit = `build/units/${name}`
  if (contentOf(unit) !== content) replace(unit, content)
  return unit
}

function contentOf(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** In one step: a compiler may be reading the file. */
function replace(file, content) {
  writeFileSync(`${file}.${process.pid}`, content)
  renameSync(`${file}.${process.pid}`, file)
}

const native = path.dirname(fileURLToPath(import.meta.url))
const [, started, ...given] = process.argv
const lists = started && realpathSync(started) === fileURLToPath(import.meta.url) ? given : []
for (const list of lists)
  for (const unit of writeUnits(readFileSync(path.join(native, list), 'utf8'))) console.log(unit)
