// The release gate finds each fault that it is for.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { witnessEnvironment } from '../helpers/child-environment.js'
import { builtAddon, ownTarget, script, type Target, targets } from '../helpers/staged-package.js'

const gate = (await script('release/gate')) as {
  bounds: { addon: number; packed: number; unpacked: number }
  addonFaults(target: Target, file: string, roots?: string[]): string[]
  addonsFaults(folder: string): string[]
  fileFaults(names: string[]): string[]
  linkFaults(folder: string): string[]
  manifestFaults(manifest: object, exists: (name: string) => boolean): string[]
  sizeFaults(sizes: { packed: number; unpacked: number }): string[]
}
const { packagedText, packagedGyp, packagedManifest } = (await script('release/stage')) as {
  packagedText(text: string, directory: string, exists: (file: string) => boolean, home?: string): string
  packagedGyp(text: string): string
  packagedManifest(manifest: object): Record<string, unknown>
}
const { checkSource } = (await script('release/sources')) as {
  checkSource(source: { archive: string; sha256: string }, bytes: Uint8Array): void
}
const { checkIntegrity } = (await script('release/toolchain')) as {
  checkIntegrity(wanted: { name: string; version: string; integrity: string }, bytes: Uint8Array): void
}

const folder = mkdtempSync(path.join(tmpdir(), 'ringtap-gate-'))
t.teardown(() => rmSync(folder, { recursive: true }))

t.test('an addon that needs more than it may', async (t) => {
  // What node-gyp builds: with the system's libpcap and libstdc++, and symbols of this system's glibc.
  const faults = gate.addonFaults(ownTarget, builtAddon)
  t.ok(
    faults.some((fault) => / needs libpcap\.so/.test(fault)),
    'libpcap',
  )
  t.ok(
    faults.some((fault) => / needs libstdc\+\+\.so/.test(fault)),
    'libstdc++',
  )
  t.ok(
    faults.some((fault) => / needs GLIBCXX_/.test(fault)),
    'versions of libstdc++',
  )
  const lower = { ...ownTarget, needed: [] }
  t.ok(
    gate.addonFaults(lower, builtAddon).some((fault) => / needs libc\.so/.test(fault)),
    'any library not named',
  )
  const other = targets.find(({ machine }) => machine !== ownTarget.machine) as Target
  t.ok(
    gate.addonFaults(other, builtAddon).some((fault) => / is for /.test(fault)),
    'another machine',
  )
  const name = 'napi_register_module_v1'
  t.ok(
    gate.addonFaults(ownTarget, builtAddon, [name]).some((fault) => fault.endsWith(`contains the path ${name}`)),
    'a path',
  )
})

t.test('an addon that requires a newer glibc, or exports more', async (t) => {
  // Compiled for this: fcntl64 came with glibc 2.28, pthread_cond_clockwait with 2.30.
  const source = path.join(folder, 'newer.c')
  writeFileSync(
    source,
    `#define _GNU_SOURCE
    #include <pthread.h>
    #include <time.h>
    void more(pthread_cond_t* c, pthread_mutex_t* m, const struct timespec* t) { pthread_cond_clockwait(c, m, CLOCK_MONOTONIC, t); }
    void napi_register_module_v1(void) {}`,
  )
  const file = path.join(folder, 'newer.node')
  const compiled = spawnSync('cc', ['-shared', '-fPIC', '-o', file, source, '-Wl,-rpath,/opt/lib'], {
    env: witnessEnvironment(),
    encoding: 'utf8',
  })
  t.equal(compiled.status, 0, 'compiles', { output: compiled.stderr })
  const faults = gate.addonFaults(ownTarget, file)
  if (ownTarget.libc === 'glibc')
    t.ok(
      faults.some((fault) => / needs GLIBC_2\.3\d; the floor is GLIBC_2\.28$/.test(fault)),
      'the version',
      { faults },
    )
  t.ok(faults.includes(`${ownTarget.file} exports more`), 'the export')
  t.ok(
    faults.includes(`${ownTarget.file} does not export node_api_module_get_api_version_v1`),
    'an export that is missing',
  )
  t.ok(faults.includes(`${ownTarget.file} has the run path /opt/lib`), 'the run path')
  t.ok(faults.includes(`${ownTarget.file} does not take memcpy from the C library`), 'memcpy')
  t.notMatch(gate.addonFaults(ownTarget, builtAddon).join('\n'), /does not take/, 'which what node-gyp builds does')
})

