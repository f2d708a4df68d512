// The release gate: what must hold of the package before it is published. Each function returns one line per fault.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { outputOf } from './run.mjs'
import { linksOf } from './stage.mjs'
import { addonExports, glibcFloor, targets } from './targets.mjs'
import { installTools } from './tools.mjs'

const MiB = 1 << 20
/**
 * Bounds on sizes, in bytes: an addon, the tarball, and the package when it is unpacked. Four addons of 2.4 MiB, which are
 * compressed to one each, are most of it; the rest is room to grow by a tenth unnoticed.
 */
export const bounds = { addon: 2.75 * MiB, packed: 5.5 * MiB, unpacked: 15 * MiB }

/** Everything that may be in the package. */
const allowed = [
  /^(package\.json|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE|THIRD-PARTY-NOTICES|sbom\.cdx\.json|llms\.txt)$/,
  /^dist\/cjs\/(index\.mjs|index\.d\.mts|package\.json)$/,
  /^dist\/cjs\/([\w-]+\/)*[\w-]+(\.d\.ts|\.js)$/,
  /^dist\/cjs\/(man\/ringtap\.1|completions\/(ringtap|_ringtap|ringtap\.fish))$/,
  /^addons\/linux-(x64|arm64)-(glibc|musl)\.(cjs|d\.cts)$/,
  /^prebuilds\/linux-(x64|arm64)\/ringtap\.(glibc|musl)\.node$/,
  /^native\/(core|binding)\/([\w-]+\/)*[\w-]+\.(cpp|h)$/,
  /^native\/(sources(-linux)?\.txt|units\.mjs|binding\.gyp)$/,
  /^scripts\/(build-native|check-build)\.mjs$/,
  /^docs\/(?!sensor\.md)([\w-]+\/)*[\w-]+\.md$/,
  /^docs\/images\/[\w-]+\.svg$/,
  /^examples\/(?!sensor\/)([\w-]+\/)*[\w-]+\.(ts|md)$/,
]

/** Without these, the package is not complete. */
const required = [
  'LICENSE',
  'THIRD-PARTY-NOTICES',
  'sbom.cdx.json',
  'README.md',
  'CHANGELOG.md',
  'llms.txt',
  'native/binding.gyp',
  'native/sources.txt',
  'native/sources-linux.txt',
  'native/units.mjs',
  'scripts/build-native.mjs',
  'dist/cjs/index.mjs',
  'dist/cjs/index.d.mts',
  'dist/cjs/man/ringtap.1',
  'dist/cjs/completions/ringtap',
]

/** What an addon needs and exports, as readelf shows it. */
export function inspectAddon(file) {
  const elf = outputOf('readelf', ['-W', '-h', '-d', '-V', '--dyn-syms', file], {
    env: { ...process.env, LC_ALL: 'C' },
  })
  const all = (pattern) => [...elf.matchAll(pattern)].map(([, found]) => found)
  // Num: Value Size Type Bind Vis Ndx Name
  const symbols = [...elf.matchAll(/^ +\d+: [0-9a-f]+ +\w+ +(\w+) +(\w+) +\w+ +(\w+) ([^@\s]+)/gm)]
  return {
    machine: /^ *Machine: +(.*)$/m.exec(elf)?.[1] ?? '',
    size: statSync(file).size,
    needed: all(/\(NEEDED\) +Shared library: \[(.+)\]/g),
    versions: [...new Set(all(/Name: (\w+_[\d.]+) {2}Flags/g))],
    exports: symbols.filter(([, , bind, index]) => index !== 'UND' && bind !== 'LOCAL').map(([, , , , name]) => name),
    imports: symbols.filter(([, , , index]) => index === 'UND').map(([, , , , name]) => name),
    runpath: all(/\((?:RUNPATH|RPATH)\) +.*\[(.+)\]/g),
  }
}

const machines = { x86_64: /X86-64/, aarch64: /AArch64/ }
const newer = (a, b) => a.localeCompare(b, 'en', { numeric: true }) > 0

/**
 * What an addon must take from the C library. The compiler's runtime library has these as well, in one object with
 * everything else, and without the processor's vector instructions: whatever function of that library is needed brings them
 * into the addon, and reading and copying packets then take longer. What needs one: dividing 128 bits; on arm64 a long double,
 * also within libc++. `nm` of the objects in build/package/objects shows it, while the addon is built.
 */
const ofLibc = ['memcpy', 'memmove', 'memset']

