// Rejects content that must not be in the tree: absolute paths of a developer's machine; a registry URL in
// package-lock.json (npm would download from it, whichever registry the user has configured); conflict markers; build
// outputs; names of maxima and minima that are not max and min.
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, treeFiles } from './tree-files.mjs'

const homes = /(?<![\w.$}-])\/(?:home\/(?!runner\b|USER\b|<)[\w.-]+|root|Users\/[\w.-]+|work|workspaces?)\/[\w.-]+/
/** In code: names that begin with most or least. */
const extremes = /(?<!\w)k?(?:[mM]ost|[lL]east)[A-Z]\w*/
const markers = /^(<{7}|>{7}) |^={7}$/

/** Returns one line for each fault of a file. */
export function faultsOf(file, text) {
  const faults = []
  for (const [i, line] of text.split('\n').entries()) {
    const found = homes.exec(line)?.[0]
    if (found) faults.push(`${file}:${i + 1}: ${found} is a path of one machine`)
    const extreme = /\.(?:ts|mjs|cjs|h|cpp)$/.test(file) && extremes.exec(line)?.[0]
    if (extreme) faults.push(`${file}:${i + 1}: ${extreme}: maxima and minima are named max and min`)
    if (markers.test(line)) faults.push(`${file}:${i + 1}: a conflict marker`)
  }
  if (path.basename(file) === 'package-lock.json') {
    for (const [, host] of text.matchAll(/"resolved": "(https?:\/\/[^/"]+)/g)) {
      faults.push(`${file} names ${host}: npm config set omit-lockfile-registry-resolved true, then renew it`)
      break
    }
  }
  if (/(^|\/)(node_modules|dist|build|\.tap)\/|\.(node|o|tgz)$/.test(file)) faults.push(`${file} is made by a build`)
  return faults
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const files = treeFiles()
  const faults = files
    .filter((name) => statSync(path.join(root, name)).isFile())
    .flatMap((name) => {
      const bytes = readFileSync(path.join(root, name))
      return faultsOf(name, bytes.includes(0) ? '' : bytes.toString('utf8'))
    })
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
  else console.log(`hygiene: ${files.length} files`)
}