t.test('an addon that is missing, or too large', async (t) => {
  const empty = path.join(folder, 'empty')
  mkdirSync(empty)
  t.same(
    gate.addonsFaults(empty),
    targets.map(({ file }) => `${file} is missing`),
  )
  const large = path.join(folder, 'large.node')
  cpSync(builtAddon, large)
  writeFileSync(large, Buffer.alloc(gate.bounds.addon), { flag: 'a' })
  t.ok(gate.addonFaults(ownTarget, large).some((fault) => / bytes; the bound is /.test(fault)))
  t.equal(gate.sizeFaults({ packed: gate.bounds.packed, unpacked: gate.bounds.unpacked }).length, 0)
  t.equal(gate.sizeFaults({ packed: gate.bounds.packed + 1, unpacked: gate.bounds.unpacked + 1 }).length, 2)
})

t.test('files that should not be there', async (t) => {
  for (const name of [
    'dist/cjs/index.js.map',
    'test/errors.test.js',
    'examples/sensor/src/main.ts',
    'docs/sensor.md',
    'lib/index.ts',
    'native/build/config.gypi',
    'binding.gyp',
    '.npmrc',
    'prebuilds/linux-x64/node.napi.node',
  ])
    t.ok(gate.fileFaults([name]).includes(`${name} should not be in the package`), name)
  t.ok(gate.fileFaults([]).includes('LICENSE is missing'))
})

t.test('what makes package managers run something', async (t) => {
  const right = { main: './a.js', types: './a.d.ts', exports: { '.': './a.js' }, gypfile: false }
  const exists = (name: string) => ['a.js', 'a.d.ts'].includes(name)
  t.same(gate.manifestFaults(right, exists), [])
  t.match(gate.manifestFaults({ ...right, scripts: { install: 'node-gyp rebuild' } }, exists), [/script install/])
  t.match(gate.manifestFaults({ ...right, gypfile: true }, exists), [/gypfile/])
  t.match(gate.manifestFaults({ ...right, exports: { '.': { import: './b.mjs' } } }, exists), [/leads to \.\/b\.mjs/])
  t.match(gate.manifestFaults({ ...right, bin: { x: 'c.js' } }, exists), [/leads to c\.js/])
  t.match(gate.manifestFaults({ ...right, dependencies: { x: 'file:../x' } }, exists), [/depends on x by file:/])
  t.match(
    gate.manifestFaults(right, (name) => name === 'binding.gyp' || exists(name)),
    [/binding\.gyp at the root/],
  )
})

t.test('links that lead nowhere', async (t) => {
  const text = 'See [docs](docs/a.md#part), [the test](test/a.ts), [there](https://example.org/) and [here](#here).\n'
  const exists = (file: string) => file === 'docs/a.md'
  t.equal(
    packagedText(text, '.', exists),
    'See [docs](docs/a.md#part), the test, [there](https://example.org/) and [here](#here).\n',
    'become text',
  )
  t.match(
    packagedText(text, '.', exists, 'https://example.org/x/blob/v1'),
    '[the test](https://example.org/x/blob/v1/test/a.ts)',
    'or absolute',
  )
  t.equal(packagedText('```md\n[a](b.md)\n```\n', '.', exists), '```md\n[a](b.md)\n```\n', 'not in code')
  const links = path.join(folder, 'links')
  mkdirSync(path.join(links, 'docs'), { recursive: true })
  writeFileSync(path.join(links, 'README.md'), text)
  writeFileSync(path.join(links, 'docs', 'a.md'), '[up](../README.md) [gone](gone.md)')
  t.same(gate.linkFaults(links).sort(), [
    'README.md links to test/a.ts, which is not in the package',
    'docs/a.md links to gone.md, which is not in the package',
  ])
})

t.test('what the package takes over from the tree', async (t) => {
  t.throws(() => packagedGyp('{}'), /which scripts\/release\/stage\.mjs rewrites/, 'a binding.gyp of another form')
  const tree = {
    name: 'x',
    scripts: { 'build:native': 'b', test: 't' },
    devDependencies: { y: '1' },
    homepage: 'https://github.com/OWNER/x#readme',
    repository: 'r',
    bugs: 'b',
  }
  t.same(packagedManifest(tree), { name: 'x', scripts: { 'build:native': 'b' } })
  t.match(packagedManifest({ ...tree, homepage: 'https://example.org/' }), {
    homepage: 'https://example.org/',
    repository: 'r',
  })
})

t.test('sources and compiler that are not the pinned ones', async (t) => {
  const bytes = Buffer.from('a')
  const sha256 = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'
  checkSource({ archive: 'a.tar', sha256 }, bytes)
  t.throws(() => checkSource({ archive: 'a.tar', sha256 }, Buffer.from('b')), /not what was reviewed/)
  const wanted = { name: 'a', version: '1', integrity: 'sha512-AAAA' }
  t.throws(() => checkIntegrity(wanted, bytes), /^a@1 has the integrity sha512-H0D8kt/)
})
