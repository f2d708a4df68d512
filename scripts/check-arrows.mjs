// Which folders may depend on which: an #include or import against the order, or a cycle of files, fails `npm run
// check`.
//
// A folder may use itself and the folders named before it in its list. docs/architecture.md describes each folder.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, treeFiles } from './tree-files.mjs'

/** Lowest layer first. A file belongs to the longest of these names that its path begins with. */
const orders = [
  [
    'native/core/util',
    'native/core/block',
    'native/core/filter',
    'native/core/patterns',
    'native/core/savefile',
    'native/core/linux',
    'native/core/links',
    'native/core/bpf',
    'native/core/ledger',
    'native/core/owners',
    'native/core/send',
    'native/core/record',
    'native/core/capture/intake',
    'native/core/capture/ring',
    'native/core/capture/pcap',
    'native/core/capture',
    'native/binding/util',
    'native/binding/block',
    'native/binding/filter',
    'native/binding/patterns',
    'native/binding/savefile',
    'native/binding/links',
    'native/binding/owners',
    'native/binding/send',
    'native/binding/record',
    'native/binding/capture',
    'native/binding/linux.cpp',
    'native/binding',
    'test/native',
    'test/fuzz',
  ],
  [
    'lib',
    'lib/native',
    'lib/interfaces',
    'lib/packets',
    'lib/dissect',
    'lib/owners',
    'lib/flows',
    'lib/streams',
    'lib/frame',
    'lib/protocols',
    'lib/filter',
    'lib/savefile',
    'lib/send',
    'lib/record',
    'lib/capture',
    'lib/exchange',
    'lib/index.ts',
    'lib/cli',
    'examples',
    'test',
    'bench',
  ],
  // An application of its own; it imports the package by its name.
  [
    'examples/sensor/src/common',
    'examples/sensor/src/wire',
    'examples/sensor/src/transport',
    'examples/sensor/src/response',
    'examples/sensor/src/sensor',
    'examples/sensor/src/collector',
    'examples/sensor/src',
    'examples/sensor/test',
    'examples/sensor/bench',
  ],
]

/** Folders that may not use each other, although one is named before the other. */
const separate = [
  ['native/core/capture/ring', 'native/core/capture/pcap'],
  ['examples/sensor/src/sensor', 'examples/sensor/src/collector'],
  ['examples/sensor/src/response', 'examples/sensor/src/collector'],
]

/**
 * What is Linux alone, and in native/sources-linux.txt. The rest of native/core and native/binding is compiled elsewhere
 * too (docs/architecture.md), and may not use it.
 */
const linux =
  /^native\/(core\/(linux|links|bpf|ledger|owners|send|record|capture)|binding\/(links|owners|send|record|capture))\/|^native\/binding\/linux\.cpp$/

/** What the files of a folder may use of others: the command is a user of the library like any other. */
const doors = new Map([['lib/cli', ['lib/index.ts', 'lib/errors.ts', 'lib/processors.ts']]])

/** The files of the tree that a source file includes or imports, as paths from the root. */
export function usesOf(file, text) {
  if (/\.(h|cpp)$/.test(file)) {
    return [...text.matchAll(/^#include "((?:core|binding)\/[^"]+)"/gm)].map(([, name]) => `native/${name}`)
  }
  const specifiers = [...text.matchAll(/\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)|\bimport '(\.[^']+)'/g)]
  return specifiers.map(([, a, b, c]) =>
    path.posix
      .join(path.posix.dirname(file), a ?? b ?? c)
      .replace(/\.cjs$/, '.cts')
      .replace(/\.js$/, '.ts'),
  )
}

function placeOf(file) {
  let place
  for (const [order, names] of orders.entries()) {
    for (const [rank, name] of names.entries()) {
      if (file !== name && !file.startsWith(`${name}/`)) continue
      if (!place || name.length > place.name.length) place = { order, rank, name }
    }
  }
  return place
}

/** One line for each dependency against the order and for each cycle. `sources`: the text of each file by its path. */
export function findFaults(sources) {
  const faults = []
  const uses = new Map()
  for (const [file, text] of sources) {
    const from = placeOf(file)
    const used = usesOf(file, text).filter((name) => sources.has(name))
    uses.set(file, used)
    for (const name of used) {
      const to = placeOf(name)
      if (!from || !to) faults.push(`${from ? name : file} is in no folder that scripts/check-arrows.mjs knows`)
      else if (to.order !== from.order || to.rank > from.rank)
        faults.push(`${file} uses ${name}: ${from.name} is below ${to.name}`)
      else if (doors.has(from.name) && to.name !== from.name && !doors.get(from.name).includes(name))
        faults.push(`${file} uses ${name}: ${from.name} may use ${doors.get(from.name).join(' and ')} alone`)
      else if (/^native\/(core|binding)\//.test(file) && !linux.test(file) && linux.test(name))
        faults.push(`${file} uses ${name}, which is Linux alone`)
      else if (separate.some((pair) => from.name !== to.name && pair.includes(from.name) && pair.includes(to.name)))
        faults.push(`${file} uses ${name}: ${from.name} and ${to.name} must not use each other`)
    }
  }
  const done = new Set()
  const visit = (file, trail) => {
    const at = trail.indexOf(file)
    if (at >= 0) faults.push(`a cycle: ${[...trail.slice(at), file].join(' → ')}`)
    if (at >= 0 || done.has(file)) return
    for (const name of uses.get(file)) visit(name, [...trail, file])
    done.add(file)
  }
  for (const file of uses.keys()) visit(file, [])
  return faults
}

/** One line for each C++ source that is not in the list of its half, or is in the other. */
export function findListFaults(files, portableList, linuxList) {
  const faults = []
  const wanted = files.filter((name) => /^native\/(core|binding)\/.*\.cpp$/.test(name))
  const lists = new Map([
    ['native/sources.txt', portableList],
    ['native/sources-linux.txt', linuxList],
  ])
  for (const [list, names] of lists) {
    const right = wanted.filter((name) => linux.test(name) === (list === 'native/sources-linux.txt'))
    for (const name of right) if (!names.includes(name)) faults.push(`${name} is not in ${list}`)
    for (const name of names) if (!right.includes(name)) faults.push(`${name} does not belong into ${list}`)
  }
  return faults
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const files = treeFiles().filter((name) => /^(native|lib|test|bench|examples)\/.*\.(h|cpp|ts|cts)$/.test(name))
  const sources = new Map(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]))
  const listed = (name) => readFileSync(path.join(root, name), 'utf8').split('\n').filter(Boolean)
  const faults = [
    ...findFaults(sources),
    ...findListFaults(files, listed('native/sources.txt'), listed('native/sources-linux.txt')),
  ]
  for (const fault of faults) console.error(fault)
  if (sources.size === 0) console.error('scripts/check-arrows.mjs found no sources')
  if (faults.length > 0 || sources.size === 0) process.exitCode = 1
  else console.log(`arrows: ${sources.size} files, none uses what is above it`)
}