/** The faults of an addon for a target. */
export function addonFaults(target, file, roots = []) {
  const { machine, size, needed, versions, exports, imports, runpath } = inspectAddon(file)
  const faults = []
  if (!machines[target.machine].test(machine)) faults.push(`is for ${machine}`)
  for (const library of needed.filter((name) => !target.needed.includes(name))) faults.push(`needs ${library}`)
  for (const version of versions) {
    const [, library, number] = /^(\w+?)_([\d.]+)$/.exec(version)
    if (library !== 'GLIBC' || target.libc !== 'glibc') faults.push(`needs ${version}`)
    else if (newer(number, glibcFloor)) faults.push(`needs ${version}; the floor is GLIBC_${glibcFloor}`)
  }
  for (const name of exports.filter((one) => !addonExports.includes(one))) faults.push(`exports ${name}`)
  for (const name of addonExports.filter((one) => !exports.includes(one))) faults.push(`does not export ${name}`)
  for (const name of ofLibc.filter((one) => !imports.includes(one)))
    faults.push(`does not take ${name} from the C library`)
  for (const folder of runpath) faults.push(`has the run path ${folder}`)
  if (size > bounds.addon) faults.push(`has ${size} bytes; the bound is ${bounds.addon}`)
  const bytes = readFileSync(file)
  for (const folder of roots.filter((one) => bytes.includes(one))) faults.push(`contains the path ${folder}`)
  return faults.map((fault) => `${target.file} ${fault}`)
}

/** The faults of all addons of an unpacked package. */
export function addonsFaults(folder, roots) {
  return targets.flatMap((target) => {
    const file = path.join(folder, target.file)
    return existsSync(file) ? addonFaults(target, file, roots) : [`${target.file} is missing`]
  })
}

export function filesOf(folder) {
  return readdirSync(folder, { recursive: true }).filter((name) => statSync(path.join(folder, name)).isFile())
}

/** Files that should not be in the package, or are missing from it. */
export function fileFaults(names) {
  return [
    ...names
      .filter((name) => !allowed.some((pattern) => pattern.test(name)))
      .map((name) => `${name} should not be in the package`),
    ...required.filter((name) => !names.includes(name)).map((name) => `${name} is missing`),
  ]
}

/** Links of the package's texts that lead nowhere. */
export function linkFaults(folder) {
  return filesOf(folder)
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) =>
      linksOf(readFileSync(path.join(folder, name), 'utf8'), path.posix.dirname(name))
        .filter(({ file }) => file && !existsSync(path.join(folder, file)))
        .map(({ target }) => `${name} links to ${target}, which is not in the package`),
    )
}

/** What would make package managers run something, and entry points that do not exist. */
export function manifestFaults(manifest, exists) {
  const faults = []
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'])
    if (manifest.scripts?.[hook]) faults.push(`package.json has the script ${hook}`)
  if (exists('binding.gyp')) faults.push('binding.gyp at the root makes package managers compile')
  if (manifest.gypfile !== false) faults.push('package.json has no "gypfile": false')
  for (const entry of [manifest.main, manifest.types, ...leaves(manifest.exports), ...leaves(manifest.bin ?? {})])
    if (!entry.includes('*') && !exists(entry.replace('./', '')))
      faults.push(`package.json leads to ${entry}, which is missing`)
  for (const [name, range] of Object.entries(manifest.dependencies ?? {}))
    if (/^(file|link|git|https?):/.test(range)) faults.push(`package.json depends on ${name} by ${range}`)
  return faults
}

const leaves = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(leaves))

export function sizeFaults({ packed, unpacked }) {
  const faults = []
  if (packed > bounds.packed) faults.push(`the tarball has ${packed} bytes; the bound is ${bounds.packed}`)
  if (unpacked > bounds.unpacked) faults.push(`the package has ${unpacked} bytes; the bound is ${bounds.unpacked}`)
  return faults
}

/** Checkers of packages and SBOMs, which are fetched by name: their version is part of the result. */
export const linters = [
  'publint@0.3.25',
  '@arethetypeswrong/cli@0.18.5',
  '@cyclonedx/cyclonedx-library@10.3.0',
  'ajv@8.20.0',
  'ajv-formats@3.0.1',
  'ajv-formats-draft2019@1.6.1',
]

const sbomChecker = `import { Spec, Validation } from '@cyclonedx/cyclonedx-library'
import { readFileSync } from 'node:fs'
const faults = await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(readFileSync(process.argv[2], 'utf8'))
if (faults) throw new Error(JSON.stringify(faults, undefined, 2))
`

/** The complaints of publint and attw about a tarball, and of CycloneDX's schema about an SBOM. */
export function linterFaults(tarball, sbom) {
  const modules = installTools('linters', linters)
  const checker = path.join(modules, '..', 'check-sbom.mjs')
  writeFileSync(checker, sbomChecker)
  const commands = {
    publint: [path.join(modules, '.bin', 'publint'), 'run', tarball, '--strict'],
    attw: [path.join(modules, '.bin', 'attw'), tarball],
    CycloneDX: [process.execPath, checker, sbom],
  }
  return Object.entries(commands).flatMap(([name, [command, ...args]]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: path.dirname(modules), encoding: 'utf8' })
    return status === 0 ? [] : [`${name} complains:\n${stdout}${stderr}`]
  })
}
