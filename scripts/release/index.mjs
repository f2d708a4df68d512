// `npm run release`: builds what is missing of the package, checks it, and leaves in release/ the tarball that is
// published, and a report of what it contains and where that comes from.
//
//   node scripts/release/index.mjs                  all
//   node scripts/release/index.mjs TARGET…          only these targets; the gate then fails for the others
//   node scripts/release/index.mjs --without-linters  without publint, attw and the check of the SBOM, which are fetched
//
// Needs, on linux-x64: cmake, ninja, flex, bison, binutils, and apt-get with a Debian mirror for the sources
// (docs/publishing.md). Every step keeps its result in build/package.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { root } from '../tree-files.mjs'
import { buildAddon, buildLibraries } from './build.mjs'
import * as gate from './gate.mjs'
import { checkMacos } from './macos.mjs'
import { notices, sbom } from './papers.mjs'
import { hashOf, outputOf, run, say, work } from './run.mjs'
import { sources } from './sources.mjs'
import { packagedManifest, stagePackage } from './stage.mjs'
import { targets } from './targets.mjs'
import { compiler, installCompiler, toolsFor } from './toolchain.mjs'

const arguments_ = process.argv.slice(2)
const withLinters = !arguments_.includes('--without-linters')
const names = arguments_.filter((name) => !name.startsWith('--'))
const chosen = targets.filter(({ id }) => names.length === 0 || names.includes(id))

// 1. The compiler, then for each target the libraries and the addon.
const toolchain = installCompiler()
const addons = {}
for (const target of chosen) {
  const tools = toolsFor(target, toolchain)
  addons[target.id] = buildAddon(target, tools, buildLibraries(target, tools))
  say(target.id, `${statSync(addons[target.id]).size} bytes`)
}

// The half that needs no Linux: compiled for macOS, and its tests in a build of it alone.
const macos = await checkMacos(toolchain)
run('portable', process.execPath, [path.join(root, 'scripts', 'portable.mjs')], { cwd: root })

// Every source alone: in a unit (native/units.mjs), one may use what only another one of the unit includes or defines.
const separate = path.join(work, 'separate')
const alone = ['-O', separate, '--CDRINGTAP_SEPARATE=ON', '--CDCMAKE_BUILD_TYPE=Debug']
run('separate', 'npx', ['cmake-js', 'configure', ...alone], { cwd: root })
run('separate', 'cmake', ['--build', separate, '--parallel', '2'])

// 2. The papers. THIRD-PARTY-NOTICES is part of the tree, so that a change of it is seen.
const noticesFile = path.join(root, 'THIRD-PARTY-NOTICES')
const expected = notices(toolchain)
const faults = [...macos.faults]
if (!existsSync(noticesFile) || readFileSync(noticesFile, 'utf8') !== expected) {
  writeFileSync(noticesFile, expected)
  faults.push('THIRD-PARTY-NOTICES was not up to date and has been written anew: look at it and commit it')
}
const source = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

// The compiled library, from nothing.
for (const made of ['cjs', 'cjs.tsbuildinfo']) rmSync(path.join(root, 'dist', made), { recursive: true, force: true })
run('library', 'npm', ['run', '--silent', 'build:ts'], { cwd: root })

// 3. The package, packed and unpacked again: what is checked is what users get.
const stage = path.join(work, 'stage')
const manifest = stagePackage(stage, addons, sbom(packagedManifest(source), addons, toolchain))
const release = path.join(root, 'release')
mkdirSync(release, { recursive: true })
const [packed] = JSON.parse(
  outputOf('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', release], { cwd: stage }),
)
const tarball = path.join(release, packed.filename)
say('pack', `${path.relative(root, tarball)}, ${packed.size} bytes, ${packed.entryCount} files`)
const unpacked = path.join(work, 'unpacked')
rmSync(unpacked, { recursive: true, force: true })
mkdirSync(unpacked, { recursive: true })
run('pack', 'tar', ['-xzf', tarball, '-C', unpacked, '--strip-components=1'])

// 4. The gate.
const files = gate.filesOf(unpacked)
const roots = [...new Set([path.resolve(root), homedir()])].filter((one) => one.length > 1)
faults.push(
  ...gate.addonsFaults(unpacked, roots),
  ...gate.fileFaults(files),
  ...gate.linkFaults(unpacked),
  ...gate.manifestFaults(manifest, (name) => files.includes(name)),
  ...gate.sizeFaults({ packed: packed.size, unpacked: packed.unpackedSize }),
  ...(withLinters ? gate.linterFaults(tarball, path.join(unpacked, 'sbom.cdx.json')) : []),
)
const notes = []
if (!manifest.repository)
  notes.push('repository, homepage and bugs in package.json are not filled in, and the package is without them')
if (!withLinters) notes.push('publint, attw and the check of the SBOM did not run')

// 5. The report.
const report = {
  package: `${manifest.name}@${manifest.version}`,
  commit: outputOf('git', ['rev-parse', 'HEAD'], { cwd: root }).trim(),
  changed: outputOf('git', ['status', '--porcelain'], { cwd: root }).trim() !== '',
  tarball: {
    file: packed.filename,
    size: packed.size,
    unpacked: packed.unpackedSize,
    files: packed.entryCount,
    integrity: packed.integrity,
    sha256: hashOf(readFileSync(tarball)),
  },
  addons: chosen.map(({ id, file, triple }) => {
    const { size, needed, versions, exports } = gate.inspectAddon(path.join(unpacked, file))
    return {
      id,
      file,
      triple,
      size,
      sha256: hashOf(readFileSync(path.join(unpacked, file))),
      needed,
      versions,
      exports,
    }
  }),
  macos: macos.builds,
  sources: sources.map(({ name, version, archive, suite, sha256, same, repacked }) => ({
    name,
    version,
    origin: `${archive} of Debian ${suite}`,
    ...(same ? { same } : { repacked }),
    sha256,
  })),
  compiler,
  bounds: gate.bounds,
  linters: withLinters ? gate.linters : [],
  faults,
  notes,
}
writeFileSync(path.join(release, 'report.json'), `${JSON.stringify(report, undefined, 2)}\n`)
copyFileSync(path.join(stage, 'sbom.cdx.json'), path.join(release, 'sbom.cdx.json'))
for (const note of notes) say('note', note)
for (const fault of faults) say('FAULT', fault)
say('gate', faults.length === 0 ? 'passed; release/report.json' : `${faults.length} faults: not to be published`)
if (faults.length > 0) process.exitCode = 1
